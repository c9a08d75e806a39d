package nsenter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// output starts a plan whose stdout is read to its end. It returns what came
// and how the payload ended.
func output(t *testing.T, p *Plan) (string, unix.WaitStatus, *Run) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// Set-up steps may write more than a pipe holds.
	text := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(r)
		text <- string(b)
	}()
	h, err := p.Start(t.Context(), Options{Stdout: w, Stderr: os.Stderr, Empty: t.TempDir()})
	defer h.Close()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	status, err := h.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return <-text, status, h
}

// anonymous returns a descriptor of a file of its own with a text in it.
func anonymous(text string) (int, error) {
	fd, err := unix.MemfdCreate("text", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	_, err = unix.Pwrite(fd, []byte(text), 0)
	return fd, err
}

// TestRunManyDescriptors sends a thousand descriptors in one batch, which
// takes several messages, and has the child read every one of them: each slot
// must hold the file that it is named after.
func TestRunManyDescriptors(t *testing.T) {
	const count = 700
	raiseFileLimit(t, 3*count)
	p := &Plan{}
	p.Add(spawn(0))
	list := make([]Slot, count)
	for i := range list {
		list[i] = p.NewSlot("file " + strconv.Itoa(i))
	}
	p.Add(Do("open files", func(h *Run) error {
		for i, s := range list {
			fd, err := anonymous(fmt.Sprintf("%04d\n", i))
			if err != nil {
				return err
			}
			h.SetFd(s, fd)
		}
		return nil
	}))
	for _, s := range list {
		p.Add(Call(Child, unix.SYS_SENDFILE, Int(1), Fd(s), Null(), Int(5)))
	}
	p.Add(shell("exit 0"))
	text, status, _ := output(t, p)
	want := &strings.Builder{}
	for i := range count {
		fmt.Fprintf(want, "%04d\n", i)
	}
	if text != want.String() || status.ExitStatus() != 0 {
		t.Fatalf("status %v, got %d bytes of %d: %.200q", status, len(text), want.Len(), text)
	}
}

// raiseFileLimit lets this process and its children have so many files.
func raiseFileLimit(t *testing.T, count uint64) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if old.Max < count {
		t.Skipf("needs %d open files, the limit is %d", count, old.Max)
	}
	if old.Cur < count {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: count, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })
	}
}

// TestRunAllSlots fills every slot that there is in the child, and reads some
// of them.
func TestRunAllSlots(t *testing.T) {
	p := &Plan{}
	p.Add(spawn(0))
	for i := range MaxSlots {
		p.Add(Call(Child, unix.SYS_UMASK, Int(i%0o777)).To(p.NewSlot("umask")))
	}
	// The slot of step i holds what step i-1 set.
	p.Add(Call(Child, unix.SYS_UMASK, Fd(0o123+1)), Call(Child, unix.SYS_UMASK, Fd(MaxSlots-1)), Call(Child, unix.SYS_UMASK, Int(0)))
	p.Add(shell("exit 0"))
	_, _, h := output(t, p)
	r := h.Results()[1+MaxSlots:]
	if r[1].Value != 0o123 || r[2].Value != (MaxSlots-2)%0o777 {
		t.Fatalf("results %+v", r)
	}
}

func TestRunRefusesSlotOutOfRange(t *testing.T) {
	p := &Plan{}
	p.Add(spawn(0), Call(Child, unix.SYS_GETPID).To(MaxSlots), shell("exit 0"))
	if _, err := start(t, p); err == nil || !strings.Contains(err.Error(), "slot out of range") {
		t.Fatalf("got %v", err)
	}
}

// TestRunLateData gives the child bytes that a host step finds out while the
// child already runs, and reads them in the plan afterwards.
func TestRunLateData(t *testing.T) {
	p := &Plan{}
	found := ""
	late := Late("what was found", func() *Data { return CString(found) })
	p.Add(spawn(0), Call(Child, unix.SYS_GETPID), Control(Host, OpSync, "wait"),
		Do("find", func(*Run) error { found = "found it"; return nil }),
		Call(Child, unix.SYS_WRITE, Int(1), late, Int(8)),
		Call(Child, unix.SYS_WRITE, Int(1), Late("nothing", func() *Data { return nil }), Int(8)).Tolerate(unix.EFAULT),
		shell("exit 0"))
	text, _, h := output(t, p)
	if text != "found it" {
		t.Fatalf("got %q", text)
	}
	if r := h.Results()[5]; r.Errno() != unix.EFAULT {
		t.Fatalf("late nothing is no null pointer: %+v", r)
	}
	if d := late.Data(); len(d.Bytes) != 0 || d.Text != "what was found" {
		t.Fatalf("listings see %+v", d)
	}
}

// TestRunLargeEnvironment follows nested pointers to a mebibyte of strings.
func TestRunLargeEnvironment(t *testing.T) {
	var env []string
	for i := range 1024 {
		env = append(env, fmt.Sprintf("V%04d=%s", i, strings.Repeat(strconv.Itoa(i%10), 1018)))
	}
	p := &Plan{}
	p.Add(spawn(0), Call(Child, unix.SYS_EXECVE, Str("/usr/bin/env"), Strs([]string{"env"}), Strs(env)))
	text, _, _ := output(t, p)
	if got := strings.Split(strings.TrimSuffix(text, "\n"), "\n"); !slices.Equal(got, env) {
		t.Fatalf("got %d variables, %d bytes", len(got), len(text))
	}
}

// TestRunSkipChain follows a tolerated error through the slots that hang on
// it: a skipped step leaves its own slot empty too.
func TestRunSkipChain(t *testing.T) {
	p := &Plan{}
	a, b, c, d := p.NewSlot("a"), p.NewSlot("b"), p.NewSlot("c"), p.NewSlot("d")
	open := func(who Who, path string) Step {
		return Call(who, unix.SYS_OPENAT, Int(unix.AT_FDCWD), Str(path), Int(unix.O_CLOEXEC), Int(0))
	}
	p.Add(spawn(0),
		open(Child, "/no/such").To(a).Tolerate(unix.ENOTDIR, unix.ENOENT),
		Call(Child, unix.SYS_DUP, Fd(a)).To(b),
		Call(Child, unix.SYS_DUP, Fd(b)).To(c),
		Call(Child, unix.SYS_GETPID),
		Call(Child, unix.SYS_UMASK, Int(0o22)).To(c),
		Call(Child, unix.SYS_UMASK, Fd(c)), // filled anew
		open(Host, "/no/such").To(d).Tolerate(unix.ENOENT),
		Call(Child, unix.SYS_FCHDIR, Fd(d)), // the host's slot is empty
		Call(Host, unix.SYS_FCHDIR, Fd(d)),
		shell("exit 0"))
	_, _, h := output(t, p)
	var got []State
	for _, r := range h.Results() {
		got = append(got, r.State)
	}
	want := []State{Done, Tolerated, Skipped, Skipped, Done, Done, Done, Tolerated, Skipped, Skipped, Running}
	if !slices.Equal(got, want) {
		t.Fatalf("states %v, want %v", got, want)
	}
}

// TestRunRetriesInterrupted interrupts a call in the child though it has no
// signal handlers: a stop and a continue make epoll_wait return EINTR.
func TestRunRetriesInterrupted(t *testing.T) {
	p := &Plan{}
	epoll := p.NewSlot("epoll")
	event := make([]byte, 12)
	p.Add(spawn(0),
		Call(Child, unix.SYS_EPOLL_CREATE1, Int(unix.EPOLL_CLOEXEC)).To(epoll),
		// epoll_wait(2) is one of the calls that a stop ends with EINTR.
		Call(Child, unix.SYS_EPOLL_PWAIT, Fd(epoll), Bytes(event, "event"), Int(1), Int(300), Null(), Int(8)),
		Do("stop and continue", func(h *Run) error {
			<-h.child.started
			waitFor(t, "epoll_pwait", func() bool { return inCall(h.child.pid, unix.SYS_EPOLL_PWAIT) })
			for _, sig := range []unix.Signal{unix.SIGSTOP, unix.SIGCONT} {
				if err := unix.Kill(h.child.pid, sig); err != nil {
					return err
				}
			}
			return nil
		}),
		shell("exit 0"))
	_, _, h := output(t, p)
	r := h.Results()[2]
	if r.State != Done || r.Value != 0 {
		t.Fatalf("result %+v", r)
	}
	if took := r.End - r.Start; took < 300e6 {
		t.Fatalf("took %d ns: it was not begun again", took)
	}
}

// TestRunReportsUnderSeccomp installs a filter that kills at write(2) and
// sendto(2), and still wants every later result.
func TestRunReportsUnderSeccomp(t *testing.T) {
	p := &Plan{}
	p.Add(spawn(0),
		Call(Child, unix.SYS_PRCTL, Int(unix.PR_SET_NO_NEW_PRIVS), Int(1), Int(0), Int(0), Int(0)),
		Call(Child, unix.SYS_SECCOMP, Int(unix.SECCOMP_SET_MODE_FILTER), Int(0), killer(unix.SYS_WRITE, unix.SYS_SENDTO)),
		Call(Child, unix.SYS_UMASK, Int(0o77)),
		Call(Child, unix.SYS_CHDIR, Str("/no/such")).On("/no/such"),
		shell("exit 0"))
	h, err := start(t, p)
	var step *StepError
	if !errors.As(err, &step) || step.Number != 5 || !errors.Is(err, unix.ENOENT) {
		t.Fatalf("got %v", err)
	}
	if r := h.Results()[3]; r.State != Done || r.End < r.Start || r.Start == 0 {
		t.Fatalf("result %+v", r)
	}
	p.Steps[4] = Call(Child, unix.SYS_WRITE, Int(2), Str("x"), Int(1)).On("stderr")
	if _, err = start(t, p); !errors.Is(err, ErrChildDied) || !errors.As(err, &step) || step.Number != 5 {
		t.Fatalf("killed by the filter: %v", err)
	}
	if !strings.Contains(err.Error(), "SIGSYS") {
		t.Fatalf("no word of the signal: %v", err)
	}
}

// killer is a filter program that ends a process at some calls.
func killer(calls ...uint32) Arg {
	code := Words("", 0x20) // ld [0]: the call's number
	for _, nr := range calls {
		code.Bytes = append(code.Bytes, Words("", 0x15|1<<24|uint64(nr)<<32).Bytes...)              // jeq nr, next, skip one
		code.Bytes = append(code.Bytes, Words("", 0x06|unix.SECCOMP_RET_KILL_PROCESS<<32).Bytes...) // ret kill
	}
	code.Bytes = append(code.Bytes, Words("", 0x06|unix.SECCOMP_RET_ALLOW<<32).Bytes...)
	prog := Words("", uint64(len(code.Bytes)/8), 0)
	prog.Pointers = []Pointer{{Offset: 8, To: code}}
	return Ptr(prog)
}

// TestRunSharedData sends one piece of data for many steps once.
func TestRunSharedData(t *testing.T) {
	big := Bytes(bytes.Repeat([]byte("x"), 1<<20), "much")
	p := &Plan{}
	p.Add(spawn(0))
	for range 100 { // a hundred of them would not fit
		p.Add(Call(Child, unix.SYS_WRITE, Int(1), big, Int(1)))
	}
	p.Add(shell("exit 0"))
	if text, _, _ := output(t, p); text != strings.Repeat("x", 100) {
		t.Fatalf("got %q", text)
	}
}
