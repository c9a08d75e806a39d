package nsenter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// threads counts this process's threads.
func threads(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestRunLeavesNothing runs plans that work and plans that fail in every way,
// and wants no descriptor, thread or process more than before.
func TestRunLeavesNothing(t *testing.T) {
	needRoot(t)
	empty := t.TempDir()
	runs := []func(p *Plan){
		func(p *Plan) { p.Add(spawn(unix.CLONE_NEWPID), Control(Child, OpInit, "init"), shell("exit 0")) },
		func(p *Plan) {
			p.Add(spawn(0), shell("exit 0"))
			p.Steps = append(p.Steps[:1], append(hang(p)[:1], p.Steps[1:]...)...)
		},
		func(p *Plan) { p.Add(spawn(0), Call(Child, unix.SYS_CHDIR, Str("/no/such")), shell("exit 0")) },
		func(p *Plan) { p.Add(spawn(0), Do("fail", func(*Run) error { return errHost })) },
		func(p *Plan) {
			p.Add(spawn(0))
			p.Add(forkSteps()...)
			p.Add(Control(Host, OpSync, ""), Do("fail", func(*Run) error { return errHost }))
		},
		func(p *Plan) { p.Add(spawn(unix.CLONE_NEWUSER|unix.CLONE_FS), shell("exit 0")) }, // EINVAL
	}
	round := func() {
		for i, build := range runs {
			p := &Plan{}
			build(p)
			h, err := p.Start(t.Context(), Options{Empty: empty})
			if (err == nil) != (i < 2) {
				t.Fatalf("plan %d: %v", i, err)
			}
			if err == nil {
				if _, err := h.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			h.Close()
		}
	}
	for range 10 { // lets the runtime open and start what it wants once
		round()
	}
	files, before := openFiles(t, os.Getpid()), threads(t)
	for range 34 {
		round()
	}
	if after := openFiles(t, os.Getpid()); len(after) != len(files) {
		t.Errorf("descriptors before: %v\nafter: %v", files, after)
	}
	// The runtime may start a few threads of its own at any time.
	if after := threads(t); after > before+4 {
		t.Errorf("%d threads before, %d after", before, after)
	}
	noChildren(t)
}

// TestSpawnFails starts executors that cannot start: the error says why.
func TestSpawnFails(t *testing.T) {
	needRoot(t)
	regular := func(p *Plan) Step {
		fd := p.NewSlot("cgroup")
		p.Add(Do("open no cgroup", func(h *Run) error {
			f, err := unix.Open("/etc/passwd", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			h.SetFd(fd, f)
			return err
		}))
		return Control(Host, OpSpawn, "start the child", Int(0), Fd(fd))
	}
	second := func(p *Plan) Step { p.Add(spawn(0)); return spawn(0) }
	tests := []struct {
		name string
		step func(p *Plan) Step
		rest []Step
		want unix.Errno
		text string
	}{
		{"bad cgroup", regular, []Step{shell("exit 0")}, unix.EBADF, "start the child: EBADF: start executor"},
		{"bad cgroup, found by a sync", regular, []Step{Call(Child, unix.SYS_GETPID), Control(Host, OpSync, "wait"), shell("exit 0")},
			unix.EBADF, "start the child: EBADF: start executor"},
		{"bad cgroup, no child steps", regular, nil, unix.EBADF, "start the child: EBADF: start executor"},
		{"bad flags", func(*Plan) Step { return spawn(unix.CLONE_NEWUSER | unix.CLONE_FS) }, []Step{shell("exit 0")},
			unix.EINVAL, "start the child: EINVAL: start executor"},
		{"a second child", second, nil, unix.EEXIST, "start a second child"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := &Plan{}
			p.Add(test.step(p))
			p.Add(test.rest...)
			h, err := p.Start(t.Context(), Options{Empty: t.TempDir()})
			h.Close()
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v", err)
			}
			t.Log(err)
			noChildren(t)
		})
	}
	t.Run("child steps without a child", func(t *testing.T) {
		p := &Plan{}
		p.Add(shell("exit 0"))
		if _, err := start(t, p); !errors.Is(err, unix.ESRCH) {
			t.Errorf("got %v", err)
		}
	})
}

// TestForkBesidePid1 is a plan that the kernel forbids: PID 1 has no siblings.
func TestForkBesidePid1(t *testing.T) {
	needRoot(t)
	p := &Plan{}
	p.Add(spawn(unix.CLONE_NEWPID), Control(Child, OpFork, "fork"), shell("exit 0"))
	if _, err := start(t, p); !errors.Is(err, unix.EINVAL) {
		t.Fatalf("got %v", err)
	}
	noChildren(t)
}

// TestForkIsPid1 forks into a new PID namespace: the host waits for its first
// process, and gets its status.
func TestForkIsPid1(t *testing.T) {
	needRoot(t)
	p := &Plan{}
	pid := p.NewSlot("pid")
	p.Add(spawn(unix.CLONE_NEWNS))
	p.Add(forkSteps()...)
	p.Add(Call(Child, unix.SYS_GETPID).To(pid), Call(Child, unix.SYS_GETPPID), shell(`exit $(($$ + 40))`))
	_, status, h := output(t, p)
	r := h.Results()
	if r[3].Value != 1 || r[4].Value != 0 {
		t.Errorf("pid %d, parent %d in the namespace, want 1 and 0", r[3].Value, r[4].Value)
	}
	if status.ExitStatus() != 41 {
		t.Errorf("status %v", status)
	}
}

// TestPayloadDescriptors leaves descriptors of every number open in the host,
// also without close-on-exec: the payload gets three.
func TestPayloadDescriptors(t *testing.T) {
	needRoot(t)
	raiseFileLimit(t, 300)
	for _, number := range []int{50, 60, 61, 99, 100, 101, 200} {
		if err := unix.Dup3(0, number, 0); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(number)
	}
	for _, number := range []int{-1, 99, 100, 200} {
		t.Run(fmt.Sprintf("stdout is %d", number), func(t *testing.T) {
			opts := Options{Empty: t.TempDir()}
			if number >= 0 {
				if err := unix.Dup3(0, number, 0); err != nil {
					t.Fatal(err)
				}
				opts.Stdout = os.NewFile(uintptr(number), "stdout")
				defer unix.Dup3(0, number, 0)
				defer opts.Stdout.Close()
			}
			p := &Plan{}
			p.Add(spawn(unix.CLONE_NEWPID), Call(Child, unix.SYS_EXECVE, Str("/bin/sleep"), Strs([]string{"sleep", "1000"}), Strs(nil)))
			h, err := p.Start(t.Context(), opts)
			defer h.Close()
			if err != nil {
				t.Fatal(err)
			}
			defer h.Wait()
			defer h.Signal(unix.SIGKILL)
			waitFor(t, "sleep", func() bool { return inCall(h.Pid(), unix.SYS_CLOCK_NANOSLEEP) })
			var got []string
			for number := range openFiles(t, h.Pid()) {
				got = append(got, number)
			}
			if slices.Sort(got); !slices.Equal(got, []string{"0", "1", "2"}) {
				t.Errorf("the payload has descriptors %v", got)
			}
		})
	}
}

// TestKeptSlots keeps a descriptor beyond Close, and closes the others.
func TestKeptSlots(t *testing.T) {
	p := &Plan{}
	kept, closed := p.NewSlot("kept"), p.NewSlot("closed")
	p.Add(Do("open", func(h *Run) error {
		for _, s := range []Slot{kept, closed} {
			fd, err := anonymous("x")
			if err != nil {
				return err
			}
			h.SetFd(s, fd)
		}
		return nil
	}), spawn(0), Call(Child, unix.SYS_FCHDIR, Fd(closed)), shell("exit 0"))
	h, err := p.Start(t.Context(), Options{Empty: t.TempDir(), Keep: []Slot{kept}})
	h.Close()
	if !errors.Is(err, unix.ENOTDIR) {
		t.Fatal(err)
	}
	if fd := h.Fd(closed); fd != -1 {
		t.Errorf("the slot still holds %d", fd)
	}
	if err := unix.Close(h.Fd(kept)); err != nil {
		t.Errorf("close the kept descriptor: %v", err)
	}
}

// TestPidFollowsForks: behind a sync, host steps see the process that goes on.
func TestPidFollowsForks(t *testing.T) {
	needRoot(t)
	for range 20 {
		p := &Plan{}
		self := p.NewSlot("pid")
		p.Add(spawn(0))
		p.Add(forkSteps()...)
		at := len(p.Steps)
		p.Add(Call(Child, unix.SYS_GETPID).To(self), Control(Host, OpSync, "wait"))
		p.Add(DoLong("look", func(ctx context.Context, h *Run) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			status, err := os.ReadFile("/proc/" + strconv.Itoa(h.Pid()) + "/status")
			if err != nil {
				return err
			}
			want := "NSpid:\t" + strconv.Itoa(h.Pid()) + "\t" + strconv.FormatInt(h.ChildResult(at).Value, 10) + "\n"
			if !strings.Contains(string(status), want) {
				t.Errorf("process %d is not the child:\n%s\nwant %q", h.Pid(), status, want)
			}
			return nil
		}), shell("exit 0"))
		h, err := p.Start(t.Context(), Options{Empty: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Wait(); err != nil {
			t.Error(err)
		}
		h.Close()
		noChildren(t)
	}
}
