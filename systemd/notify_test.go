package systemd

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

	"golang.org/x/sys/unix"
)

// manager is the service manager's end.
type manager struct {
	t      *testing.T
	socket int
	name   string
}

func newManager(t *testing.T, name string) *manager {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{t: t, socket: fd, name: name}
	t.Cleanup(m.close)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		t.Fatal(err)
	}
	return m
}

// close lets go of the socket, and so of barriers that wait in its queue.
func (m *manager) close() {
	if m.socket >= 0 {
		unix.Close(m.socket)
		m.socket = -1
	}
}

// next returns the next message and how many descriptors it had, which are
// closed; barriers are skipped. It is "" when none comes in time.
func (m *manager) next(wait time.Duration) (string, int) {
	m.t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(m.socket), Events: unix.POLLIN}}, int(wait.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if n == 0 || err != nil {
			return "", 0
		}
		buf, control := make([]byte, 8192), make([]byte, unix.CmsgSpace(4*maxRights))
		size, controlSize, _, _, err := unix.Recvmsg(m.socket, buf, control, unix.MSG_CMSG_CLOEXEC)
		if err != nil {
			m.t.Fatal(err)
		}
		fds := parseRights(control[:controlSize])
		closeAll(fds)
		if string(buf[:size]) != "BARRIER=1" {
			return string(buf[:size]), len(fds)
		}
	}
}

// want fails unless this is the next message.
func (m *manager) want(text string) {
	m.t.Helper()
	if got, _ := m.next(5 * time.Second); got != text {
		m.t.Errorf("the manager got %q, want %q", got, text)
	}
}

// payload is a client of berth's socket.
type payload struct {
	t       *testing.T
	socket  int
	address *unix.SockaddrUnix
}

func newPayload(t *testing.T, dir string) *payload {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	folder, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(folder) })
	return &payload{t, fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", folder, notifyName)}}
}

func (p *payload) say(message string, fds ...int) {
	p.t.Helper()
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(p.socket, []byte(message), rights, p.address, 0); err != nil {
		p.t.Fatalf("send %.40q: %v", message, err)
	}
}

// pipeEnds returns the two ends of a pipe.
func pipeEnds(t *testing.T) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]) })
	return p[0], p[1]
}

// hungUp reports whether nobody has the writing end of a pipe any more.
func hungUp(fd int, wait time.Duration) bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, int(wait.Milliseconds()))
	return n > 0
}

// serve makes a relay with its two neighbours.
func serve(t *testing.T, o NotifyOptions) (*manager, *payload, *Notify) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "notify")
	m := newManager(t, filepath.Join(t.TempDir(), "host"))
	o.Host = m.name
	if err := MakeNotifyFolder(dir); err != nil {
		t.Fatal(err)
	}
	n, err := ListenNotify(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, newPayload(t, dir), n
}

func TestNotifyServe(t *testing.T) {
	m, p, n := serve(t, NotifyOptions{})
	n.Serve(4711)
	defer n.Close()
	defer m.close()
	p.say("STATUS=starting")
	m.want("STATUS=starting")
	p.say("EXTEND_TIMEOUT_USEC=5000000")
	m.want("EXTEND_TIMEOUT_USEC=5000000")
	p.say("MAINPID=1\nREADY=1\nSTATUS=up\nNOTIFYACCESS=all\n")
	m.want("MAINPID=4711\nREADY=1\nSTATUS=up")
	p.say("WATCHDOG=1")
	m.want("WATCHDOG=1")
	// Both belong together (sd_notify(3), RELOADING).
	p.say("RELOADING=1\nMONOTONIC_USEC=99")
	m.want("RELOADING=1\nMONOTONIC_USEC=99")
	p.say("STOPPING=1")
	m.want("STOPPING=1")
}

// TestNotifyCloseDrains wants what was said before Close, also when the relay
// has not had the time to look.
func TestNotifyCloseDrains(t *testing.T) {
	m, p, n := serve(t, NotifyOptions{})
	p.say("READY=1")
	p.say("STOPPING=1")
	n.Serve(7)
	done := make(chan struct{})
	go func() { n.Close(); close(done) }()
	m.want("MAINPID=7\nREADY=1")
	m.want("STOPPING=1")
	m.next(100 * time.Millisecond) // takes the barrier
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("Close hangs")
	}
	if _, err := os.Lstat(filepath.Join(n.dir, notifyName)); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestNotifyStuckManager wants Close to come back when nobody reads.
func TestNotifyStuckManager(t *testing.T) {
	_, p, n := serve(t, NotifyOptions{})
	n.Serve(7)
	for range 9 {
		p.say("STATUS=x")
	}
	start := time.Now()
	n.Close()
	if took := time.Since(start); took > closeTime+2*time.Second {
		t.Errorf("Close took %v", took)
	}
}

// TestNotifyNoManager wants one warning, and no end of the relay.
func TestNotifyNoManager(t *testing.T) {
	warnings := make(chan string, 10)
	m, p, n := serve(t, NotifyOptions{Warn: func(f string, a ...any) { warnings <- fmt.Sprintf(f, a...) }})
	if err := os.Remove(m.name); err != nil {
		t.Fatal(err)
	}
	n.Serve(7)
	for range 5 {
		p.say("STATUS=x")
	}
	n.Close()
	if len(warnings) != 1 || !strings.Contains(<-warnings, m.name) {
		t.Errorf("got %d warnings, want 1 that names the socket", len(warnings)+1)
	}
}

func TestNotifyBarrier(t *testing.T) {
	m, p, n := serve(t, NotifyOptions{})
	n.Serve(7)
	defer n.Close()
	defer m.close()
	r, w := pipeEnds(t)
	p.say("STATUS=x")
	p.say("BARRIER=1", w)
	unix.Close(w)
	if hungUp(r, 200*time.Millisecond) {
		t.Error("the barrier was lifted before the manager has read a thing")
	}
	m.want("STATUS=x")
	m.next(100 * time.Millisecond)
	if !hungUp(r, 5*time.Second) {
		t.Error("the barrier was not lifted")
	}
}

// TestNotifyDescriptors wants all that a payload sends closed, but for what it
// may store.
func TestNotifyDescriptors(t *testing.T) {
	for _, store := range []bool{false, true} {
		t.Run("store "+strconv.FormatBool(store), func(t *testing.T) {
			m, p, n := serve(t, NotifyOptions{Store: store})
			n.Serve(0)
			defer n.Close()
			defer m.close()
			r, w := pipeEnds(t)
			many := slices.Repeat([]int{w}, maxRights)
			p.say("READY=1", many...)
			if text, fds := m.next(5 * time.Second); text != "READY=1" || fds != 0 {
				t.Errorf("got %q with %d descriptors, want READY=1 with none", text, fds)
			}
			p.say("BARRIER=1", many[:2]...)
			p.say("BARRIER=1\nREADY=1", w)
			p.say("garbage", many...)
			p.say("FDSTORE=1\nFDNAME=a\nSTATUS=x", many...)
			want, wantFDs := "STATUS=x", 0
			if store {
				want, wantFDs = "FDSTORE=1\nFDNAME=a\nSTATUS=x", maxRights
			}
			if text, fds := m.next(5 * time.Second); text != want || fds != wantFDs {
				t.Errorf("got %q with %d descriptors, want %q with %d", text, fds, want, wantFDs)
			}
			unix.Close(w)
			if !hungUp(r, 5*time.Second) {
				t.Error("a descriptor of the payload's is still open")
			}
		})
	}
}

// TestNotifyGarbage floods the relay, and wants it to go on working.
func TestNotifyGarbage(t *testing.T) {
	warned := 0
	m, p, n := serve(t, NotifyOptions{Warn: func(string, ...any) { warned++ }})
	n.Serve(0)
	huge := strings.Repeat("READY=1\n", 10000)
	for i := range 300 {
		p.say(huge)
		p.say("")
		p.say(strings.Repeat("\x00", i))
		p.say(strings.Repeat("=", i) + "\n" + strings.Repeat("\xff", i))
		p.say("STATUS=" + strings.Repeat("x", maxNotify)) // a few bytes too long
	}
	p.say("STATUS=still here")
	m.want("STATUS=still here")
	m.close()
	n.Close()
	if warned != 1 {
		t.Errorf("%d warnings, want 1", warned)
	}
}

func TestNotifyWaitReady(t *testing.T) {
	m, p, n := serve(t, NotifyOptions{})
	defer n.Close()
	done := make(chan error)
	go func() { done <- n.WaitReady(t.Context(), 4711, -1) }()
	p.say("STATUS=x")
	m.want("STATUS=x")
	p.say("READY=1")
	m.want("MAINPID=4711\nREADY=1")
	select {
	case err := <-done:
		t.Fatalf("ended before the manager has read everything: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	m.next(100 * time.Millisecond) // takes the barrier
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNotifyWaitReadyEnds(t *testing.T) {
	t.Run("with the process", func(t *testing.T) {
		_, _, n := serve(t, NotifyOptions{})
		defer n.Close()
		cmd := exec.CommandContext(t.Context(), "sleep", "0.1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pidfd)
		if err := n.WaitReady(t.Context(), cmd.Process.Pid, pidfd); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	t.Run("with the context", func(t *testing.T) {
		_, _, n := serve(t, NotifyOptions{})
		defer n.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := n.WaitReady(ctx, 1, -1); err != context.DeadlineExceeded {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}
