package rootfs

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// withoutDev are the default mounts but for those at and below /dev.
func withoutDev() []specs.Mount {
	return []specs.Mount{defaults()[0], defaults()[3]}
}

func TestReadDevices(t *testing.T) {
	mode, uid := fs.FileMode(0o4640), uint32(7)
	list, err := readDevices([]specs.LinuxDevice{
		{Path: "/dev/a/../b", Type: "c", Major: 1, Minor: 2},
		{Path: "/dev/b", Type: "u", Major: 1, Minor: 2, FileMode: &mode},
		{Path: "/x/y", Type: "b", Major: 8, Minor: 300, FileMode: &mode, UID: &uid},
		{Path: "/pipe", Type: "p", Major: 5, Minor: -1},
	})
	want := []device{
		{path: "/dev/b", mode: unix.S_IFCHR | 0o666, rdev: unix.Mkdev(1, 2), from: "linux.devices[0]"},
		{path: "/x/y", mode: unix.S_IFBLK | 0o640, rdev: unix.Mkdev(8, 300), uid: 7, owned: true, from: "linux.devices[2]"},
		{path: "/pipe", mode: unix.S_IFIFO | 0o666, from: "linux.devices[3]"},
	}
	if err != nil || len(list) != len(want) {
		t.Fatalf("got %+v, %v", list, err)
	}
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("device %d is %+v, want %+v", i, list[i], want[i])
		}
	}
	for _, x := range []struct {
		d    specs.LinuxDevice
		want string
	}{
		{specs.LinuxDevice{Path: "/a", Type: "x"}, "linux.devices[1].type"},
		{specs.LinuxDevice{Path: "a", Type: "c"}, "linux.devices[1].path"},
		{specs.LinuxDevice{Path: "/..", Type: "c"}, "linux.devices[1].path"},
		{specs.LinuxDevice{Path: "/a\x00", Type: "c"}, "linux.devices[1].path"},
		{specs.LinuxDevice{Path: "/a", Type: "c", Major: 1 << 12}, "linux.devices[1]: 4096:0"},
		{specs.LinuxDevice{Path: "/a", Type: "b", Minor: -1}, "linux.devices[1]: 0:-1"},
		{specs.LinuxDevice{Path: "/dev//b", Type: "c", Major: 1, Minor: 3}, "linux.devices[1].path: /dev//b is another device already, by linux.devices[0]"},
		{specs.LinuxDevice{Path: "/dev/b", Type: "b", Major: 1, Minor: 2}, "linux.devices[1].path: /dev/b is another device"},
	} {
		_, err := readDevices([]specs.LinuxDevice{{Path: "/dev/b", Type: "c", Major: 1, Minor: 2}, x.d})
		if err == nil || !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("%+v: got %v, want %q", x.d, err, x.want)
		}
	}
}

// TestDevices: they are where the spec wants them, with or without a tmpfs at
// /dev.
func TestDevices(t *testing.T) {
	base := boxRoot(t)
	mode, uid, gid := fs.FileMode(0o640), uint32(7), uint32(8)
	list := []specs.LinuxDevice{
		{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229},
		{Path: "/dev/deep/er/loop", Type: "b", Major: 7, Minor: 9, FileMode: &mode, UID: &uid, GID: &gid},
		{Path: "/srv/new/zero", Type: "u", Major: 1, Minor: 5},
		{Path: "/var/run/pipe", Type: "p"},
		{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: &mode},
		{Path: "/dev/shm/zero", Type: "c", Major: 1, Minor: 5},
	}
	const script = `
test -c /dev/fuse && test "$(stat -c %t:%T:%a /dev/fuse)" = a:e5:666 || exit 1
test -b /dev/deep/er/loop && test "$(stat -c %a:%u:%g /dev/deep/er/loop)" = 640:7:8 || exit 2
test -c /srv/new/zero && test -p /run/pipe || exit 3
test "$(stat -c %a /dev/null)" = 640 && test "$(stat -c %a /dev/tty)" = 666 && test -c /dev/shm/zero || exit 4
test "$(readlink /dev/ptmx)" = pts/ptmx && test "$(readlink /dev/fd)" = /proc/self/fd || exit 5
test "$(head -c 4 /srv/new/zero | wc -c)" = 4 && echo x >/dev/null || exit 6
`
	for _, x := range []struct {
		name   string
		b      box
		mounts []specs.Mount
	}{
		{"tmpfs at /dev", box{}, defaults()},
		{"no mount at /dev", box{}, append(withoutDev(), tmpfs("/dev/shm"))},
		{"copied up", box{}, append(withoutDev(), tmpfs("/dev", "tmpcopyup"), tmpfs("/dev/shm"))},
		{"tmpfs in a user namespace", box{mapped: true}, defaults()},
		{"no mount in a user namespace", box{mapped: true}, append(withoutDev(), tmpfs("/dev/shm"))},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := x.b
			b.root, b.mounts, b.devices = openDirFor(t)+"/layer", x.mounts, list
			moveCopy(t, base, b.root)
			write(t, b.root, "dev/ptmx")
			if b.mapped {
				chownTree(t, b.root, mapBase)
			}
			if out, err := b.run(t, script); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestDevicesThere: what the root has at a device's path must be that device.
func TestDevicesThere(t *testing.T) {
	base := boxRoot(t)
	same, other := copyRoot(t, base), copyRoot(t, base)
	for _, x := range []struct {
		root  string
		major uint32
	}{{same, 10}, {other, 11}} {
		if err := unix.Mknod(x.root+"/srv-device", unix.S_IFCHR|0o600, int(unix.Mkdev(x.major, 229))); err != nil {
			t.Fatal(err)
		}
	}
	b := &box{root: same, mounts: defaults(), devices: []specs.LinuxDevice{{Path: "/srv-device", Type: "c", Major: 10, Minor: 229}}}
	if out, err := b.run(t, "test -c /srv-device"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	b.root = other
	if out, err := b.run(t, "true"); err == nil || !strings.Contains(err.Error(), "linux.devices[0]: /srv-device exists and is something else") {
		t.Errorf("got %v\n%s", err, out)
	}
	// Nothing is made in the kernel's own file systems.
	b.devices[0].Path = "/proc/device"
	if _, err := b.run(t, "true"); err == nil || !strings.Contains(err.Error(), "linux.devices[0].path") {
		t.Errorf("got %v", err)
	}
}

// TestHostDev: a bind mount at /dev stays as it is.
func TestHostDev(t *testing.T) {
	root, dev := boxRoot(t), t.TempDir()
	write(t, dev, "mark", "fuse", "null", "ptmx", "console", "pts/x")
	if err := unix.Mount("devpts", dev+"/pts", "devpts", 0, "ptmxmode=0666"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dev+"/pts", unix.MNT_DETACH) })
	before := treeNames(t, dev)
	b := &box{root: root, mounts: append(withoutDev(), bind(dev, "/dev", "rbind")), terminal: true,
		devices: []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}},
		masked:  []string{"/dev/mark", "/etc/passwd"}}
	out, err := b.run(t, `test -f /dev/fuse && test -c /dev/console && test -c /dev/pts/0 && test "$(stat -c %u /dev/pts/0)" = 7 && test -z "$(cat /dev/mark /etc/passwd)" && test -c /etc/passwd`)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if after := treeNames(t, dev); after != before {
		t.Errorf("the bound /dev has\n%s\nhad\n%s", after, before)
	}
}

// treeNames lists the names in a folder.
func treeNames(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name()+" "+e.Type().String())
	}
	return strings.Join(names, "\n")
}

// TestTerminalWithoutTmpfs: a devpts is all that a terminal needs.
func TestTerminalWithoutTmpfs(t *testing.T) {
	root := boxRoot(t)
	b := &box{root: root, mounts: append(withoutDev(), defaults()[2]), terminal: true}
	if out, err := b.run(t, `test -c /dev/console && test "$(stat -c %t:%T /dev/console)" = "$(stat -c %t:%T /dev/pts/0)" && test -c /dev/ptmx`); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	b = &box{root: root, mounts: withoutDev(), terminal: true}
	if out, err := b.run(t, "true"); err == nil || !strings.Contains(err.Error(), "no devpts is mounted at /dev/pts") {
		t.Errorf("without devpts: %v\n%s", err, out)
	}
}

// TestForeignNull: what covers files is a null device, whatever the image or
// the spec has at /dev/null (CVE-2025-31133).
func TestForeignNull(t *testing.T) {
	base := boxRoot(t)
	for _, x := range []struct {
		name string
		b    box
	}{
		{"image's", box{mounts: withoutDev()}},
		{"spec's", box{mounts: defaults(), devices: []specs.LinuxDevice{{Path: "/dev/null", Type: "c", Major: 1, Minor: 5}}}},
		{"in a user namespace", box{mapped: true, mounts: append(withoutDev(), bind("/tmp", "/dev"))}},
		{"without pivot_root", box{mounts: withoutDev(), noPivot: true}},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := x.b
			b.root, b.masked = openDirFor(t)+"/layer", []string{"key", "proc/uptime", "/no/such", "folder"}
			moveCopy(t, base, b.root)
			write(t, b.root, "key", "folder/key")
			if b.mapped {
				chownTree(t, b.root, mapBase)
			}
			p := `test "$(stat -c %t:%T /key)" = 1:3 && test -z "$(cat /key)" && test -z "$(ls /folder)" && ! grep -v "^x" /proc/self/mountinfo | grep "folder of null"`
			if out, err := b.runKinds(t, p, func(string) Kind { return File }); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestCoveredDev: a mount below /dev keeps what is made there.
func TestCoveredDev(t *testing.T) {
	a := New(&nsenter.Plan{})
	for i, m := range append(defaults(), tmpfs("/dev/net")) {
		if err := a.Add(m, "mounts["+string(rune('0'+i))+"]"); err != nil {
			t.Fatal(err)
		}
	}
	for p, want := range map[string]bool{"/dev/net/tun": true, "/dev/net": true, "/dev/network": false, "/dev/null": false} {
		if got := a.covered(p); got != want {
			t.Errorf("%s is covered: %v", p, got)
		}
	}
}
