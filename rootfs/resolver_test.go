package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// mountPoints picks the mount points out of a mountinfo text.
func mountPoints(text string) []string {
	var points []string
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 5 {
			points = append(points, f[4])
		}
	}
	return points
}

func link(t testing.TB, root, name, target string) {
	t.Helper()
	p := filepath.Join(root, name)
	if err := os.RemoveAll(p); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, p); err != nil {
		t.Fatal(err)
	}
}

// TestMountPoints: where a mount lands, whatever is on the way there.
func TestMountPoints(t *testing.T) {
	source, base := t.TempDir(), boxRoot(t)
	write(t, source, "mark", "sub/mark", "deep/er/mark")
	for _, x := range []struct {
		name   string
		links  map[string]string
		mounts []specs.Mount
		at     string // the mount point that must be there
		want   string // a file that must be in it, "" for none
		fails  error
	}{
		{name: "existing folder", mounts: []specs.Mount{bind(source, "/tmp")}, at: "/tmp", want: "/tmp/mark"},
		{name: "missing folder", mounts: []specs.Mount{bind(source, "/a/b/c")}, at: "/a/b/c", want: "/a/b/c/mark"},
		{name: "missing file", mounts: []specs.Mount{bind(source+"/mark", "/a/b/file")}, at: "/a/b/file", want: "/a/b/file"},
		{name: "existing file", mounts: []specs.Mount{bind(source+"/mark", "/etc/passwd")}, at: "/etc/passwd", want: "/etc/passwd"},
		{name: "unclean", mounts: []specs.Mount{bind(source, "/a/./b/../c//")}, at: "/a/c", want: "/a/c/mark"},
		{name: "relative link", mounts: []specs.Mount{bind(source, "/var/run")}, at: "/run", want: "/run/mark"},
		{name: "link's parent is planned", mounts: []specs.Mount{tmpfs("/run"), bind(source, "/var/run/x")}, at: "/run/x", want: "/run/x/mark"},
		{name: "absolute link", links: map[string]string{"data": "/srv/data"}, mounts: []specs.Mount{bind(source, "/data")}, at: "/srv/data", want: "/srv/data/mark"},
		{name: "link out by dots", links: map[string]string{"data": "../../../../srv"}, mounts: []specs.Mount{bind(source, "/data")}, at: "/srv", want: "/srv/mark"},
		{name: "dangling link", links: map[string]string{"data": "no/such/place"}, mounts: []specs.Mount{bind(source, "/data")}, at: "/no/such/place", want: "/data/mark"},
		{name: "dangling link to a file", links: map[string]string{"etc/hosts": "/run/hosts"}, mounts: []specs.Mount{tmpfs("/run"), bind(source+"/mark", "/etc/hosts")}, at: "/run/hosts", want: "/etc/hosts"},
		{name: "chain of links", links: map[string]string{"a": "b", "b": "/c", "c": "d/../e"}, mounts: []specs.Mount{bind(source, "/a/f")}, at: "/e/f", want: "/a/f/mark"},
		{name: "loop of links", links: map[string]string{"a": "b", "b": "a"}, mounts: []specs.Mount{bind(source, "/a/f")}, fails: unix.ELOOP},
		{name: "link to itself", links: map[string]string{"a": "a"}, mounts: []specs.Mount{bind(source, "/a")}, fails: unix.ELOOP},
		{name: "folder over a file", mounts: []specs.Mount{bind(source, "/etc/passwd")}, fails: unix.ENOTDIR},
		{name: "file over a folder", mounts: []specs.Mount{bind(source+"/mark", "/etc")}, fails: unix.EISDIR},
		{name: "below a file", mounts: []specs.Mount{bind(source, "/etc/passwd/x")}, fails: unix.ENOTDIR},
		{name: "nested", mounts: []specs.Mount{bind(source, "/data"), bind(source+"/deep", "/data/sub")}, at: "/data/sub", want: "/data/sub/er/mark"},
		{name: "nested through a link in a mount", links: map[string]string{"srv/way": "/tmp"}, mounts: []specs.Mount{bind(source, "/data"), tmpfs("/data/deep"), bind(source, "/data/deep/new")}, at: "/data/deep/new", want: "/data/deep/new/mark"},
		{name: "one over another", mounts: []specs.Mount{tmpfs("/data"), bind(source, "/data")}, at: "/data", want: "/data/mark"},
		{name: "dots leave a mount", links: map[string]string{"back": "/data/../srv"}, mounts: []specs.Mount{tmpfs("/data"), bind(source, "/back")}, at: "/srv", want: "/srv/mark"},
		{name: "into proc", mounts: append(defaults(), bind(source+"/mark", "/proc/uptime")), at: "/proc/uptime", want: "/proc/uptime"},
		{name: "into proc through a link", links: map[string]string{"way": "/proc"}, mounts: append(defaults(), bind(source+"/mark", "/way/uptime")), fails: errChildTree},
		{name: "through a magic link", links: map[string]string{"way": "/proc/self/root/tmp"}, mounts: append(defaults(), bind(source, "/way")), fails: errChildTree},
	} {
		t.Run(x.name, func(t *testing.T) {
			root := copyRoot(t, base)
			for name, to := range x.links {
				link(t, root, name, to)
			}
			mounts := x.mounts
			if !slices.ContainsFunc(mounts, func(m specs.Mount) bool { return m.Destination == "/proc" }) {
				mounts = append(defaults(), mounts...)
			}
			script := "cat /proc/self/mountinfo"
			if x.want != "" {
				script += " && cat " + x.want + " >/dev/null"
			}
			out, err := (&box{root: root, mounts: mounts}).run(t, script)
			if x.fails != nil {
				if !errors.Is(err, x.fails) {
					t.Errorf("got %v, want %v\n%s", err, x.fails, out)
				}
				return
			}
			if err != nil || !slices.Contains(mountPoints(out), x.at) {
				t.Errorf("%v: want a mount at %s:\n%s", err, x.at, out)
			}
		})
	}
}

// TestMountsOfTheHost: what is assembled and attached shows in no mount table
// of the host.
func TestMountsOfTheHost(t *testing.T) {
	root := boxRoot(t)
	out, err := (&box{root: root, mounts: defaults(), terminal: true, masked: []string{"/proc/irq"}, readonly: []string{"/proc/fs"}}).run(t, "ls -l /dev /dev/pts")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(table), "TestMountsOfTheHost") || strings.Contains(string(table), "ptmxmode=666") {
		t.Errorf("%v: the host has mounts of the container:\n%s", err, table)
	}
}

// TestSharedMounts: on a host whose mounts are shared, as systemd makes them,
// nothing of the container's appears there, and pivot_root works.
func TestSharedMounts(t *testing.T) {
	root := boxRoot(t)
	source := t.TempDir()
	write(t, source, "mark", "sub/mark")
	for _, dir := range []string{root, source} {
		if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
			t.Fatal(err)
		}
	}
	b := &box{root: root, mounts: append(defaults(), bind(source, "/data"), tmpfs("/data/sub")), masked: []string{"/proc/irq"}}
	script := "cat /data/mark && mount -t tmpfs none /tmp && mount -t tmpfs none /data/sub && cat /proc/self/mountinfo"
	out, err := b.run(t, script)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, point := range mountPoints(string(table)) {
		if strings.HasPrefix(point, root+"/") || strings.HasPrefix(point, source+"/") {
			t.Errorf("the host has a mount at %s", point)
		}
	}
}

// TestOptionsHold: what a bind mount's options forbid is forbidden, also below.
func TestOptionsHold(t *testing.T) {
	root := boxRoot(t)
	source := t.TempDir()
	write(t, source, "mark", "sub/mark")
	for _, x := range []struct {
		name    string
		mounts  []specs.Mount
		script  string
		succeed bool
	}{
		{"writable", []specs.Mount{bind(source, "/data")}, "touch /data/new", true},
		{"read-only", []specs.Mount{bind(source, "/data", "rbind", "ro")}, "touch /data/new", false},
		{"read-only file", []specs.Mount{bind(source+"/mark", "/data", "bind", "ro")}, "echo x >>/data", false},
		{"writable in read-only", []specs.Mount{bind(source, "/data", "ro"), tmpfs("/data/sub")}, "touch /data/sub/new", true},
		{"read-only tmpfs with a mount in it", []specs.Mount{tmpfs("/x", "ro"), bind(source, "/x/y")}, "cat /x/y/mark && ! touch /x/new && true", true},
		{"noexec", []specs.Mount{bind(root+"/bin", "/data", "noexec")}, "/data/true", false},
		{"nodev", []specs.Mount{tmpfs("/data", "nodev")}, "mknod /data/null c 1 3 && echo x >/data/null", false},
		{"size", []specs.Mount{tmpfs("/data", "size=64k")}, "head -c 100000 /dev/zero >/data/file", false},
		{"mode", []specs.Mount{tmpfs("/data", "mode=0700")}, `test "$(stat -c %a /data)" = 700`, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			out, err := (&box{root: root, mounts: append(defaults(), x.mounts...)}).run(t, x.script)
			if (err == nil) != x.succeed {
				t.Errorf("%s: %v\n%s", x.script, err, out)
			}
		})
	}
}

func TestReadOnlyRoot(t *testing.T) {
	root := boxRoot(t)
	b := &box{root: root, mounts: append(defaults(), tmpfs("/new/place")), rootReadOnly: true, workDir: "/made/too"}
	if out, err := b.run(t, "cd /made/too && touch /new/place/x && ! touch /x && ! touch /made/y"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestMasksInTheImage: paths outside proc and sysfs are hidden too, where they
// are and through links.
func TestMasksInTheImage(t *testing.T) {
	root := boxRoot(t)
	write(t, root, "secret/file", "key", "kept/file")
	link(t, root, "way", "/secret")
	b := &box{root: root, mounts: defaults(), masked: []string{"/way", "/key", "/no/such", "/etc/passwd/x"}, readonly: []string{"/kept", "/no/such"}}
	script := `test -z "$(cat /key)" && test -z "$(ls /secret)" && ! touch /secret/x && cat /kept/file && ! touch /kept/x && ! touch /kept/file && true`
	if out, err := b.run(t, script); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
