package bundle

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
)

// begun is a Run in the foreground.
type begun struct {
	done chan struct{}
	code int
	err  error
}

func (h *harness) begin(id string, s *specs.Spec, stdio container.Stdio) *begun {
	b := &begun{done: make(chan struct{})}
	bundle := h.bundle(s)
	go func() {
		defer close(b.done)
		b.code, b.err = h.Run(h.t.Context(), id, RunOptions{CreateOptions: CreateOptions{Bundle: bundle, Stdio: stdio}})
	}()
	return b
}

// want waits for the end.
func (b *begun) want(t *testing.T, code int) {
	t.Helper()
	select {
	case <-b.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the run does not end")
	}
	if b.err != nil || b.code != code {
		t.Errorf("ended with %d, %v, want %d", b.code, b.err, code)
	}
}

// reader reads a file step by step.
type reader struct {
	t   *testing.T
	f   *os.File
	all string
}

// until reads until the text has come.
func (r *reader) until(text string) {
	r.t.Helper()
	if err := r.f.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for !strings.Contains(r.all, text) {
		n, err := r.f.Read(buf)
		r.all += string(buf[:n])
		if err != nil {
			r.t.Fatalf("read %q, then %v; want %q", r.all, err, text)
		}
	}
	_, r.all, _ = strings.Cut(r.all, text)
}

func newReader(t *testing.T) (*reader, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return &reader{t: t, f: r}, w
}

// TestForwardSignals sends this process signals that the payload must get.
func TestForwardSignals(t *testing.T) {
	h := newHarness(t)
	out, w := newReader(t)
	b := h.begin("signals", shell(`
		for s in HUP INT QUIT USR1 USR2 TERM CONT RTMIN+2; do trap "echo got-$s" $s 2>/dev/null || trap "echo got-$s" 36; done
		trap "exit 9" ALRM
		echo ready
		while :; do sleep 0.02; done`), container.Stdio{Out: w, Err: w})
	out.until("ready\n")
	time.Sleep(2 * restOfSignals)
	for _, s := range []struct {
		name string
		sig  unix.Signal
	}{
		{"HUP", unix.SIGHUP}, {"INT", unix.SIGINT}, {"QUIT", unix.SIGQUIT}, {"USR1", unix.SIGUSR1},
		{"USR2", unix.SIGUSR2}, {"TERM", unix.SIGTERM}, {"CONT", unix.SIGCONT}, {"RTMIN+2", 36},
	} {
		if err := unix.Kill(os.Getpid(), s.sig); err != nil {
			t.Fatal(err)
		}
		out.until("got-" + s.name + "\n")
	}
	if err := unix.Kill(os.Getpid(), unix.SIGALRM); err != nil {
		t.Fatal(err)
	}
	b.want(t, 9)
}

func TestCaughtSignals(t *testing.T) {
	for _, children := range []bool{false, true} {
		list := caughtSignals(children)
		if got := slices.Contains(list, os.Signal(unix.SIGCHLD)); got != children {
			t.Errorf("SIGCHLD: %v, want %v", got, children)
		}
		for _, sig := range []unix.Signal{unix.SIGURG, unix.SIGKILL, unix.SIGTTIN, 32, 33} {
			if slices.Contains(list, os.Signal(sig)) {
				t.Errorf("%v is caught", sig)
			}
		}
	}
}

// TestReapOrphans has a payload without a PID namespace leave a process behind.
func TestReapOrphans(t *testing.T) {
	h := newHarness(t)
	out, w := newReader(t)
	s := shell(`(setsid sleep 0.2 & echo orphan $!); sleep 1; exit 4`)
	s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.PIDNamespace })
	b := h.begin("orphans", s, container.Stdio{Out: w, Err: w})
	out.until("orphan ")
	defer b.want(t, 4)
	deadline := time.Now().Add(900 * time.Millisecond)
	seen := false
	for time.Now().Before(deadline) {
		seen = seen || len(children(t)) > 1
		time.Sleep(20 * time.Millisecond)
	}
	if !seen {
		t.Error("the orphan did not become a child of this process")
	}
	if zombies := zombies(t); len(zombies) > 0 {
		t.Errorf("zombies %v", zombies)
	}
}

// children lists this process's children, by "pid state".
func children(t *testing.T) []string {
	t.Helper()
	var list []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // has just ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			list = append(list, e.Name()+" "+fields[0])
		}
	}
	return list
}

func zombies(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(children(t), func(s string) bool { return !strings.HasSuffix(s, " Z") })
}

// TestRunTerminal drives a payload through two terminals.
func TestRunTerminal(t *testing.T) {
	h := newHarness(t)
	master, slave := openPty(t)
	if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &unix.Winsize{Row: 21, Col: 43}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(master, true); err != nil {
		t.Fatal(err)
	}
	screen := &reader{t: t, f: os.NewFile(uintptr(master), "master")}
	defer screen.f.Close()
	s := shell(`test -t 0 && test -t 1 && test -t 2 && echo all; stty size; trap 'echo winch; stty size' WINCH; trap 'echo int' INT
		echo ready; while ! read line; do :; done; echo "line $line"; exit 6`)
	s.Process.Terminal = true
	b := h.begin("terminal", s, container.Stdio{In: slave, Out: slave, Err: slave})
	screen.until("all\r\n")
	screen.until("21 43\r\n")
	screen.until("ready\r\n")
	fmt.Fprint(screen.f, "\x03") // Ctrl-C is the payload's
	screen.until("int\r\n")
	if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &unix.Winsize{Row: 7, Col: 8}); err != nil {
		t.Fatal(err)
	}
	// The kernel tells the group in the terminal's foreground, which this
	// process is not in.
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	screen.until("7 8\r\n")
	fmt.Fprint(screen.f, "typed\r")
	screen.until("line typed\r\n")
	b.want(t, 6)
	if lflag(t, master)&unix.ICANON == 0 {
		t.Error("the caller's terminal is still raw")
	}
}

// TestRunTerminalPipe has neither stdin nor stdout be a terminal.
func TestRunTerminalPipe(t *testing.T) {
	h := newHarness(t)
	r, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out, output := collect(t)
	s := shell(`stty -echo; cat; echo end; exit 3`)
	s.Process.Terminal = true
	b := h.begin("pipes", s, container.Stdio{In: r, Out: out, Err: out})
	fmt.Fprint(in, "a line\n")
	in.Close()
	b.want(t, 3)
	if got := output(); !strings.HasSuffix(got, "a line\r\nend\r\n") {
		t.Errorf("got %q", got)
	}
}
