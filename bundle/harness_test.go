package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
	"berth/state"
	"berth/tests/fixture"
)

// harness is a runtime with a root of its own, and what the tests need of it.
type harness struct {
	*Runtime
	t        *testing.T
	warnings []string
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	fixture.NeedRoot(t)
	h := &harness{t: t}
	h.Runtime = &Runtime{
		Dir: filepath.Join(t.TempDir(), "oci"), Dirs: state.Dirs{Root: t.TempDir(), Run: t.TempDir()},
		Warn:   func(format string, args ...any) { h.warnings = append(h.warnings, fmt.Sprintf(format, args...)) },
		Getenv: func(string) string { return "" },
	}
	t.Cleanup(h.sweep)
	return h
}

// sweep deletes what a test has left, which is an error of the test.
func (h *harness) sweep() {
	list, err := h.List(h.t.Context())
	if err != nil {
		h.t.Error(err)
	}
	for _, s := range list {
		if err := h.Delete(h.t.Context(), s.ID, true); err != nil {
			h.t.Error(err)
		}
	}
	// A create would have ended, and left its payload to init; this process has to
	// collect what it has made itself.
	for pid := 1; pid > 0; {
		pid, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil)
	}
}

// shell is a spec that runs a script with the host's own programs.
func shell(script string) *specs.Spec {
	caps := []string{"CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"}
	s := &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: "rootfs", Readonly: false},
		Process: &specs.Process{
			Args: []string{"/bin/sh", "-c", script}, Cwd: "/", Env: []string{"PATH=/usr/bin:/bin"},
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Hostname: "test",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666", "mode=0620"}},
			{Destination: "/usr", Type: "bind", Source: "/usr", Options: []string{"rbind", "ro"}},
			{Destination: "/etc", Type: "bind", Source: "/etc", Options: []string{"rbind", "ro"}},
			{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"},
		},
		Linux: &specs.Linux{},
	}
	for _, kind := range []specs.LinuxNamespaceType{
		specs.PIDNamespace, specs.MountNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.NetworkNamespace,
	} {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
	}
	return s
}

// bundle writes a bundle with a spec.
func (h *harness) bundle(s *specs.Spec) string {
	h.t.Helper()
	dir := h.t.TempDir()
	for _, name := range []string{"rootfs", "rootfs/usr", "rootfs/etc", "rootfs/proc", "rootfs/dev", "rootfs/tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			h.t.Fatal(err)
		}
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+name, filepath.Join(dir, "rootfs", name)); err != nil {
			h.t.Fatal(err)
		}
	}
	data, err := json.Marshal(s)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644); err != nil {
		h.t.Fatal(err)
	}
	return dir
}

// pipe returns a file to write to and a function that closes it and returns
// what was written, once everybody has closed it.
func (h *harness) pipe() (*os.File, func() string) {
	h.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		var all strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			all.Write(buf[:n])
			if err != nil {
				break
			}
		}
		r.Close()
		read <- all.String()
	}()
	return w, func() string {
		w.Close()
		return <-read
	}
}

// run runs a spec in the foreground.
func (h *harness) run(s *specs.Spec) (output string, code int, err error) {
	h.t.Helper()
	w, done := h.pipe()
	code, err = h.Run(h.t.Context(), "r"+state.RandomName("x", int(time.Now().UnixNano()%1e6)), RunOptions{
		CreateOptions: CreateOptions{Bundle: h.bundle(s), Stdio: container.Stdio{Out: w, Err: w}},
	})
	return done(), code, err
}

// create makes a container and fails the test when that does not work.
func (h *harness) create(id string, s *specs.Spec) {
	h.t.Helper()
	if err := h.Create(h.t.Context(), id, CreateOptions{Bundle: h.bundle(s)}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) start(id string) {
	h.t.Helper()
	if err := h.Start(h.t.Context(), id); err != nil {
		h.t.Fatal(err)
	}
}

// await waits for a status.
func (h *harness) await(id, want string) {
	h.t.Helper()
	var s State
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var err error
		if s, err = h.State(h.t.Context(), id); err != nil {
			h.t.Fatal(err)
		}
		if s.Status == want {
			// A child of this process stays a zombie until it is waited for.
			_, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil)
			return
		}
	}
	h.t.Fatalf("container %s is %s, want %s", id, s.Status, want)
}

// empty fails the test when the runtime's folder has a container.
func (h *harness) empty() {
	h.t.Helper()
	entries, err := os.ReadDir(h.Dir)
	if err != nil && !os.IsNotExist(err) {
		h.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != ".empty" {
			h.t.Errorf("%s was left in %s", e.Name(), h.Dir)
		}
	}
}
