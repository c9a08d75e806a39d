package callers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

const (
	// patience ends a command that hangs, settle is how long leftovers may
	// take to go and window how long a state may take to come.
	patience = 60 * time.Second
	settle   = 5 * time.Second
	window   = 15 * time.Second
	// group is the cgroup that containers are put below.
	group = "berth-callers"
	// anyCode is any exit code but 0: callers' own refusals differ in it.
	anyCode = -1
)

// runtimeUnderTest makes a symbolic link of the given name to berth, or to what
// BERTH_CALLERS_RUNTIME names: callers and berth look at the name.
func runtimeUnderTest(t *testing.T, dir, name string) string {
	t.Helper()
	target := os.Getenv("BERTH_CALLERS_RUNTIME")
	if target == "" {
		target = fixture.Berth(t)
	}
	link := filepath.Join(dir, name)
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// caller is a command line that makes containers through the runtime.
type caller struct {
	argv   []string
	env    []string
	flags  map[string][]string // pairs that a command, such as run, always gets
	remove []string            // the command that removes a container by force
	logs   []string            // files worth reading when a case fails

	runtime   string // path of the runtime, under the name that it is tried by
	below     string // a cgroup parent below that of all containers
	notFound  int    // exit code of an exec of a missing program
	oomKilled string // what inspect says of a container that the kernel ended
}

// outcome is how a command ended and what it printed.
type outcome struct {
	code     int
	out, err string
}

func (o outcome) String() string {
	return fmt.Sprintf("exit code %d\nstdout: %s\nstderr: %s", o.code, o.out, o.err)
}

// line is the whole command line for a command and its arguments, which come
// instead of the caller's own flags of the same name. A pod brings its own.
func (c *caller) line(args []string) []string {
	line := append(slices.Clone(c.argv), args[0])
	for pair := range slices.Chunk(c.flags[args[0]], 2) {
		if !slices.Contains(args, pair[0]) && !slices.Contains(args, "--pod") {
			line = append(line, pair...)
		}
	}
	return append(line, args[1:]...)
}

// start readies a command that is ended when it takes too long.
func (c *caller) start(t *testing.T, args []string) (*exec.Cmd, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	line := c.line(args)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = c.env
	// A monitor that inherits the pipes must not keep Wait from returning.
	cmd.WaitDelay = 5 * time.Second
	return cmd, cancel
}

// input runs a command with that on its standard input.
func (c *caller) input(t *testing.T, input string, args ...string) outcome {
	t.Helper()
	cmd, cancel := c.start(t, args)
	defer cancel()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	err := cmd.Run()
	return outcome{codeOf(t, cmd, err), strings.TrimSpace(out.String()), strings.TrimSpace(errs.String())}
}

// speak is input whose end does not come before the command's: docker attach
// lets go of the output when its input ends.
func (c *caller) speak(t *testing.T, words string, args ...string) outcome {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString(words); err != nil {
		t.Fatal(err)
	}
	cmd, cancel := c.start(t, args)
	defer cancel()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, &out, &errs
	err = cmd.Run()
	r.Close()
	return outcome{codeOf(t, cmd, err), strings.TrimSpace(out.String()), strings.TrimSpace(errs.String())}
}

// try runs a command and judges nothing.
func (c *caller) try(t *testing.T, args ...string) outcome {
	t.Helper()
	return c.input(t, "", args...)
}

// ok runs a command that must succeed and returns its standard output.
func (c *caller) ok(t *testing.T, args ...string) string {
	t.Helper()
	got := c.try(t, args...)
	if got.code != 0 {
		t.Fatalf("%s: %s", strings.Join(args, " "), got)
	}
	return got.out
}

// says runs a command that must succeed and print what the pattern matches.
func (c *caller) says(t *testing.T, pattern string, args ...string) {
	t.Helper()
	if got := c.ok(t, args...); !regexp.MustCompile(pattern).MatchString(got) {
		t.Errorf("%s: printed %q, want a match of %q", strings.Join(args, " "), got, pattern)
	}
}

// fails runs a command that must end with the code and say what the pattern
// matches. On which stream is the caller's affair: docker exec takes stdout.
func (c *caller) fails(t *testing.T, code int, pattern string, args ...string) {
	t.Helper()
	got := c.try(t, args...)
	if code == anyCode && got.code != 0 {
		code = got.code
	}
	if got.code != code || !regexp.MustCompile(pattern).MatchString(got.err+got.out) {
		t.Errorf("%s: want exit code %d and an error like %q, have %s", strings.Join(args, " "), code, pattern, got)
	}
}

// until repeats a command until it prints what the pattern matches.
func (c *caller) until(t *testing.T, pattern string, args ...string) {
	t.Helper()
	want := regexp.MustCompile(pattern)
	var got outcome
	for deadline := time.Now().Add(window); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if got = c.try(t, args...); got.code == 0 && want.MatchString(got.out) {
			return
		}
	}
	t.Fatalf("%s: not %q after %s, but %s", strings.Join(args, " "), pattern, window, got)
}

// onTerminal runs a command whose standard files are a terminal of that size
// and types the input; the program's output is all that the terminal showed.
func (c *caller) onTerminal(t *testing.T, rows, cols uint16, input string, args ...string) outcome {
	t.Helper()
	master, slave := openTerminal(t, rows, cols)
	defer master.Close()
	cmd, cancel := c.start(t, args)
	defer cancel()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err := cmd.Start()
	slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		// EIO is how a terminal says that its other side is closed.
		text, _ := io.ReadAll(master)
		shown <- string(text)
	}()
	if _, err := master.WriteString(input); err != nil {
		t.Error(err)
	}
	err = cmd.Wait()
	return outcome{code: codeOf(t, cmd, err), out: strings.TrimSpace(strings.ReplaceAll(<-shown, "\r\n", "\n"))}
}

func openTerminal(t *testing.T, rows, cols uint16) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// codeOf is what a shell would report.
func codeOf(t *testing.T, cmd *exec.Cmd, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode()
	case errors.Is(err, exec.ErrWaitDelay):
		t.Errorf("%s: something kept its output open", strings.Join(cmd.Args, " "))
		return cmd.ProcessState.ExitCode()
	}
	t.Errorf("%s: %v", strings.Join(cmd.Args, " "), err)
	return -1
}

// scenario is one thing that callers do, with a container of the given name.
type scenario struct {
	name string
	run  func(t *testing.T, c *caller, id string)
}

// play runs the scenarios in turn and shows what the daemons wrote meanwhile
// when one fails.
func play(t *testing.T, c *caller, scenarios []scenario) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			offsets := map[string]int64{}
			for _, path := range c.logs {
				if info, err := os.Stat(path); err == nil {
					offsets[path] = info.Size()
				}
			}
			t.Cleanup(func() {
				if c.remove != nil {
					c.try(t, append(c.remove, s.name)...)
				}
				if t.Failed() {
					showLogs(t, c.logs, offsets)
				}
			})
			s.run(t, c, s.name)
		})
	}
}

func showLogs(t *testing.T, paths []string, offsets map[string]int64) {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(io.NewSectionReader(f, offsets[path], 1<<20))
		f.Close()
		t.Logf("%s:\n%s", filepath.Base(path), text)
	}
}
