package nsenter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hang returns steps that make the child wait for ever, in a read of a pipe
// that nobody writes to.
func hang(p *Plan) []Step {
	read, write := p.NewSlot("read end"), p.NewSlot("write end")
	return []Step{
		Do("make a pipe", func(h *Run) error {
			var fds [2]int
			if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
				return err
			}
			h.SetFd(read, fds[0])
			h.SetFd(write, fds[1])
			return nil
		}),
		Call(Child, unix.SYS_READ, Fd(read), Bytes(make([]byte, 8), "buffer"), Int(8)).On("a silent pipe"),
	}
}

var errHost = errors.New("the host side has a problem")

// forkSteps go on in a new process in a new PID namespace.
func forkSteps() []Step {
	return []Step{
		Call(Child, unix.SYS_UNSHARE, Int(unix.CLONE_NEWPID)),
		Control(Child, OpFork, "enter the PID namespace"),
	}
}

// TestStartCancelled ends the context while the child hangs at each place
// where the host waits for it. Start must return, and no process may be left.
func TestStartCancelled(t *testing.T) {
	needRoot(t)
	sync, end := Control(Host, OpSync, "wait"), shell("exit 0")
	host := Do("fail", func(*Run) error { return errHost })
	tests := []struct {
		name  string
		steps func(p *Plan) []Step
		want  error
	}{
		{"before execve", func(p *Plan) []Step { return append(hang(p), end) }, context.DeadlineExceeded},
		{"before a sync", func(p *Plan) []Step { return append(hang(p), sync, end) }, context.DeadlineExceeded},
		{"behind a fork", func(p *Plan) []Step { return append(append(forkSteps(), hang(p)...), end) }, context.DeadlineExceeded},
		{"behind a fork, before a sync", func(p *Plan) []Step { return append(append(forkSteps(), hang(p)...), sync, end) },
			context.DeadlineExceeded},
		{"behind two forks", func(p *Plan) []Step {
			return slices.Concat([]Step{Control(Child, OpFork, "first"), sync}, forkSteps(), hang(p), []Step{sync, end})
		}, context.DeadlineExceeded},
		{"PID 1 and its payload", func(p *Plan) []Step {
			return slices.Concat([]Step{Control(Child, OpInit, "init")}, hang(p), []Step{end})
		}, context.DeadlineExceeded},
		{"host step fails behind a fork", func(*Plan) []Step { return append(forkSteps(), sync, host, end) }, errHost},
		{"host step fails while the child hangs", func(p *Plan) []Step {
			return slices.Concat(forkSteps(), hang(p), []Step{host, end})
		}, errHost},
		{"before the start", func(p *Plan) []Step {
			return []Step{Do("wait", func(*Run) error { time.Sleep(200 * time.Millisecond); return nil }), end}
		}, context.DeadlineExceeded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			p := &Plan{}
			flags := uintptr(0)
			if strings.HasPrefix(test.name, "PID 1") {
				flags = unix.CLONE_NEWPID
			}
			p.Add(spawn(flags))
			p.Add(test.steps(p)...)
			h, err := p.Start(ctx, Options{Empty: t.TempDir()})
			h.Close()
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			noChildren(t)
		})
	}
}

// TestStartCancelledAnytime cancels at random moments.
func TestStartCancelledAnytime(t *testing.T) {
	needRoot(t)
	r := rand.New(rand.NewPCG(1, 5))
	started, stopped := 0, 0
	count := 300
	if testing.Short() {
		count = 100
	}
	for range count {
		p := &Plan{}
		p.Add(spawn(unix.CLONE_NEWNS))
		p.Add(forkSteps()...)
		p.Add(Control(Host, OpSync, "wait"), Call(Child, unix.SYS_GETPID), Control(Host, OpSync, "wait"),
			Control(Child, OpInit, "init"), shell("exit 0"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(12000))*time.Microsecond)
		h, err := p.Start(ctx, Options{Empty: t.TempDir()})
		switch {
		case err == nil:
			started++
			if status, err := h.Wait(); err != nil || status.ExitStatus() != 0 {
				t.Errorf("status %v, error %v", status, err)
			}
		case errors.Is(err, context.DeadlineExceeded):
			stopped++
		default:
			t.Errorf("got %v", err)
		}
		h.Close()
		cancel()
		noChildren(t)
	}
	t.Logf("%d started, %d stopped", started, stopped)
}

// TestChildKilled kills the child at a known step: the error says so.
func TestChildKilled(t *testing.T) {
	needRoot(t)
	for _, forked := range []bool{false, true} {
		t.Run(fmt.Sprintf("forked %v", forked), func(t *testing.T) {
			p := &Plan{}
			p.Add(spawn(0))
			if forked {
				p.Add(forkSteps()...)
			}
			p.Add(hang(p)...)
			number := len(p.Steps)
			p.Add(Do("kill the child", func(h *Run) error {
				pids := []int{}
				waitFor(t, "the child to hang", func() bool {
					pids = childrenOf(os.Getpid())
					return slices.ContainsFunc(pids, func(pid int) bool { return inCall(pid, unix.SYS_READ) })
				})
				return unix.Kill(slices.Max(pids), unix.SIGKILL)
			}), Control(Host, OpSync, "wait"), shell("exit 0"))
			_, err := start(t, p)
			var step *StepError
			if !errors.Is(err, ErrChildDied) || !errors.As(err, &step) || step.Number != number ||
				!strings.Contains(err.Error(), "SIGKILL") {
				t.Fatalf("got %v, want a word of step %d", err, number)
			}
			t.Log(err)
			noChildren(t)
		})
	}
}

// victimHelper is a host side that is to be killed: it starts payloads that
// are tied to it, again and again.
func victimHelper([]string) {
	empty := os.TempDir()
	for {
		p := &Plan{}
		p.Add(spawn(unix.CLONE_NEWNS))
		p.Add(forkSteps()...)
		p.Add(Control(Host, OpSync, "wait"),
			Call(Child, unix.SYS_PRCTL, Int(unix.PR_SET_PDEATHSIG), Int(int(unix.SIGKILL))),
			// It fails when the host died before the line above.
			Call(Child, unix.SYS_SENDTO, Int(controlFd), Str("?"), Int(1), Int(unix.MSG_NOSIGNAL), Null(), Int(0)),
			shell("exec sleep 1000"))
		h, err := p.Start(context.Background(), Options{Empty: empty})
		if err != nil {
			panic(err)
		}
		_ = h.Signal(unix.SIGKILL)
		_, _ = h.Wait()
		h.Close()
	}
}

// TestHostKilled kills the host side at random moments. This process adopts
// what it leaves, and wants it to end by itself.
func TestHostKilled(t *testing.T) {
	needRoot(t)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	r := rand.New(rand.NewPCG(2, 5))
	count := 100
	if testing.Short() {
		count = 20
	}
	adopted := 0
	// An emulated machine takes longer than a real one to come to the moments
	// that count: as long as none was hit, there are later ones to try.
	window := 40 * time.Millisecond
	for round := 0; round < count || adopted == 0 && round < 4*count; round++ {
		if round > 0 && round%count == 0 {
			window *= 5
		}
		victim := helperCommand(t, "victim")
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Millisecond + time.Duration(r.Int64N(int64(window))))
		if err := victim.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = victim.Wait()
		waitFor(t, "the orphans of "+strconv.Itoa(victim.Process.Pid)+" to end", func() bool {
			for {
				pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
				if err == unix.ECHILD {
					return true
				}
				if pid <= 0 {
					return false
				}
				adopted++
			}
		})
	}
	if adopted == 0 {
		t.Fatal("no victim was killed while it had a child")
	}
	t.Logf("%d orphans ended by themselves", adopted)
}

// TestSignalAfterWait never reaches a process that has the same number.
func TestSignalAfterWait(t *testing.T) {
	p := &Plan{}
	p.Add(spawn(0), shell("exit 0"))
	h, err := start(t, p)
	if err != nil {
		t.Fatal(err)
	}
	pid := h.Pid()
	// A zombie still has its number: a signal to it is lost, but no error.
	waitFor(t, "the payload's end", func() bool { s, _ := statOf(pid); return s == "Z" })
	if err := h.Signal(unix.SIGTERM); err != nil {
		t.Errorf("to a zombie: %v", err)
	}
	if _, err := h.Wait(); err != nil {
		t.Fatal(err)
	}
	stranger := recycle(t, pid)
	if err := h.Signal(unix.SIGKILL); !errors.Is(err, unix.ESRCH) {
		t.Errorf("after Wait: %v", err)
	}
	if stranger == pid {
		if state, _ := statOf(stranger); state == "Z" || state == "" {
			t.Errorf("the signal killed a stranger")
		}
	}
}

// recycle starts a process that has a given pid, where the kernel allows to
// choose, or any other.
func recycle(t *testing.T, pid int) int {
	cmd := helperCommand(t, "sleep")
	attr := []byte(strconv.Itoa(pid - 1))
	// Nothing else on the machine minds; at worst the number is taken.
	if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", attr, 0); err != nil {
		t.Log(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}
