package bundle

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
)

// mountTable is this process's mount table, sorted.
func mountTable(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	slices.Sort(lines)
	return lines
}

// TestGuest: a container without a mount namespace has its root, with its
// mounts, and the host's mount table does not show them.
func TestGuest(t *testing.T) {
	h := newHarness(t)
	before := mountTable(t)
	s := shell("ls -d /usr/bin /proc/self /dev/null; sleep 100")
	s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.MountNamespace })
	h.create("guest", s)
	h.start("guest")
	if now := mountTable(t); !slices.Equal(before, now) {
		t.Errorf("the host's mount table has changed:\n%s", strings.Join(now, "\n"))
	}
	p := *s.Process
	p.Args = []string{"/bin/sh", "-c", "ls / && test -e /proc/1/stat"}
	w, done := h.pipe()
	code, err := h.Exec(t.Context(), "guest", ExecOptions{Process: &p, Stdio: container.Stdio{Out: w, Err: w}})
	if out := done(); code != 0 || err != nil || strings.Contains(out, "boot") || !strings.Contains(out, "usr") {
		t.Errorf("exec: %d, %v, %q", code, err, out)
	}
	if err := h.Delete(t.Context(), "guest", true); err != nil {
		t.Fatal(err)
	}
	if now := mountTable(t); !slices.Equal(before, now) {
		t.Errorf("the host's mount table has changed:\n%s", strings.Join(now, "\n"))
	}
}

// TestNoNamespaces: even one without any namespace runs, and can be joined.
func TestNoNamespaces(t *testing.T) {
	h := newHarness(t)
	s := shell("test -d /usr && echo rooted")
	s.Hostname, s.Linux.Namespaces = "", nil
	out, code, err := h.run(s)
	if out != "rooted\n" || code != 0 || err != nil {
		t.Errorf("%q, %d, %v", out, code, err)
	}
}

// TestMountOrder: the mount table is in the order of the spec, whoever made a
// mount.
func TestMountOrder(t *testing.T) {
	h := newHarness(t)
	out, code, err := h.run(shell("cut -d' ' -f5 /proc/self/mountinfo"))
	if code != 0 || err != nil {
		t.Fatalf("%d, %v, %s", code, err, out)
	}
	want := []string{"/", "/proc", "/dev", "/dev/pts", "/usr", "/etc", "/tmp"}
	got := slices.DeleteFunc(strings.Fields(out), func(p string) bool { return !slices.Contains(want, p) })
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
