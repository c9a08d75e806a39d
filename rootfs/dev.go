package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// device is a device file that the container gets.
type device struct {
	path     string
	mode     uint32 // with the type
	rdev     uint64
	uid, gid uint32
	owned    bool // uid and gid are asked for
	from     string
}

// defaultDevices are those that every container has (runtime-spec,
// config-linux.md, "Default Devices"); numbers from the kernel's
// admin-guide/devices.txt.
func defaultDevices() []device {
	var list []device
	for _, n := range []struct {
		name         string
		major, minor uint32
	}{
		{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7},
		{"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
	} {
		list = append(list, device{path: "/dev/" + n.name, mode: unix.S_IFCHR | 0o666, rdev: unix.Mkdev(n.major, n.minor), from: "default"})
	}
	return list
}

// defaultLinks are the links of /dev that every container has.
func defaultLinks() [][2]string {
	return [][2]string{
		{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"}, {"ptmx", "pts/ptmx"},
	}
}

// Devices makes the default device files and links, and those of the spec:
// in the tmpfs at /dev, or where the root has the folder. When /dev is a bind
// mount, its files are whatever that has.
func (a *Assembly) Devices(extra []specs.LinuxDevice) error {
	list, err := allDevices(extra)
	if err != nil {
		return err
	}
	for _, d := range list {
		name, inDev := strings.CutPrefix(d.path, "/dev/")
		switch {
		case inDev && a.hostDev:
			continue
		case inDev && a.dev != nsenter.NoSlot && !a.covered(d.path):
			err = a.nodeInDev(name, d)
			a.null = a.null || d.isNull()
		default:
			err = a.nodeInRoot(d)
		}
		if err != nil {
			return err
		}
	}
	if !a.hostDev {
		a.links(list)
	}
	return nil
}

// isNull reports whether a device is what /dev/null should be.
func (d device) isNull() bool {
	return d.path == "/dev/null" && d.mode&unix.S_IFMT == unix.S_IFCHR && d.rdev == unix.Mkdev(1, 3)
}

// allDevices returns the default devices, where the spec has no other of their
// path, and then the spec's.
func allDevices(extra []specs.LinuxDevice) ([]device, error) {
	list, err := readDevices(extra)
	if err != nil {
		return nil, err
	}
	for _, d := range defaultDevices() {
		if !slices.ContainsFunc(list, func(x device) bool { return x.path == d.path }) {
			list = append(list, d)
		}
	}
	// The link of that name leads to the container's own terminals; a device
	// there, as of a host's whole /dev, would open the host's.
	list = slices.DeleteFunc(list, func(x device) bool { return x.path == "/dev/ptmx" })
	slices.SortStableFunc(list, func(x, y device) int { return rank(x) - rank(y) })
	return list, nil
}

// rank sorts the default devices before the others.
func rank(d device) int {
	i := slices.IndexFunc(defaultDevices(), func(x device) bool { return x.path == d.path })
	if i < 0 {
		return len(defaultDevices())
	}
	return i
}

// readDevices checks the spec's devices. The same one may be there twice.
func readDevices(extra []specs.LinuxDevice) ([]device, error) {
	var list []device
	for i, d := range extra {
		from := fmt.Sprintf("linux.devices[%d]", i)
		n, err := readDevice(d, from)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(list, func(x device) bool { return x.path == n.path })
		if at < 0 {
			list = append(list, n)
		} else if old := list[at]; old.mode&unix.S_IFMT != n.mode&unix.S_IFMT || old.rdev != n.rdev {
			return nil, fmt.Errorf("%s.path: %s is another device already, by %s", from, d.Path, old.from)
		}
	}
	return list, nil
}

// readDevice checks one device of the spec.
func readDevice(d specs.LinuxDevice, from string) (device, error) {
	kind, ok := map[string]uint32{"c": unix.S_IFCHR, "u": unix.S_IFCHR, "b": unix.S_IFBLK, "p": unix.S_IFIFO}[d.Type]
	n := device{path: path.Clean(d.Path), from: from, owned: d.UID != nil || d.GID != nil, uid: id(d.UID), gid: id(d.GID), mode: kind | 0o666}
	switch {
	case !ok:
		return n, fmt.Errorf("%s.type: type %q of %s is none of c, u, b and p", from, d.Type, d.Path)
	case !path.IsAbs(d.Path) || n.path == "/":
		return n, fmt.Errorf("%s.path: %q is not the absolute path of a file", from, d.Path)
	case strings.ContainsRune(d.Path, 0):
		return n, fmt.Errorf("%s.path: %q contains a NUL", from, d.Path)
	case kind != unix.S_IFIFO && (d.Major < 0 || d.Major >= 1<<12 || d.Minor < 0 || d.Minor >= 1<<20):
		return n, fmt.Errorf("%s: %d:%d is not a device number", from, d.Major, d.Minor)
	}
	if d.FileMode != nil {
		n.mode = kind | uint32(*d.FileMode&fs.ModePerm)
	}
	if kind != unix.S_IFIFO {
		n.rdev = unix.Mkdev(uint32(d.Major), uint32(d.Minor))
	}
	return n, nil
}

// id is the id to set; root when the spec names none.
func id(p *uint32) uint32 {
	if p == nil {
		return 0
	}
	return *p
}

// covered reports whether a mount was planned on or above a path, below /dev.
func (a *Assembly) covered(p string) bool {
	return slices.ContainsFunc(a.trees, func(t tree) bool {
		return strings.HasPrefix(t.dest, "/dev/") && covers(t.dest, p)
	})
}

// nodeInDev makes a device in the tmpfs at /dev. It is fresh, so there are no
// links in it to follow.
func (a *Assembly) nodeInDev(name string, d device) error {
	if err := a.parents(name, d.from); err != nil {
		return err
	}
	a.host(nsenter.Call(nsenter.Host, unix.SYS_MKNODAT, nsenter.Fd(a.dev), nsenter.Str(name), nsenter.Int(d.mode), nsenter.Int(d.rdev)).
		On(d.path).For(d.from, "the device's name; the device rules say who may open it"))
	if d.owned || a.users.on {
		return a.chown(a.dev, name, d.uid, d.gid, d.path, d.from, "the device's owner as the spec says")
	}
	return nil
}

// parents makes the folders above a device in a subfolder of /dev.
func (a *Assembly) parents(name, from string) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	if err := a.parents(dir, from); err != nil {
		return err
	}
	a.host(nsenter.Call(nsenter.Host, unix.SYS_MKDIRAT, nsenter.Fd(a.dev), nsenter.Str(dir), nsenter.Int(0o755)).
		Tolerate(unix.EEXIST).On("/dev/"+dir).For(from, "the device is in a folder"))
	if a.users.on {
		return a.chown(a.dev, dir, 0, 0, "/dev/"+dir, from, "it belongs to the container's root")
	}
	return nil
}

// nodeInRoot makes a device somewhere in the root. One that is there already
// must be the same (runtime-spec, config-linux.md, "Devices").
func (a *Assembly) nodeInRoot(d device) error {
	if _, inChild := a.childParent(d.path); inChild {
		return fmt.Errorf("%s.path: %s lies in a file system of the kernel's own", d.from, d.path)
	}
	for group, id := range map[bool]uint32{false: d.uid, true: d.gid} {
		if err := a.users.want(group, id, d.from); err != nil {
			return err
		}
	}
	count := len(a.trees)
	a.host(nsenter.Do("make the device "+d.path+" in the root", func(h *nsenter.Run) error {
		dir, err := a.resolver(h, count, true).target(path.Dir(d.path), false)
		if err != nil {
			return err
		}
		defer unix.Close(dir.fd)
		return a.node(dir.fd, d)
	}).On(d.path).For(d.from, "the device's name; the device rules say who may open it"))
	return nil
}

// node makes a device in an open folder.
func (a *Assembly) node(dir int, d device) error {
	name := path.Base(d.path)
	err := a.asRoot(func() error { return unix.Mknodat(dir, name, d.mode, int(d.rdev)) })
	if errors.Is(err, unix.EEXIST) {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("stat %s: %w", d.path, err)
		}
		if st.Mode&unix.S_IFMT != d.mode&unix.S_IFMT || d.mode&unix.S_IFMT != unix.S_IFIFO && st.Rdev != d.rdev {
			return fmt.Errorf("%s: %s exists and is something else", d.from, d.path)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("mknodat %s: %w", d.path, err)
	}
	if !d.owned && !a.users.on {
		return nil
	}
	uid, _ := a.users.host(false, d.uid, d.from) // want has seen to it
	gid, _ := a.users.host(true, d.gid, d.from)
	return chownAt(dir, name, uid, gid)
}

// links makes the default links of /dev, where the spec has no device.
func (a *Assembly) links(devices []device) {
	const from = "default"
	if a.dev != nsenter.NoSlot && !a.users.on {
		for _, l := range defaultLinks() {
			if slices.ContainsFunc(devices, func(d device) bool { return d.path == "/dev/"+l[0] }) {
				continue
			}
			a.host(nsenter.Call(nsenter.Host, unix.SYS_SYMLINKAT, nsenter.Str(l[1]), nsenter.Fd(a.dev), nsenter.Str(l[0])).
				On("/dev/"+l[0]).For(from, "programs expect the link"))
		}
		return
	}
	count := len(a.trees)
	a.host(nsenter.Do("make the default links in /dev of the root", func(h *nsenter.Run) error {
		r := a.resolver(h, count, true)
		dir, err := r.target("/dev", false)
		if err != nil {
			return err
		}
		defer unix.Close(dir.fd)
		if foreign, err := r.foreign(dir); err != nil || foreign {
			return err // a mount that came along with the root has its own files
		}
		for _, l := range defaultLinks() {
			if l[0] == "ptmx" {
				// An image's own is a device that opens the host's terminals.
				_ = unix.Unlinkat(dir.fd, l[0], 0)
			}
			err := a.asRoot(func() error { return unix.Symlinkat(l[1], dir.fd, l[0]) })
			if err != nil && !errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("symlinkat /dev/%s: %w", l[0], err)
			}
		}
		return nil
	}).On("/dev").For(from, "programs expect the links"))
}
