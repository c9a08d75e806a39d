package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// programLimit is how long one program may take: the slowest waits twice for 10
// seconds, and an emulated machine is twenty times slower.
const programLimit = 4 * time.Minute

// suite is the folder of the built programs with how they run.
type suite struct {
	dir     string
	runtime string   // the one program they call
	env     []string // besides this process's
	away    bool     // in a mount namespace of its own: runc leaves mounts behind
	v2only  bool     // in one that shows cgroup v2 alone
}

// programs finds the built programs: CONFORMANCE_DIR, or .build/conformance.
func programs(t *testing.T) (dir string, names []string) {
	t.Helper()
	dir = os.Getenv("CONFORMANCE_DIR")
	if dir == "" {
		top, err := fixture.Top()
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("sh", filepath.Join(top, "tests/conformance/build.sh")).CombinedOutput(); err != nil {
			t.Fatalf("build the validation programs: %v\n%s", err, out)
		}
		dir = filepath.Join(top, ".build/conformance")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o111 != 0 && !e.IsDir() && e.Name() != "runtimetest" {
			names = append(names, e.Name())
		}
	}
	if only := os.Getenv("CONFORMANCE_ONLY"); only != "" {
		wanted := strings.Fields(only)
		names = slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(wanted, n) })
	}
	if len(names) == 0 {
		t.Fatalf("no validation programs in %s", dir)
	}
	return dir, names
}

// kind names the cgroup hierarchies of this machine: v2, v1 or hybrid.
func kind(t *testing.T) string {
	t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type == unix.CGROUP2_SUPER_MAGIC {
		return "v2"
	}
	if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.procs"); err == nil {
		return "hybrid"
	}
	return "v1"
}

// argv is a command where the programs run.
func (s suite) argv(command ...string) []string {
	if !s.away {
		return command
	}
	script := `exec "$0" "$@"`
	if s.v2only {
		script = "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; " + script
	}
	return append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-ec", script}, command...)
}

// run runs one program; what it makes is below temp. The text is its output.
func (s suite) run(t *testing.T, name, temp string) (outcome, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programLimit)
	defer cancel()
	argv := s.argv("./" + name)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append(append(os.Environ(), "RUNTIME="+s.runtime, "TMPDIR="+temp), s.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A container that outlives its program may hold the pipes.
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	err := cmd.Run()
	code := cmd.ProcessState.ExitCode()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("%s: %v", name, err)
	}
	o := parseTAP(stdout.String(), code)
	if ctx.Err() != nil {
		o.failed = []string{fmt.Sprintf("(not done after %s)", programLimit)}
	}
	return o, explain(stdout.String()) + stderr.String()
}

// explain leaves out of a program's output what passed.
func explain(output string) string {
	var b strings.Builder
	keep := true
	for line := range strings.Lines(output) {
		if m := tapCheck.FindStringSubmatch(line); m != nil {
			keep = m[1] != ""
		}
		if !keep {
			continue
		}
		// What ran in the container comes as one line of JSON.
		for part := range strings.SplitSeq(line, `\n`) {
			part = strings.TrimRight(part, "\n")
			if strings.HasPrefix(part, "ok ") || len(part) > 600 {
				continue
			}
			b.WriteString(part + "\n")
		}
	}
	text := b.String()
	if len(text) > 4000 {
		text = text[:4000] + "…\n"
	}
	return text
}
