package container

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
	"berth/tests/fixture"
)

// These tests run the payload's part of a plan alone, in the namespaces of the
// test, and look at what became of the process.

// bench is one payload to be.
type bench struct {
	spec  *specs.Spec
	host  Host
	set   func(*payload)
	first []nsenter.Step // the child's steps before the payload's
	opts  nsenter.Options
	plan  *nsenter.Plan
}

// newBench prepares a payload that sleeps.
func newBench(t *testing.T) *bench {
	t.Helper()
	fixture.NeedRoot(t)
	limits, err := ownLimits()
	if err != nil {
		t.Fatal(err)
	}
	last := lastCap()
	return &bench{
		spec: &specs.Spec{Process: &specs.Process{Args: []string{"/bin/sleep", "60"}, Cwd: "/"}, Linux: &specs.Linux{}},
		host: Host{LastCap: last, Limits: limits, Withheld: withheld(last)},
		opts: nsenter.Options{Empty: t.TempDir()},
		plan: &nsenter.Plan{},
	}
}

// start runs the plan. Whatever it started is gone when the test ends.
func (b *bench) start(t *testing.T) (*nsenter.Run, error) {
	t.Helper()
	b.plan.Add(nsenter.Control(nsenter.Host, nsenter.OpSpawn, "start the child", nsenter.Int(0)))
	pl, err := newPayload(b.plan, b.host, b.spec, nil)
	if err != nil {
		return nil, err
	}
	b.plan.Add(b.first...)
	pl.id = identify(b.spec.Process.User)
	pl.proc = openProc(b.plan, "test")
	if b.set != nil {
		b.set(pl)
	}
	if err := pl.add(); err != nil {
		return nil, err
	}
	run, err := b.plan.Start(t.Context(), b.opts)
	t.Cleanup(run.Close)
	if err == nil {
		t.Cleanup(func() {
			_ = unix.Kill(run.Pid(), unix.SIGKILL) // ended payloads are waited for, too
			_, _ = run.Wait()
		})
	}
	return run, err
}

// pid starts the payload and returns its pid.
func (b *bench) pid(t *testing.T) int {
	t.Helper()
	run, err := b.start(t)
	if err != nil {
		t.Fatal(err)
	}
	return run.Pid()
}

// held starts a payload that waits at its gate. This process lets go of the
// plan's memory, as one that ends does: the lock is the child's alone.
func (b *bench) held(t *testing.T) int {
	t.Helper()
	run, err := b.start(t)
	if err != nil {
		t.Fatal(err)
	}
	run.Close()
	return run.Pid()
}

// awaitHeld waits for the payload behind the gate.
func (b *bench) awaitHeld(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return nsenter.AwaitHeld(ctx, b.opts.Memory)
}

// output runs a shell script as the payload and returns what it prints.
func (b *bench) output(t *testing.T, script string) string {
	t.Helper()
	b.spec.Process.Args = []string{"/bin/sh", "-c", script}
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b.opts.Stdout, b.opts.Stderr = out, out
	run, err := b.start(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := waitGone(run.Pid()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// waitGone waits until a child has ended, and leaves it for its reaper.
func waitGone(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err
		}
	}
}

// status reads fields of /proc/PID/status.
func status(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		fields[key] = strings.Join(strings.Fields(value), " ")
	}
	return fields
}

// files lists the open descriptors of a process and what they are, once there
// are as many as wanted: a program that has just begun opens its libraries.
func files(t *testing.T, pid, count int) map[int]string {
	t.Helper()
	var out map[int]string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		out = map[int]string{}
		for _, e := range entries {
			n, err := strconv.Atoi(e.Name())
			if err != nil {
				t.Fatal(err)
			}
			if name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, n)); err == nil {
				out[n] = name
			}
		}
		if len(out) == count {
			break
		}
	}
	return out
}

// killer is a filter that ends a process that makes one of the calls.
func killer(calls ...uint32) []unix.SockFilter {
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
	for _, c := range calls {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: c, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS})
	}
	return append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
}

// staticSleeper builds a program that needs no descriptor to start.
func staticSleeper(t *testing.T) string {
	t.Helper()
	gcc := fixture.NeedTool(t, "gcc")
	dir := t.TempDir()
	source := filepath.Join(dir, "sleep.c")
	if err := os.WriteFile(source, []byte("#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(gcc, "-static", "-o", dir+"/sleep", source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir + "/sleep"
}

// TestPassedFiles: the payload has the caller's files as 3, 4 and so on, and
// nothing else, also under a filter that forbids every call that got them there.
func TestPassedFiles(t *testing.T) {
	sleeper := staticSleeper(t)
	for _, count := range []int{0, 1, 2, 3, 10, 100} {
		for _, limit := range []uint64{0, 3} {
			t.Run(fmt.Sprintf("%d files, limit %d", count, limit), func(t *testing.T) {
				b := newBench(t)
				if limit > 0 {
					b.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: limit, Hard: limit}}
					b.spec.Process.Args = []string{sleeper}
				}
				want := map[int]string{}
				var fds []int
				dir := t.TempDir()
				for i := range count {
					f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)))
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					fds = append(fds, int(f.Fd()))
					want[3+i] = f.Name()
				}
				b.set = func(pl *payload) {
					pl.filter.Filter = killer(unix.SYS_FCNTL, unix.SYS_DUP3)
					pl.files, _ = openFiles(b.plan, fds, "test") // no number is negative
				}
				pid := b.pid(t)
				got := files(t, pid, 3+count)
				for fd := range 3 {
					if _, ok := got[fd]; !ok {
						t.Errorf("no descriptor %d", fd)
					}
					delete(got, fd)
				}
				if len(got) != len(want) {
					t.Errorf("%d descriptors: %v", len(got), got)
				}
				for fd, name := range want {
					if got[fd] != name {
						t.Errorf("%d is %s, want %s", fd, got[fd], name)
					}
				}
			})
		}
	}
}

// TestNoSuchFile: a number without a file fails before there is a child.
func TestNoSuchFile(t *testing.T) {
	b := newBench(t)
	var err error
	b.set = func(pl *payload) { pl.files, err = openFiles(b.plan, []int{9999}, "--preserve-fds") }
	_, startErr := b.start(t)
	if err != nil || startErr == nil || !strings.Contains(startErr.Error(), "descriptor 9999") {
		t.Errorf("got %v, %v", err, startErr)
	}
	if _, err := openFiles(b.plan, []int{-1}, "--preserve-fds"); err == nil {
		t.Error("-1 is no descriptor")
	}
}

// TestGate: the payload waits, with all its powers gone, until a byte comes.
func TestGate(t *testing.T) {
	for _, count := range []int{0, 4} {
		t.Run(fmt.Sprintf("%d files", count), func(t *testing.T) {
			b := newBench(t)
			dir := t.TempDir()
			fifo := filepath.Join(dir, "start")
			if err := unix.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			b.opts.Memory = filepath.Join(dir, "plan")
			fds := slices.Repeat([]int{0}, count)
			b.set = func(pl *payload) {
				pl.check = true
				pl.gate = openGate(b.plan, fifo)
				pl.filter.Filter = killer(unix.SYS_FCNTL, unix.SYS_OPENAT2)
				pl.files, _ = openFiles(b.plan, fds, "test")
			}
			pid := b.held(t)
			if held, err := nsenter.Held(b.opts.Memory); err != nil || !held {
				t.Fatalf("held: %v, %v", held, err)
			}
			if s := status(t, pid); s["Name"] != "berth-child" || s["Seccomp"] != "2" || s["CapEff"] != "0000000000000000" {
				t.Errorf("at the gate: %v", s)
			}
			if err := os.WriteFile(fifo, []byte("0"), 0); err != nil {
				t.Fatal(err)
			}
			if err := b.awaitHeld(t); err != nil {
				t.Fatal(err)
			}
			if s := status(t, pid); s["Name"] != "sleep" {
				t.Errorf("behind the gate: %s", s["Name"])
			}
			if got := files(t, pid, 3+count); len(got) != 3+count {
				t.Errorf("descriptors: %v", got)
			}
		})
	}
}

// TestGateNeedsNoReader: a payload that is killed while it waits is seen.
func TestGateNeedsNoReader(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "start")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	b.opts.Memory = filepath.Join(dir, "plan")
	b.set = func(pl *payload) { pl.gate = openGate(b.plan, fifo) }
	pid := b.held(t)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := b.awaitHeld(t); err == nil {
		t.Error("a killed payload became its program")
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}
