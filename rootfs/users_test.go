package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// chownTree gives a tree to a mapped box's root, as those who make bundles do.
func chownTree(t testing.TB, dir string, base int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(p, base, base))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ownersScript fails where something in the box is nobody's.
const ownersScript = `
for f in / /dev /dev/fd /dev/pts /dev/null /dev/pts/ptmx /dev/shm /dev/fuse /tmp/new /made /made/deep /made/deep/cwd /etc/mounted; do
	test "$(stat -c %u:%g $f)" = 0:0 || { echo "$f is $(stat -c %u:%g $f)"; exit 1; }
done
test "$(stat -c %u:%g /data)" = 12:34 || { stat -c %u:%g /data; exit 1; }
test "$(stat -c %u /dev/pts/0)" = 7 || { stat -c %u /dev/pts/0; exit 1; }
test "$(stat -c %g /dev/pts/0)" = 5 || { stat -c %g /dev/pts/0; exit 1; }
echo x >/dev/null && echo x >/new && echo x >/dev/shm/x && test "$(stat -c %u:%g /new)" = 0:0 && ls /proc/1 /sys >/dev/null
`

// TestUserNamespace: what the host makes belongs to the container's users,
// whatever the root is made of.
func TestUserNamespace(t *testing.T) {
	base := boxRoot(t)
	for _, x := range []struct {
		name string
		box  box
	}{
		{"folder", box{}},
		{"mappings found at run time", box{late: true}},
		{"layers as descriptors", box{kernel: kernelLayersByFd, layers: []string{"layer", "low"}}},
		{"layers in a scratch namespace", box{kernel: kernelLayersByFd - 1, layers: []string{"layer", "low"}}},
		{"layers, mappings found at run time", box{late: true, kernel: kernelLayersByFd, layers: []string{"layer"}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := x.box
			if b.kernel == kernelLayersByFd {
				needKernel(t, kernelLayersByFd, "handing layers over as descriptors")
			}
			dir := openDirFor(t)
			b.root, b.mapped, b.terminal, b.workDir = dir+"/layer", true, true, "/made/deep/cwd"
			moveCopy(t, base, b.root)
			write(t, dir, "file", "low/only")
			for i, l := range b.layers {
				b.layers[i] = dir + "/" + l
			}
			if len(b.layers) == 0 {
				chownTree(t, b.root, mapBase)
			}
			chownTree(t, dir+"/file", mapBase)
			b.mounts = append(defaults(), tmpfs("/data", "uid=12", "gid=34"), tmpfs("/made/deep/er"), bind(dir+"/file", "/etc/mounted"), tmpfs("/tmp"), tmpfs("/tmp/new"))
			b.mounts[2].Options = append(b.mounts[2].Options, "gid=5")
			b.devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}}
			if out, err := b.run(t, ownersScript); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if len(b.layers) > 0 {
				var st unix.Stat_t
				if err := unix.Stat(dir+"/upper/new", &st); err != nil || st.Uid != 0 {
					t.Errorf("%v: a file that root wrote belongs to %d in the upper folder, want 0", err, st.Uid)
				}
			}
		})
	}
}

// openDirFor makes a folder that the ids of a mapped box may walk to.
func openDirFor(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// moveCopy copies a root to a place of its own name.
func moveCopy(t testing.TB, base, to string) {
	t.Helper()
	if err := os.Rename(copyRoot(t, base), to); err != nil {
		t.Fatal(err)
	}
}

// TestSharedInUserNamespace: where the host's namespaces are kept, their file
// systems are the host's.
func TestSharedInUserNamespace(t *testing.T) {
	b := &box{root: boxRoot(t), mapped: true, mounts: defaults(),
		shared: []specs.LinuxNamespaceType{specs.NetworkNamespace, specs.PIDNamespace, specs.IPCNamespace}}
	chownTree(t, b.root, mapBase)
	out, err := b.run(t, fmt.Sprintf("test -d /proc/%d && test -d /sys/class/net && ! touch /sys/x && echo fine", os.Getpid()))
	if err != nil || !strings.Contains(out, "fine") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestUnmappedIDs(t *testing.T) {
	for _, x := range []struct {
		name string
		add  func(a *Assembly) error
		want string
	}{
		{"tmpfs", func(a *Assembly) error { return a.Add(tmpfs("/data", "uid=70000"), "mounts[3]") }, "mounts[3].options: uid 70000"},
		{"devpts", func(a *Assembly) error {
			return a.Add(specs.Mount{Type: "devpts", Destination: "/dev/pts", Options: []string{"gid=65536"}}, "mounts[2]")
		}, "mounts[2].options: gid 65536"},
		{"no number", func(a *Assembly) error { return a.Add(tmpfs("/data", "uid=root"), "mounts[0]") }, `mounts[0].options: mount /data: "uid=root"`},
		{"device", func(a *Assembly) error {
			uid := uint32(99999)
			return a.Devices([]specs.LinuxDevice{{Path: "/x", Type: "p", UID: &uid}})
		}, "linux.devices[0]: uid 99999"},
		{"terminal", func(a *Assembly) error { _, err := a.Terminal(nsenter.Int(80000), nil); return err }, "process.user.uid: uid 80000"},
		{"old kernel", func(a *Assembly) error { return a.Overlay([]string{"/l"}, "/c/u", "/c/w", false, 5015) }, "5.19"},
		{"apart", func(a *Assembly) error { return a.Overlay([]string{"/l"}, "/c/u", "/d/w", false, 6018) }, "different folders"},
	} {
		p := &nsenter.Plan{}
		a := New(p)
		a.Users(maps(), maps(), p.NewSlot("user namespace"))
		if err := x.add(a); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, want %q", x.name, err, x.want)
		}
	}
}

func TestParseIDMap(t *testing.T) {
	got, err := parseIDMap(strings.NewReader("         0     100000      65536\n     65536          7          1\n"))
	if err != nil || len(got) != 2 || got[0] != (specs.LinuxIDMapping{ContainerID: 0, HostID: 100000, Size: 65536}) || got[1].HostID != 7 {
		t.Errorf("got %+v, %v", got, err)
	}
	u := users{on: true, uid: got, gid: got[:1]}
	for id, want := range map[uint32]uint32{0: 100000, 65535: 165535, 65536: 7} {
		if host, err := u.host(false, id, "x"); err != nil || host != want {
			t.Errorf("%d is %d, %v; want %d", id, host, err, want)
		}
	}
	if _, err := u.host(true, 65536, "x"); err == nil {
		t.Error("65536 is no group here, and no error")
	}
	for _, text := range []string{"1 2", "a b c", "1 2 3 4", "-1 2 3", "1 2 4294967296"} {
		if got, err := parseIDMap(strings.NewReader(text)); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

// TestLockedFlags: what the host forbids on its own mounts, a container with
// every capability in its user namespace cannot allow in its copies.
func TestLockedFlags(t *testing.T) {
	base := boxRoot(t)
	for _, x := range []struct {
		name, script string
		options      []string
	}{
		{"recursive", `! mount -o remount,bind,rw none /data && ! touch /data/x && ! mount -o remount,bind,ro,exec none /data && touch /data/sub/x`, []string{"rbind"}},
		{"single", `! mount -o remount,bind,rw none /data && ! touch /data/x && test -z "$(ls /data/empty)"`, []string{"bind"}},
		{"mapped", `! mount -o remount,bind,rw none /data && ! touch /data/x && test "$(stat -c %u /data/mark)" = 0`, []string{"rbind", "idmap"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.name == "mapped" {
				needKernel(t, kernelTmpfsMaps, "a tmpfs with mapped ids")
			}
			dir := openDirFor(t)
			moveCopy(t, base, dir+"/layer")
			chownTree(t, dir+"/layer", mapBase)
			mountTmpfs(t, openSource(t, dir))
			write(t, dir+"/source", "mark", "empty/x")
			if x.name != "single" {
				if err := os.Mkdir(dir+"/source/sub", 0o777); err != nil {
					t.Fatal(err)
				}
				mountTmpfs(t, dir+"/source/sub")
				if err := os.Chmod(dir+"/source/sub", 0o777); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Remove(dir + "/source/empty/x"); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("", dir+"/source", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOEXEC, ""); err != nil {
				t.Fatal(err)
			}
			b := &box{root: dir + "/layer", mapped: true, mounts: append(defaults(), bind(dir+"/source", "/data", x.options...))}
			if out, err := b.run(t, x.script); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// openSource makes a folder for a mount that is bound.
func openSource(t testing.TB, dir string) string {
	t.Helper()
	if err := os.Mkdir(dir+"/source", 0o777); err != nil {
		t.Fatal(err)
	}
	return dir + "/source"
}
