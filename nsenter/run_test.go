package nsenter

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// start runs a plan with a deadline and closes it at the test's end.
func start(t *testing.T, p *Plan) (*Run, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	h, err := p.Start(ctx, Options{Stdout: os.Stderr, Stderr: os.Stderr, Empty: t.TempDir()})
	t.Cleanup(h.Close)
	return h, err
}

func spawn(flags uintptr) Step {
	return Control(Host, OpSpawn, "start the child", Int(flags))
}

func execTrue(path string) Step {
	return Call(Child, unix.SYS_EXECVE, Str(path), Strs([]string{path, "-c", "exit 7"}), Strs(nil)).On(path)
}

func TestRunExitStatus(t *testing.T) {
	p := &Plan{}
	p.Add(spawn(0), execTrue("/bin/sh"))
	h, err := start(t, p)
	if err != nil {
		t.Fatal(err)
	}
	status, err := h.Wait()
	if err != nil || status.ExitStatus() != 7 {
		t.Fatalf("status %d, error %v", status.ExitStatus(), err)
	}
	if r := h.Results(); r[1].State != Running {
		t.Fatalf("execve: %+v", r[1])
	}
}

func TestRunFailedStepNamesItself(t *testing.T) {
	p := &Plan{}
	p.Add(spawn(0),
		Call(Child, unix.SYS_CHDIR, Str("/no/such")).On("/no/such").For("--workdir", ""),
		execTrue("/bin/sh"))
	_, err := start(t, p)
	var step *StepError
	if !errors.As(err, &step) || step.Number != 2 || !errors.Is(err, unix.ENOENT) {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
}

func TestRunSkipsAfterToleratedError(t *testing.T) {
	p := &Plan{}
	fd := p.NewSlot("missing")
	p.Add(spawn(0),
		Call(Child, unix.SYS_OPENAT, Int(unix.AT_FDCWD), Str("/no/such"), Int(0), Int(0)).To(fd).Tolerate(unix.ENOENT),
		Call(Child, unix.SYS_FCHDIR, Fd(fd)),
		execTrue("/bin/sh"))
	h, err := start(t, p)
	if err != nil {
		t.Fatal(err)
	}
	if r := h.Results(); r[1].State != Tolerated || r[2].State != Skipped {
		t.Fatalf("results %+v", r)
	}
	_, _ = h.Wait()
}

func TestRunPassesDescriptorsAndValues(t *testing.T) {
	p := &Plan{}
	dir, code := p.NewSlot("dir"), p.NewSlot("code")
	p.Add(spawn(0),
		Call(Child, unix.SYS_GETPID),
		Call(Host, unix.SYS_OPENAT, Int(unix.AT_FDCWD), Str("/usr"), Int(unix.O_PATH|unix.O_CLOEXEC), Int(0)).To(dir),
		Do("choose a code", func(h *Run) error { h.SetValue(code, 42); return nil }),
		Control(Host, OpSync, "wait for the child"),
		Call(Child, unix.SYS_FCHDIR, Fd(dir)),
		Control(Child, OpExit, "exit", Fd(code)))
	h, err := start(t, p)
	if !errors.Is(err, ErrNoExec) {
		t.Fatalf("got %v", err)
	}
	for i, r := range h.Results() {
		if r.State != Done {
			t.Errorf("step %d: %+v", i+1, r)
		}
	}
}

func TestRunForkIsOurChild(t *testing.T) {
	p := &Plan{}
	p.Add(spawn(unix.CLONE_NEWNS),
		Call(Child, unix.SYS_UNSHARE, Int(unix.CLONE_NEWPID)),
		Control(Child, OpFork, "enter the PID namespace"),
		execTrue("/bin/sh"))
	h, err := start(t, p)
	if err != nil {
		t.Fatal(err)
	}
	status, err := h.Wait()
	if err != nil || status.ExitStatus() != 7 {
		t.Fatalf("status %v, error %v", status, err)
	}
}

func TestRunInitReapsAndExitsAsPayload(t *testing.T) {
	p := &Plan{}
	p.Add(spawn(unix.CLONE_NEWPID),
		Control(Child, OpInit, "stay as PID 1"),
		execTrue("/bin/sh"))
	h, err := start(t, p)
	if err != nil {
		t.Fatal(err)
	}
	status, err := h.Wait()
	if err != nil || status.ExitStatus() != 7 {
		t.Fatalf("status %v, error %v", status, err)
	}
}

func TestRunWithoutExecEnds(t *testing.T) {
	p := &Plan{}
	p.Add(spawn(0), Call(Child, unix.SYS_GETPID))
	if _, err := start(t, p); !errors.Is(err, ErrNoExec) {
		t.Fatalf("got %v", err)
	}
}
