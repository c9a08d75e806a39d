package bundle

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
	"berth/state"
)

// sayNotify is a payload: it sends messages, separated by "|", and waits until
// they have been taken (sd_notify_barrier(3)).
func sayNotify(messages string) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		panic(err)
	}
	to := &unix.SockaddrUnix{Name: os.Getenv(notifyVariable)}
	for message := range strings.SplitSeq(messages, "|") {
		if err := unix.Sendto(fd, []byte(message), 0, to); err != nil {
			panic(err)
		}
	}
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		panic(err)
	}
	if err := unix.Sendmsg(fd, []byte("BARRIER=1"), unix.UnixRights(p[1]), to, 0); err != nil {
		panic(err)
	}
	unix.Close(p[1])
	if _, err := unix.Read(p[0], make([]byte, 1)); err != nil {
		panic(err)
	}
	if wait, err := time.ParseDuration(os.Getenv("BUNDLE_TEST_WAIT")); err == nil {
		time.Sleep(wait)
	}
}

// serviceManager collects what it is told. Barriers are lifted at once.
type serviceManager struct {
	path string
	said chan string
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	m := &serviceManager{filepath.Join(t.TempDir(), "host.sock"), make(chan string, 100)}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: m.path}); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), m.path)
	t.Cleanup(func() { _ = unix.Shutdown(fd, unix.SHUT_RDWR) })
	go func() {
		defer f.Close()
		buf := make([]byte, 8192)
		for {
			// Without room for descriptors the kernel closes them.
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil || n == 0 {
				return
			}
			if string(buf[:n]) != "BARRIER=1" {
				m.said <- string(buf[:n])
			}
		}
	}()
	return m
}

func (m *serviceManager) want(t *testing.T, text string) {
	t.Helper()
	select {
	case got := <-m.said:
		if got != text {
			t.Errorf("the service manager was told %q, want %q", got, text)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("the service manager was told nothing, want %q", text)
	}
}

// saying is a spec of a payload that talks to the service manager, as a user
// without any right.
func saying(t *testing.T, messages string) *specs.Spec {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := shell("")
	s.Process.Args = []string{"/tmp/say"}
	s.Process.User = specs.User{UID: 1000, GID: 1000}
	s.Process.Env = append(s.Process.Env, "BUNDLE_TEST_SAY="+messages)
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp/say", Type: "bind", Source: exe, Options: []string{"bind", "ro"}})
	return s
}

func newNotifyHarness(t *testing.T) (*harness, *serviceManager) {
	t.Helper()
	h, m := newHarness(t), newServiceManager(t)
	h.Getenv = func(name string) string {
		if name == notifyVariable {
			return m.path
		}
		return ""
	}
	return h, m
}

func TestNotifyRun(t *testing.T) {
	h, m := newNotifyHarness(t)
	out, code, err := h.run(saying(t, "STATUS=starting|READY=1\nMAINPID=1|WATCHDOG=1|FDSTORE=1|STOPPING=1"))
	if err != nil || code != 0 {
		t.Fatalf("got %q, %d, %v", out, code, err)
	}
	m.want(t, "STATUS=starting")
	m.want(t, "MAINPID="+strconv.Itoa(os.Getpid())+"\nREADY=1")
	m.want(t, "WATCHDOG=1")
	m.want(t, "STOPPING=1")
	h.empty()
}

// TestNotifyDetached wants the command to return when the payload is ready,
// and the manager to know the payload's process.
func TestNotifyDetached(t *testing.T) {
	for _, kind := range []string{"run", "create and start"} {
		t.Run(kind, func(t *testing.T) {
			h, m := newNotifyHarness(t)
			s := saying(t, "STATUS=x|READY=1")
			s.Process.Env = append(s.Process.Env, "BUNDLE_TEST_WAIT=1000s")
			if kind == "run" {
				null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer null.Close()
				o := RunOptions{Detach: true, CreateOptions: CreateOptions{Bundle: h.bundle(s), Stdio: container.Stdio{In: null, Out: null, Err: null}}}
				if _, err := h.Run(t.Context(), "told", o); err != nil {
					t.Fatal(err)
				}
			} else {
				h.create("told", s)
				h.start("told")
			}
			c, err := h.State(t.Context(), "told")
			if err != nil || c.Status != "running" {
				t.Errorf("%+v, %v", c, err)
			}
			m.want(t, "STATUS=x")
			m.want(t, "MAINPID="+strconv.Itoa(c.Pid)+"\nREADY=1")
		})
	}
}

// TestNotifyNever has a payload that ends without a word: start must return.
func TestNotifyNever(t *testing.T) {
	h, _ := newNotifyHarness(t)
	h.create("silent", shell("sleep 0.1"))
	start := time.Now()
	h.start("silent")
	if took := time.Since(start); took < 90*time.Millisecond || took > 5*time.Second {
		t.Errorf("start took %v", took)
	}
}

func TestNotifyNone(t *testing.T) {
	spec := shell("true")
	before := slices.Clone(spec.Process.Env)
	if host := planNotify(func(string) string { return "" }, spec, "/x"); host != "" || !slices.Equal(before, spec.Process.Env) {
		t.Errorf("host %q, environment %q", host, spec.Process.Env)
	}
	n, err := listenNotify("", "/no/such/folder", nil)
	if err != nil {
		t.Fatal(err)
	}
	n.serve(1)
	if err := n.wait(t.Context(), state.Process{}); err != nil {
		t.Error(err)
	}
	n.close()
}

// TestNotifyEarly wants the socket to be there when the payload looks for it.
func TestNotifyEarly(t *testing.T) {
	h, _ := newNotifyHarness(t)
	for range 10 {
		if out, code, err := h.run(shell("test -S $NOTIFY_SOCKET")); err != nil || code != 0 {
			t.Fatalf("got %q, %d, %v", out, code, err)
		}
	}
}
