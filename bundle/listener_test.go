package bundle

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
)

// notification and response are struct seccomp_notif and seccomp_notif_resp
// (linux/seccomp.h).
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

const (
	notifRecv     = 0xc0502100
	notifSend     = 0xc0182101
	notifContinue = 1
)

// testAgent is a seccomp agent that answers calls.
type testAgent struct {
	t      *testing.T
	path   string
	listen net.Listener
	// answer decides about a call; nil lets all of them happen.
	answer func(n *notification, r *response)

	mu     sync.Mutex
	states []specs.ContainerProcessState
	calls  map[int32]int
}

func newTestAgent(t *testing.T, answer func(n *notification, r *response)) *testAgent {
	t.Helper()
	a := &testAgent{t: t, path: filepath.Join(t.TempDir(), "agent.sock"), answer: answer, calls: map[int32]int{}}
	var err error
	if a.listen, err = (&net.ListenConfig{}).Listen(t.Context(), "unix", a.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.listen.Close() })
	go func() {
		for {
			conn, err := a.listen.Accept()
			if err != nil {
				return
			}
			go a.serve(conn.(*net.UnixConn))
		}
	}()
	return a
}

// serve takes a listener and answers what comes from it.
func (a *testAgent) serve(conn *net.UnixConn) {
	defer conn.Close()
	data, control := make([]byte, 1<<16), make([]byte, 1024)
	n, m, _, _, err := conn.ReadMsgUnix(data, control)
	if err != nil {
		a.t.Errorf("agent: %v", err)
		return
	}
	var state specs.ContainerProcessState
	if err := json.Unmarshal(data[:n], &state); err != nil {
		a.t.Errorf("agent got %q: %v", data[:n], err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:m])
	if err != nil || len(messages) != 1 {
		a.t.Errorf("agent got %d control messages, %v", len(messages), err)
		return
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		a.t.Errorf("agent got descriptors %v, %v", fds, err)
		return
	}
	a.mu.Lock()
	a.states = append(a.states, state)
	a.mu.Unlock()
	defer unix.Close(fds[0])
	for a.one(fds[0]) {
	}
}

// one answers one call; false when there will be no more.
func (a *testAgent) one(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, -1); err != unix.EINTR {
			break
		}
	}
	if poll[0].Revents&unix.POLLHUP != 0 {
		return false
	}
	var n notification
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), notifRecv, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return errno == unix.EINTR || errno == unix.ENOENT // the caller was killed
	}
	a.mu.Lock()
	a.calls[n.nr]++
	a.mu.Unlock()
	r := response{id: n.id, flags: notifContinue}
	if a.answer != nil {
		a.answer(&n, &r)
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), notifSend, uintptr(unsafe.Pointer(&r)))
	return errno == 0 || errno == unix.ENOENT || errno == unix.EINTR
}

// count returns how often a call was reported.
func (a *testAgent) count(nr int32) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[nr]
}

// state returns the nth state that came.
func (a *testAgent) state(n int) specs.ContainerProcessState {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.states) <= n {
		a.t.Fatalf("the agent got %d states, want more than %d", len(a.states), n)
	}
	return a.states[n]
}

// notifying is a spec whose filter reports calls to the agent.
func (a *testAgent) notifying(script string, calls ...string) *specs.Spec {
	s := shell(script)
	s.Linux.Seccomp = &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, ListenerPath: a.path, ListenerMetadata: "meta",
		Syscalls: []specs.LinuxSyscall{{Names: calls, Action: specs.ActNotify}},
	}
	return s
}

// pretend answers mkdir with success, and lets everything else happen.
func pretend(n *notification, r *response) {
	if n.nr == unix.SYS_MKDIR || n.nr == unix.SYS_MKDIRAT {
		*r = response{id: n.id}
	}
}

func TestListenerRun(t *testing.T) {
	h := newHarness(t)
	a := newTestAgent(t, pretend)
	s := a.notifying("mkdir /tmp/pretended && echo made; test -e /tmp/pretended || echo absent", "mkdir", "mkdirat", "openat")
	s.Annotations = map[string]string{"a": "b"}
	out, code, err := h.run(s)
	if err != nil || code != 0 || out != "made\nabsent\n" {
		t.Errorf("got %q, %d, %v", out, code, err)
	}
	state := a.state(0)
	if state.Version == "" || len(state.Fds) != 1 || state.Fds[0] != specs.SeccompFdName || state.Metadata != "meta" || state.Pid <= 0 {
		t.Errorf("state of the process %+v", state)
	}
	if c := state.State; c.Pid != state.Pid || c.ID == "" || c.Status != specs.StateCreating || c.Annotations["a"] != "b" || !filepath.IsAbs(c.Bundle) {
		t.Errorf("state of the container %+v", c)
	}
	if a.count(unix.SYS_OPENAT) == 0 {
		t.Error("no openat was reported")
	}
}

// everything is what the set-up itself needs behind the filter, and more.
func everything() []string {
	return []string{
		"read", "write", "execve", "execveat", "openat", "close", "capset", "prctl", "mmap", "munmap", "recvmsg",
		"sendto", "sendmsg", "exit_group", "dup2", "dup3", "fcntl", "clone", "fork", "vfork", "wait4", "poll",
	}
}

// TestListenerEverything reports calls that the set-up itself makes behind the
// filter.
func TestListenerEverything(t *testing.T) {
	for _, noNewPrivileges := range []bool{false, true} {
		h := newHarness(t)
		a := newTestAgent(t, nil)
		s := a.notifying("echo one; cat /etc/passwd >/tmp/x; grep -c root: /tmp/x", everything()...)
		s.Process.NoNewPrivileges = noNewPrivileges
		out, code, err := h.run(s)
		if err != nil || code != 0 || !strings.HasPrefix(out, "one\n") {
			t.Errorf("run: %q, %d, %v", out, code, err)
		}
		for _, nr := range []int32{unix.SYS_READ, unix.SYS_WRITE, unix.SYS_EXECVE} {
			if a.count(nr) == 0 {
				t.Errorf("call %d was not reported", nr)
			}
		}
	}
}

func TestListenerCreateStart(t *testing.T) {
	h := newHarness(t)
	a := newTestAgent(t, nil)
	h.create("notified", a.notifying("sleep 1000", everything()...))
	h.await("notified", created)
	if a.count(unix.SYS_EXECVE) != 0 {
		t.Error("execve was reported before the start")
	}
	h.start("notified")
	h.await("notified", running)
	if state := a.state(0).State; state.ID != "notified" || state.Status != specs.StateCreating {
		t.Errorf("state of the container %+v", state)
	}
	if a.count(unix.SYS_EXECVE) == 0 {
		t.Error("execve was not reported")
	}
}

func TestListenerExec(t *testing.T) {
	h := newHarness(t)
	a := newTestAgent(t, pretend)
	s := a.notifying("sleep 1000", append(everything(), "mkdir", "mkdirat")...)
	h.create("joined", s)
	h.start("joined")
	p := *s.Process
	p.Args = []string{"/bin/sh", "-c", "mkdir /tmp/pretended && echo made"}
	w, done := h.pipe()
	code, err := h.Exec(t.Context(), "joined", ExecOptions{Process: &p, Stdio: container.Stdio{Out: w, Err: w}})
	if out := done(); err != nil || code != 0 || out != "made\n" {
		t.Errorf("got %q, %d, %v", out, code, err)
	}
	first, second := a.state(0), a.state(1)
	if second.Pid == first.Pid || second.State.Pid != first.Pid || second.State.Status != specs.StateRunning {
		t.Errorf("exec's state %+v, container's process is %d", second, first.Pid)
	}
}

// TestListenerAgentGone takes away the agent at every moment.
func TestListenerAgentGone(t *testing.T) {
	t.Run("never there", func(t *testing.T) {
		h := newHarness(t)
		a := newTestAgent(t, nil)
		a.listen.Close()
		_, _, err := h.run(a.notifying("true", "mkdir"))
		if err == nil || !strings.Contains(err.Error(), "linux.seccomp.listenerPath") || !strings.Contains(err.Error(), a.path) {
			t.Errorf("got %v, want the field and the path", err)
		}
		h.empty()
	})
	t.Run("stops listening", func(t *testing.T) {
		h := newHarness(t)
		a := newTestAgent(t, nil)
		a.listen.Close()
		ready := make(chan net.Listener, 1)
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", a.path)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if conn, err := l.Accept(); err == nil {
				conn.Close()
			}
			ready <- l
		}()
		s := a.notifying("echo never", "mkdir")
		out, _, err := h.run(s)
		(<-ready).Close()
		if err == nil || !strings.Contains(err.Error(), "linux.seccomp.listenerPath") || out != "" {
			t.Errorf("got %q, %v, want an error that names the field", out, err)
		}
		h.empty()
	})
	t.Run("drops the listener", func(t *testing.T) {
		h := newHarness(t)
		a := newTestAgent(t, nil)
		a.listen.Close()
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", a.path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			if conn, err := l.Accept(); err == nil {
				// Reading without room for descriptors closes them.
				_, _ = conn.Read(make([]byte, 1<<16))
				conn.Close()
			}
		}()
		out, code, err := h.run(a.notifying("mkdir /tmp/x; mkdir /tmp/y 2>&1", "mkdir", "mkdirat"))
		if err != nil || code == 0 || !strings.Contains(out, "not impl") {
			t.Errorf("got %q, %d, %v, want calls that are unknown", out, code, err)
		}
	})
}

// TestListenerPathLong has a path that does not fit into an address.
func TestListenerPathLong(t *testing.T) {
	h := newHarness(t)
	a := newTestAgent(t, nil)
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 150))
	if err := os.Symlink(a.path, long); err != nil {
		t.Fatal(err)
	}
	s := a.notifying("true", "mkdir")
	s.Linux.Seccomp.ListenerPath = long
	if _, code, err := h.run(s); err != nil || code != 0 {
		t.Errorf("got %d, %v", code, err)
	}
}

// TestListenerHook has a hook under the filter, which needs the agent too.
func TestListenerHook(t *testing.T) {
	h := newHarness(t)
	a := newTestAgent(t, pretend)
	s := a.notifying("echo ran", append(everything(), "mkdir", "mkdirat")...)
	s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "mkdir /tmp/pretended"}}}}
	if out, code, err := h.run(s); err != nil || code != 0 || out != "ran\n" {
		t.Errorf("got %q, %d, %v", out, code, err)
	}
	payload, hook := a.state(0), a.state(1)
	if hook.Pid == payload.Pid || hook.State.Pid != payload.Pid || hook.State.Status != specs.StateCreated {
		t.Errorf("hook's state %+v, the payload is %d", hook, payload.Pid)
	}
}
