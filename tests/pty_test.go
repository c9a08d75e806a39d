package tests

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// cmdPty runs a command on a terminal of its own and plays a dialogue with it:
// "pty FILE COMMAND ARG...". Each line of the file is one of
//
//	expect REGEXP     wait until the output since the last match matches
//	send TEXT         type it; \r, \n, \t, \xNN and \\ are understood
//	resize ROWS COLS  change the terminal's size (24 80 at first)
//	signal NAME       send a signal, such as TERM, to the command
//	hangup            close the terminal
//	wait              wait for the command's end
//	exits CODE        the code that the command must end with (0 without it)
//
// Blank lines and lines that begin with # are passed over. Everything the
// terminal showed is the command's stdout. When the command has ended, however
// it did, the terminal must be in the mode that it was in before.
func cmdPty(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: pty FILE COMMAND ARG...")
	}
	d := &dialogue{want: "0", limit: 30 * time.Second}
	if os.Getenv("BERTH_VM") != "" {
		d.limit = 120 * time.Second
	}
	env := []string{}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "BERTH_ROOT", "BERTH_RUNROOT", "BERTH_LEDGER"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	path, err := lookPath(args[1], ts.Getenv("PATH"))
	ts.Check(err)
	d.cmd = exec.Command(path, args[2:]...)
	d.cmd.Dir, d.cmd.Env = ts.MkAbs("."), append(env, "TERM=xterm")
	lines := strings.Split(ts.ReadFile(args[0]), "\n")
	err = d.play(lines)
	fmt.Fprint(ts.Stdout(), d.screen())
	if err != nil {
		ts.Fatalf("pty %s: %v\nthe terminal showed:\n%s", args[0], err, d.screen())
	}
}

func lookPath(name, path string) (string, error) {
	for _, dir := range strings.Split(path, ":") {
		full := dir + "/" + name
		if unix.Access(full, unix.X_OK) == nil {
			return full, nil
		}
	}
	return "", fmt.Errorf("find %s: not in PATH", name)
}

// dialogue is a command on a terminal, and what it has shown so far.
type dialogue struct {
	cmd   *exec.Cmd
	term  *os.File // the test's end
	tty   *os.File // the command's
	mode  unix.Termios
	want  string
	limit time.Duration
	done  chan error
	ended bool
	hung  bool

	mu    sync.Mutex
	shown []byte
	read  int // how much of shown earlier expects have used up
}

func (d *dialogue) play(lines []string) (err error) {
	if err := d.start(); err != nil {
		return err
	}
	d.done = make(chan error, 1)
	copied := make(chan bool)
	go func() {
		defer close(copied)
		_, _ = io.Copy(d, d.term) // ends with EIO once nobody has the terminal open
	}()
	go func() { d.done <- d.cmd.Wait() }()
	defer func() {
		if !d.ended {
			_ = d.cmd.Process.Kill()
			<-d.done
		}
		d.tty.Close()
		d.term.Close()
		<-copied
	}()
	for i, line := range lines {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		if err := d.step(verb, rest); err != nil {
			return fmt.Errorf("line %d, %s: %w", i+1, line, err)
		}
	}
	if d.ended {
		return nil
	}
	return d.wait()
}

// start opens the terminal and starts the command on it.
func (d *dialogue) start() (err error) {
	if d.term, d.tty, err = pty.Open(); err != nil {
		return err
	}
	err = pty.Setsize(d.term, &pty.Winsize{Rows: 24, Cols: 80})
	if err == nil {
		d.mode, err = mode(d.tty)
	}
	if err == nil {
		d.cmd.Stdin, d.cmd.Stdout, d.cmd.Stderr = d.tty, d.tty, d.tty
		d.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
		err = d.cmd.Start()
	}
	if err != nil {
		d.tty.Close()
		d.term.Close()
	}
	return err
}

// mode is how a terminal is set.
func mode(tty *os.File) (unix.Termios, error) {
	t, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return unix.Termios{}, fmt.Errorf("get mode of terminal: %w", err)
	}
	return *t, nil
}

// restored checks the terminal after the command's end; one that was hung up
// has no mode any more.
func (d *dialogue) restored() error {
	now, err := mode(d.tty)
	if d.hung {
		return nil
	}
	if err != nil || now == d.mode {
		return err
	}
	return fmt.Errorf("the terminal was left in another mode: %+v, was %+v", now, d.mode)
}

func (d *dialogue) step(verb, rest string) error {
	switch verb {
	case "expect":
		return d.expect(rest)
	case "send":
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(rest, `"`, `\"`) + `"`)
		if err != nil {
			return err
		}
		_, err = io.WriteString(d.term, text)
		return err
	case "resize":
		var size pty.Winsize
		if _, err := fmt.Sscan(rest, &size.Rows, &size.Cols); err != nil {
			return err
		}
		return pty.Setsize(d.term, &size)
	case "signal":
		return d.cmd.Process.Signal(unix.SignalNum("SIG" + rest))
	case "hangup":
		d.hung = true
		return d.term.Close()
	case "wait":
		return d.wait()
	case "exits":
		d.want = rest
		return nil
	}
	return errors.New("no such step")
}

func (d *dialogue) expect(pattern string) error {
	re, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(d.limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		d.mu.Lock()
		at := re.FindIndex(d.shown[d.read:])
		if at != nil {
			d.read += at[1]
		}
		d.mu.Unlock()
		if at != nil {
			return nil
		}
	}
	return fmt.Errorf("not shown within %s", d.limit)
}

func (d *dialogue) wait() error {
	if d.ended {
		return nil
	}
	select {
	case err := <-d.done:
		d.ended = true
		if got := ending(err); got != d.want {
			return fmt.Errorf("ended with %s, want %s", got, d.want)
		}
		return d.restored()
	case <-time.After(d.limit):
		return fmt.Errorf("still running after %s", d.limit)
	}
}

// Write takes what the terminal shows.
func (d *dialogue) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shown = append(d.shown, p...)
	return len(p), nil
}

func (d *dialogue) screen() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(d.shown)
}
