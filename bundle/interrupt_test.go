package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
	"berth/state"
	"berth/tests/ledger"
)

// makeEnv makes the test binary a process that makes a container, and can be
// signalled: create, run, or run -d; its arguments are the rest.
const makeEnv = "BUNDLE_TEST_MAKE"

// makeContainer ends like the command of that name.
func makeContainer(kind string) {
	dir, root, run, bundle, id := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	r := &Runtime{
		Dir: dir, Dirs: state.Dirs{Root: root, Run: run}, Getenv: func(string) string { return "" },
		Warn: func(format string, args ...any) { fmt.Fprintf(os.Stderr, "warning: "+format+"\n", args...) },
	}
	o := CreateOptions{Bundle: bundle, Stdio: container.Stdio{Out: os.Stdout}}
	var code int
	var err error
	switch kind {
	case "create":
		err = r.Create(context.Background(), id, o)
	default:
		code, err = r.Run(context.Background(), id, RunOptions{CreateOptions: o, Detach: kind == "run -d"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
		if said := (*InterruptError)(nil); errors.As(err, &said) {
			code = 128 + int(said.Signal)
		}
	}
	os.Exit(code)
}

// maker is a command that makes the container "x" of a bundle.
func (h *harness) maker(kind, bundle string) *exec.Cmd {
	h.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.CommandContext(h.t.Context(), exe, h.Dir, h.Dirs.Root, h.Dirs.Run, bundle, "x")
	cmd.Env = append(os.Environ(), makeEnv+"="+kind)
	return cmd
}

// TestInterrupt: whenever a signal comes, there is either a whole container or
// nothing.
func TestInterrupt(t *testing.T) {
	tries := 120
	if testing.Short() {
		tries = 30
	}
	hooked := func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{
			CreateRuntime:  []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "sleep 0.005"}}},
			StartContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "sleep 0.005"}}},
		}
	}
	for _, x := range []struct {
		name, kind string
		change     func(*specs.Spec)
		tries      int
	}{
		{"create", "create", func(*specs.Spec) {}, tries},
		{"run", "run", func(*specs.Spec) {}, tries},
		{"detached", "run -d", func(*specs.Spec) {}, tries / 2},
		{"hooks", "run", hooked, tries / 2},
	} {
		t.Run(x.name, func(t *testing.T) {
			h := newHarness(t)
			s := shell("sleep 0.1")
			x.change(s)
			dir := h.bundle(s)
			l := ledger.Take(t)
			h.interruptMany(x.kind, dir, x.tries)
			reapAll(t)
			l.Check(t, 10*time.Second)
		})
	}
}

// reapAll takes the exit statuses of payloads: they are children of this process,
// or of its own dead children, once a test has made it a subreaper.
func reapAll(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		switch pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); {
		case err == unix.ECHILD:
			return
		case pid == 0:
			time.Sleep(time.Millisecond)
		}
	}
	t.Error("children were left")
}

// interruptMany signals commands at later and later moments, up to some that are
// through already.
func (h *harness) interruptMany(kind, dir string, tries int) {
	h.t.Helper()
	start := time.Now()
	if err := h.maker(kind, dir).Run(); err != nil {
		h.t.Fatal(err)
	}
	whole := time.Since(start)
	h.remove()
	hits := 0
	// A machine that is busy by turns may be slower now than it was before.
	for round := 0; round < tries || hits == 0 && round < 10*tries; round++ {
		signal := []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP}[round%3]
		if h.interrupt(kind, dir, whole*time.Duration(round)/time.Duration(tries), signal) {
			hits++
		}
		if h.t.Failed() {
			return
		}
	}
	if hits == 0 {
		h.t.Error("no creation was interrupted")
	}
	h.t.Logf("%d of %d were interrupted in the middle", hits, tries)
}

// interrupt signals one command after a while, and reports whether that undid a
// creation.
func (h *harness) interrupt(kind, dir string, after time.Duration, sig unix.Signal) bool {
	h.t.Helper()
	cmd := h.maker(kind, dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Signal(sig) // it may have ended
	_ = cmd.Wait()              // by whatever
	_, err := os.Lstat(h.dir("x"))
	left := err == nil
	status := cmd.ProcessState.Sys().(interface{ Signaled() bool })
	code := cmd.ProcessState.ExitCode()
	what := fmt.Sprintf("%s %s after %v: %v, %s", kind, unix.SignalName(sig), after, cmd.ProcessState, stderr.String())
	switch {
	case code == 128+int(sig) && kind == "run" && stderr.String() == "":
		return false // the signal has ended the payload
	case code == 128+int(sig):
		if left || !strings.Contains(stderr.String(), "interrupted by "+unix.SignalName(sig)) {
			h.t.Errorf("%s: left: %v", what, left)
		}
	case code == 0:
		if left != (kind != "run") {
			h.t.Errorf("%s: left: %v", what, left)
		}
	case !status.Signaled():
		h.t.Error(what)
	}
	if left {
		s, err := h.State(h.t.Context(), "x")
		if err != nil || s.Status == creating || kind == "create" && s.Status != created {
			h.t.Errorf("%s: left %+v, %v", what, s, err)
		}
		h.remove()
	}
	h.empty()
	return code == 128+int(sig)
}

func (h *harness) remove() {
	h.t.Helper()
	if err := h.Delete(h.t.Context(), "x", true); err != nil {
		h.t.Error(err)
	}
}

// TestInterruptLate: once the payload runs a signal is the payload's, also while
// berth is still busy.
func TestInterruptLate(t *testing.T) {
	h := newHarness(t)
	ledger.Take(t)
	s := shell("trap 'exit 9' TERM; while :; do sleep 0.02; done")
	// The payload needs a moment for its trap.
	hook := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "kill -TERM $PPID; sleep 1"}}
	s.Hooks = &specs.Hooks{Poststart: []specs.Hook{hook}}
	cmd := h.maker("run", h.bundle(s))
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 9 {
		t.Errorf("%v", cmd.ProcessState)
	}
	h.empty()
}

// TestIgnoredHangup: what nohup(1) starts is not interrupted.
func TestIgnoredHangup(t *testing.T) {
	h := newHarness(t)
	ledger.Take(t)
	s := shell("sleep 100")
	s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "kill -HUP $PPID; sleep 0.1"}}}}
	cmd := h.maker("create", h.bundle(s))
	cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	h.await("x", created)
	h.remove()
}
