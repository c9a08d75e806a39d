package rootfs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// TestRefusedMounts: a mount that cannot be is refused while nothing has been
// made, by the name of its field.
func TestRefusedMounts(t *testing.T) {
	one := []specs.LinuxIDMapping{{HostID: 1000, Size: 10}}
	for _, x := range []struct {
		name string
		m    specs.Mount
		want string
	}{
		{"no destination", specs.Mount{Type: "tmpfs"}, "mounts[5].destination: empty"},
		{"root", tmpfs("/"), "mounts[5].destination: mount /: a mount cannot cover"},
		{"root by dots", tmpfs("/x/../.."), "mounts[5].destination"},
		{"no type", specs.Mount{Destination: "/x"}, "mounts[5].type"},
		{"none", specs.Mount{Destination: "/x", Type: "none"}, "mounts[5].type"},
		{"NUL in the destination", tmpfs("/x\x00y"), "mounts[5]: mount"},
		{"NUL in the source", bind("/x\x00", "/y"), "mounts[5]: mount"},
		{"NUL in an option", tmpfs("/x", "size=1\x00"), "mounts[5].options"},
		{"relative source", bind("x", "/y"), "mounts[5].source"},
		{"no source", bind("", "/y", "rbind"), "mounts[5].source: mount /y: empty"},
		{"tmpfs as proc", tmpfs("/proc/../proc/"), "mounts[5].type: mount /proc: only a proc"},
		{"copy-up of a bind", bind("/x", "/y", "tmpcopyup"), "mounts[5].options"},
		{"copy-up of a proc", specs.Mount{Type: "proc", Destination: "/p", Options: []string{"tmpcopyup"}}, "mounts[5].options"},
		{"copy-up in proc", tmpfs("/proc/x", "tmpcopyup"), "mounts[5].options"},
		{"remount of nothing", tmpfs("/y", "remount"), "mounts[5].options: mount /y: remount of what"},
		{"remount with data", tmpfs("/proc", "remount", "size=4"), "mounts[5].options"},
		{"idmap without mappings", bind("/x", "/y", "idmap"), "mounts[5].options: mount /y: idmap needs mappings or a user namespace"},
		{"ridmap without mappings", bind("/x", "/y", "rbind", "ridmap"), "mounts[5].options: mount /y: idmap needs mappings or a user namespace"},
		{"idmap of a tmpfs", tmpfs("/y", "idmap"), "mounts[5].options: mount /y: only bind mounts"},
		{"uid mappings alone", specs.Mount{Type: "bind", Source: "/x", Destination: "/y", UIDMappings: one}, "mounts[5].gidMappings: mount /y: missing"},
		{"gid mappings alone", specs.Mount{Type: "bind", Source: "/x", Destination: "/y", GIDMappings: one}, "mounts[5].uidMappings: mount /y: missing"},
		{"empty mapping", specs.Mount{Type: "bind", Source: "/x", Destination: "/y", UIDMappings: []specs.LinuxIDMapping{{}}, GIDMappings: one}, "mounts[5].uidMappings: mount /y: mapping 0 has the size 0"},
		{"too high", specs.Mount{Type: "bind", Source: "/x", Destination: "/y", GIDMappings: []specs.LinuxIDMapping{{HostID: 1<<32 - 1, Size: 2}}, UIDMappings: one}, "mounts[5].gidMappings"},
		{"overlap", specs.Mount{Type: "bind", Source: "/x", Destination: "/y", GIDMappings: one, UIDMappings: append(one, specs.LinuxIDMapping{ContainerID: 5, HostID: 5000, Size: 1})}, "mounts[5].uidMappings: mount /y: mappings 0 and 1 overlap"},
	} {
		p := &nsenter.Plan{}
		a := New(p)
		if err := a.Add(defaults()[0], "mounts[0]"); err != nil {
			t.Fatal(err)
		}
		if err := a.Add(x.m, "mounts[5]"); err == nil || !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("%s: got %v, want %q", x.name, err, x.want)
		}
		if err := a.Add(x.m, "--mount"); err == nil || !strings.HasPrefix(err.Error(), "--mount: ") {
			t.Errorf("%s by a flag: %v", x.name, err)
		}
	}
}

// TestMountOptions: what each option is for holds in the container.
func TestMountOptions(t *testing.T) {
	root, source := boxRoot(t), t.TempDir()
	write(t, source, "mark", "sub/mark")
	write(t, root, "there/mark", "run/mark")
	for dir, mode := range map[string]os.FileMode{"/there": 0o751, "/run": 0o700} {
		if err := os.Chmod(root+dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	mountTmpfs(t, source+"/sub")
	none := bind(source, "/bound", "rbind", "ro")
	none.Type = "none"
	empty := bind(source, "/bound", "bind")
	empty.Type = ""
	for _, x := range []struct {
		name, script string
		mounts       []specs.Mount
	}{
		{"type none", "cat /bound/mark && ! touch /bound/x && touch /bound/sub/x", []specs.Mount{none}},
		{"no type", "cat /bound/mark && test -e /bound/sub/mark", []specs.Mount{empty}},
		{"relative destination", "cat /bound/mark", []specs.Mount{bind(source, "bound")}},
		{"rro", "! touch /bound/x && ! touch /bound/sub/x && cat /bound/sub/in", []specs.Mount{bind(source, "/bound", "rbind", "rro")}},
		{"ro and rrw", "touch /bound/x && touch /bound/sub/x", []specs.Mount{bind(source, "/bound", "rbind", "ro", "rrw")}},
		{"rro of a tmpfs", "! touch /bound/x", []specs.Mount{tmpfs("/bound", "rro")}},
		{"rnoexec", `grep " /bound .*noexec" /proc/self/mountinfo && grep " /bound/sub .*noexec" /proc/self/mountinfo`, []specs.Mount{bind(source, "/bound", "rbind", "rnoexec")}},
		{"bind remount", "! touch /bound/x && cat /bound/mark", []specs.Mount{bind(source, "/bound", "bind", "remount", "ro")}},
		{"bind with options of a tmpfs", "cat /bound/mark", []specs.Mount{bind(source, "/bound", "bind", "size=1k", "mode=700", "sync")}},
		{"remount", "! touch /bound/x && mkdir /bound/below/x", []specs.Mount{tmpfs("/bound"), tmpfs("/bound/below"), tmpfs("/bound", "remount", "ro")}},
		{"remount proc", `grep " /proc .*noexec" /proc/self/mountinfo && ! grep " /proc .*nosuid" /proc/self/mountinfo`, []specs.Mount{{Type: "proc", Destination: "/proc", Options: []string{"remount", "noexec"}}}},
		{"remount root", "! touch /x && touch /bound/x", []specs.Mount{tmpfs("/bound"), {Destination: "/", Type: "none", Options: []string{"remount", "ro"}}}},
		{"mode of the folder", `test "$(stat -c %a /there)" = 751 && ! test -e /there/mark`, []specs.Mount{tmpfs("/there")}},
		{"mode of a link's folder", `test "$(stat -c %a /run)" = 700`, []specs.Mount{tmpfs("/var/run")}},
		{"mode of a new folder", `test "$(stat -c %a /bound)" = 1777`, []specs.Mount{tmpfs("/bound")}},
		{"mode as asked", `test "$(stat -c %a /there)" = 1770`, []specs.Mount{tmpfs("/there", "mode=1770")}},
		{"hidepid", `grep " /proc .*hidepid=" /proc/self/mountinfo`, []specs.Mount{{Type: "proc", Destination: "/proc", Options: []string{"hidepid=2"}}}},
		{"subset", `! test -e /proc/sys && ls /proc/self/`, []specs.Mount{{Type: "proc", Destination: "/proc", Options: []string{"subset=pid"}}}},
		{"shared tmpfs", `grep " /bound .*shared:" /proc/self/mountinfo`, []specs.Mount{tmpfs("/bound", "rshared")}},
		{"shared proc", `grep " /p2 .*shared:" /proc/self/mountinfo`, []specs.Mount{{Type: "proc", Destination: "/p2", Options: []string{"shared"}}}},
		{"unbindable", `grep " /bound .*unbindable" /proc/self/mountinfo && ! grep " /bound/sub .*unbindable" /proc/self/mountinfo`, []specs.Mount{bind(source, "/bound", "rbind", "unbindable")}},
		{"runbindable", `grep " /bound/sub .*unbindable" /proc/self/mountinfo`, []specs.Mount{bind(source, "/bound", "rbind", "runbindable")}},
		{"flags of all kinds", "touch /bound/x", []specs.Mount{tmpfs("/bound", "sync", "dirsync", "lazytime", "silent", "loud", "iversion", "noiversion", "mand", "async", "norelatime", "strictatime", "size=1m")}},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := &box{root: copyRoot(t, root), mounts: append(defaults(), x.mounts...)}
			for dir, mode := range map[string]os.FileMode{"/there": 0o751, "/run": 0o700} {
				if err := os.Chmod(b.root+dir, mode); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := b.run(t, x.script); err != nil {
				t.Errorf("%s: %v\n%s", x.script, err, out)
			}
		})
	}
}

// mountTmpfs mounts a tmpfs with a file for the time of a test.
func mountTmpfs(t testing.TB, dir string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=32m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	write(t, dir, "in")
}

// TestIDMappedMounts: files show under the ids that the mappings say, and what
// is written keeps those of the source.
func TestIDMappedMounts(t *testing.T) {
	base := boxRoot(t)
	mapping := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 10}}
	for _, x := range []struct {
		name   string
		mapped bool
		m      specs.Mount
		script string
		wrote  uint32 // the owner of the new file at the source, if there is one
	}{
		{"own mappings", false, specs.Mount{Options: []string{"rbind"}, UIDMappings: mapping, GIDMappings: mapping}, "test $(stat -c %u:%g /data/mark) = 1003:1003 && test $(stat -c %u /data/sub/in) = 0", 0},
		{"recursive", false, specs.Mount{Options: []string{"rbind", "ridmap"}, UIDMappings: mapping, GIDMappings: mapping}, "test $(stat -c %u:%g /data/mark) = 1003:1003 && test $(stat -c %u /data/sub/in) = 1000", 0},
		{"of the container", true, specs.Mount{Options: []string{"bind", "idmap"}}, "test $(stat -c %u:%g /data/mark) = 3:3 && touch /data/new", 0},
		{"into the container", true, specs.Mount{Options: []string{"bind", "idmap"}, UIDMappings: []specs.LinuxIDMapping{{HostID: mapBase + 50, Size: 10}}, GIDMappings: []specs.LinuxIDMapping{{HostID: mapBase + 60, Size: 10}}}, "test $(stat -c %u:%g /data/mark) = 53:63", 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.name == "recursive" {
				needKernel(t, kernelTmpfsMaps, "a tmpfs with mapped ids")
			}
			dir := openDirFor(t)
			b := &box{root: dir + "/layer", mapped: x.mapped}
			moveCopy(t, base, b.root)
			if x.mapped {
				chownTree(t, b.root, mapBase)
			}
			write(t, dir, "source/mark", "source/sub/x")
			if err := os.Chown(dir+"/source/mark", 3, 3); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir+"/source", 0o777); err != nil {
				t.Fatal(err)
			}
			mountTmpfs(t, dir+"/source/sub")
			m := x.m
			m.Type, m.Source, m.Destination = "bind", dir+"/source", "/data"
			b.mounts = append(defaults(), m)
			out, err := b.run(t, x.script)
			if err != nil {
				t.Fatalf("%s: %v\n%s", x.script, err, out)
			}
			var st unix.Stat_t
			if strings.Contains(x.script, "touch") {
				if err := unix.Stat(dir+"/source/new", &st); err != nil || st.Uid != x.wrote {
					t.Errorf("%v: the new file belongs to %d at the source, want %d", err, st.Uid, x.wrote)
				}
			}
		})
	}
}

// TestMappingNamespace: no process is left, and the same mappings are one
// namespace.
func TestMappingNamespace(t *testing.T) {
	needRoot(t)
	fd, err := mappingNamespace(maps(), maps())
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWUSER {
		t.Errorf("type %x, %v", kind, err)
	}
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err == nil {
		t.Error("the process is still a child")
	}
	p := &nsenter.Plan{}
	a := New(p)
	for i := range 3 {
		m := bind("/tmp", "/x")
		m.UIDMappings, m.GIDMappings = maps(), maps()
		if err := a.Add(m, fmt.Sprintf("mounts[%d]", i)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, s := range p.Steps {
		if strings.HasPrefix(s.Text, "make a user namespace") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d namespaces for one mapping", n)
	}
}

// TestProcOfTheHost: /proc may be the host's, and nothing but a proc.
func TestProcOfTheHost(t *testing.T) {
	root := boxRoot(t)
	rest := defaults()[1:]
	self := fmt.Sprintf("test -d /proc/%d", os.Getpid())
	b := &box{root: root, mounts: defaults(), shared: []specs.LinuxNamespaceType{specs.PIDNamespace}}
	if out, err := b.run(t, self); err != nil {
		t.Errorf("own proc of the host's PID namespace: %v\n%s", err, out)
	}
	b = &box{root: root, mounts: append([]specs.Mount{bind("/proc", "/proc", "rbind", "ro")}, rest...), masked: []string{"/proc/irq"}}
	if out, err := b.run(t, self+` && test -z "$(ls /proc/irq)"`); err != nil {
		t.Errorf("bound: %v\n%s", err, out)
	}
	b = &box{root: root, mounts: append([]specs.Mount{bind("/sys", "/proc")}, rest...)}
	if out, err := b.run(t, "true"); err == nil || !strings.Contains(err.Error(), "mounts[0].source: mount /proc: only a proc") {
		t.Errorf("sysfs at /proc: %v\n%s", err, out)
	}
}

// FuzzAdd: whatever a bundle has as a mount, it is planned or refused by name.
func FuzzAdd(f *testing.F) {
	for _, s := range [][4]string{
		{"/proc", "proc", "proc", "nosuid,hidepid=2"}, {"/dev", "tmpfs", "tmpfs", "mode=755,uid=5,gid=0"},
		{"/dev/pts", "devpts", "devpts", "newinstance,gid=5"}, {"data", "bind", "/srv", "rbind,rro,rslave,idmap"},
		{"/sys/fs/cgroup", "cgroup", "cgroup", "ro"}, {"/x", "tmpfs", "", "tmpcopyup,rnosuid"}, {"/proc", "", "", "remount,ro"},
		{"/a/../..", "none", "relative", "bind"}, {"", "\x00", ",,", "uid=-1"}, {"/proc/x", "overlay", "o", "lowerdir=/a:/b"},
	} {
		f.Add(s[0], s[1], s[2], s[3], uint32(0), uint32(1), true)
	}
	f.Fuzz(func(t *testing.T, dest, kind, source, list string, id, size uint32, mapped bool) {
		p := &nsenter.Plan{}
		a := New(p)
		if mapped {
			a.Users(maps(), maps(), p.NewSlot("user namespace"))
			a.Shares(specs.PIDNamespace)
		}
		m := specs.Mount{Destination: dest, Type: kind, Source: source, Options: strings.Split(list, ",")}
		if id%2 == 1 {
			m.UIDMappings = []specs.LinuxIDMapping{{ContainerID: id, HostID: id, Size: size}}
			m.GIDMappings = m.UIDMappings
		}
		for i, m := range []specs.Mount{defaults()[0], m, m} {
			err := a.Add(m, fmt.Sprintf("mounts[%d]", i))
			if err != nil && !strings.HasPrefix(err.Error(), "mounts[") {
				t.Errorf("%+v: %v names no field", m, err)
			}
			if err == nil && (strings.ContainsRune(dest+source+kind+list, 0) && i > 0) {
				t.Errorf("%+v: a NUL is not refused", m)
			}
		}
		if err := a.Devices([]specs.LinuxDevice{{Path: dest, Type: kind, Major: int64(id), Minor: int64(size)}}); err != nil && !strings.HasPrefix(err.Error(), "linux.devices[0]") {
			t.Errorf("%q: %v", dest, err)
		}
		a.Seal()
		if err := a.Attach("/hold", ""); err != nil {
			t.Error(err)
		}
	})
}
