package nsenter

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// initPlan is a container's PID 1 with a shell script under it.
func initPlan(script string) *Plan {
	p := &Plan{}
	p.Add(spawn(unix.CLONE_NEWPID|unix.CLONE_NEWNS), Control(Child, OpInit, "stay as PID 1"), shell(script))
	return p
}

// session is a running payload that a test talks to.
type session struct {
	*Run
	in  *os.File
	out *bufio.Reader
}

// begin starts a plan with pipes for stdin and stdout.
func begin(t *testing.T, p *Plan) *session {
	t.Helper()
	needRoot(t)
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h, err := p.Start(t.Context(), Options{Stdin: inR, Stdout: outW, Stderr: os.Stderr, Empty: t.TempDir()})
	inR.Close()
	outW.Close()
	t.Cleanup(func() {
		inW.Close()
		outR.Close()
		_ = h.Signal(unix.SIGKILL)
		_, _ = h.Wait()
		h.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return &session{h, inW, bufio.NewReader(outR)}
}

// line reads a line of the payload's output.
func (s *session) line(t *testing.T) string {
	t.Helper()
	text, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("read the payload's output: %v", err)
	}
	return strings.TrimSuffix(text, "\n")
}

func TestInitExitStatus(t *testing.T) {
	needRoot(t)
	tests := []struct {
		script string
		want   int
	}{
		{"exit 0", 0}, {"exit 7", 7}, {"exit 255", 255},
		{"kill -9 $$", 137}, {"kill -TERM $$", 143}, {"ulimit -c 0; kill -SEGV $$", 139},
		// An orphan that ends after the payload, or with another status, is
		// not the payload.
		{"(sleep 100 &); exit 3", 3}, {"(exit 9 &); exit 4", 4},
	}
	for _, test := range tests {
		t.Run(test.script, func(t *testing.T) {
			_, status, _ := output(t, initPlan(test.script))
			if !status.Exited() || status.ExitStatus() != test.want {
				t.Fatalf("status %v, want %d", status, test.want)
			}
		})
	}
}

// TestInitReapsOrphans makes a thousand orphans. Without a PID 1 that reaps
// they would stay as zombies.
func TestInitReapsOrphans(t *testing.T) {
	s := begin(t, initPlan(`i=0; while [ $i -lt 1000 ]; do ( (exit 3) & ); i=$((i+1)); done; echo done; read x; exit 5`))
	if got := s.line(t); got != "done" {
		t.Fatalf("got %q", got)
	}
	waitFor(t, "all orphans to be reaped", func() bool { return len(childrenOf(s.Pid())) == 1 })
	fmt.Fprintln(s.in, "go on")
	if status, err := s.Wait(); err != nil || status.ExitStatus() != 5 {
		t.Fatalf("status %v, error %v", status, err)
	}
}

// TestInitForwardsSignals sends each signal to PID 1 and has the payload tell
// which ones it got. 34 is glibc's SIGRTMIN, which musl keeps for itself.
func TestInitForwardsSignals(t *testing.T) {
	signals := []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM,
		unix.SIGTERM, unix.SIGCONT, unix.SIGWINCH, unix.SIGPIPE, 34, 35, 50, 64}
	script := &strings.Builder{}
	for _, sig := range signals {
		fmt.Fprintf(script, "trap 'echo got %d' %d\n", sig, sig)
	}
	script.WriteString("echo ready; while :; do sleep 0.01; done")
	s := begin(t, initPlan(script.String()))
	if got := s.line(t); got != "ready" {
		t.Fatalf("got %q", got)
	}
	for _, sig := range signals {
		if err := s.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if got, want := s.line(t), fmt.Sprintf("got %d", sig); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	// A stop of PID 1's own is none of the payload's business.
	if err := s.Signal(unix.SIGTSTP); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status, err := s.Wait(); err != nil || status.Signal() != unix.SIGKILL {
		t.Fatalf("status %v, error %v", status, err)
	}
}

// TestInitHoldsNothing looks at what PID 1 could leak: descriptors that keep
// pipes open, and the plan, which may hold secrets of the environment.
func TestInitHoldsNothing(t *testing.T) {
	s := begin(t, initPlan("echo ready; exec >&-; read x"))
	if got := s.line(t); got != "ready" {
		t.Fatalf("got %q", got)
	}
	// The payload has closed its stdout: nobody else may hold it.
	if rest, err := s.out.ReadString(0); err == nil || rest != "" {
		t.Fatalf("got %q, %v", rest, err)
	}
	waitFor(t, "PID 1 to wait", func() bool { return inCall(s.Pid(), unix.SYS_RT_SIGTIMEDWAIT) })
	if files := openFiles(t, s.Pid()); len(files) != 0 {
		t.Errorf("PID 1 holds %v", files)
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", s.Pid()))
	if err != nil || len(maps) == 0 {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "memfd:") && !strings.Contains(line, "memfd:berth ") || strings.HasPrefix(line, "2000000") {
			t.Errorf("PID 1 maps %s", line)
		}
	}
	if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.Pid())); string(name) != "berth-init\n" {
		t.Errorf("PID 1 is called %q", name)
	}
}

// terminal returns both ends of a new terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(filepath.Join("/dev/pts", fmt.Sprint(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// TestInitJobControl gives PID 1 and its payload a terminal: the payload is
// the foreground group, so that keys reach it and only it.
func TestInitJobControl(t *testing.T) {
	needRoot(t)
	master, slave := terminal(t)
	p := &Plan{}
	p.Add(spawn(unix.CLONE_NEWPID|unix.CLONE_NEWNS), Call(Child, unix.SYS_SETSID),
		Call(Child, unix.SYS_IOCTL, Int(0), Int(unix.TIOCSCTTY), Int(0)),
		Control(Child, OpInit, "stay as PID 1"),
		// Without children of its own, which the continue below would not reach.
		shell("trap 'echo interrupted; exit 3' INT; echo ready; while :; do :; done"))
	h, err := p.Start(t.Context(), Options{Stdin: slave, Stdout: slave, Stderr: slave, Empty: t.TempDir()})
	defer h.Close()
	slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(master)
	expect := func(want string) {
		t.Helper()
		if got, err := out.ReadString('\n'); err != nil || !strings.HasSuffix(got, want+"\r\n") {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}
	expect("ready")
	payload := childrenOf(h.Pid())[0]
	if group, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPGRP); err != nil || group != payload {
		t.Errorf("foreground group %d, %v, want %d", group, err, payload)
	}
	fmt.Fprint(master, "\x1a") // Ctrl-Z
	waitFor(t, "the payload to stop", func() bool { s, _ := statOf(payload); return s == "T" })
	if state, _ := statOf(h.Pid()); state == "T" {
		t.Errorf("PID 1 is stopped too")
	}
	if err := h.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the payload to go on", func() bool { s, _ := statOf(payload); return s != "T" })
	fmt.Fprint(master, "\x03") // Ctrl-C
	expect("interrupted")
	if status, err := h.Wait(); err != nil || status.ExitStatus() != 3 {
		t.Fatalf("status %v, error %v", status, err)
	}
}
