package rootfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// node is a device file.
type node struct {
	name         string
	major, minor uint32
}

// defaultNodes are the devices that every container has (runtime-spec,
// config-linux.md, "Default Devices"); numbers from the kernel's
// admin-guide/devices.txt.
func defaultNodes() []node {
	return []node{
		{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7},
		{"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
	}
}

// defaultLinks are the links of /dev that every container has.
func defaultLinks() [][2]string {
	return [][2]string{
		{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"}, {"ptmx", "pts/ptmx"},
	}
}

// Devices makes the default device files and links, and those of the spec, in
// the tmpfs at /dev. Without a tmpfs there (a bind mount of the host's /dev)
// the files are whatever that has.
func (a *Assembly) Devices(extra []specs.LinuxDevice) error {
	if a.dev == nsenter.NoSlot {
		if len(extra) > 0 {
			return fmt.Errorf("linux.devices: no tmpfs is mounted at /dev to make %s in", extra[0].Path)
		}
		return nil
	}
	const from = "default"
	for _, n := range defaultNodes() {
		a.mknod(n.name, unix.S_IFCHR|0o666, unix.Mkdev(n.major, n.minor), from)
	}
	for _, l := range defaultLinks() {
		a.host(nsenter.Call(nsenter.Host, unix.SYS_SYMLINKAT, nsenter.Str(l[1]), nsenter.Fd(a.dev), nsenter.Str(l[0])).
			On("/dev/"+l[0]).For(from, "programs expect the link"))
	}
	for _, d := range extra {
		if err := a.device(d); err != nil {
			return err
		}
	}
	return nil
}

// mknod makes a device file in /dev.
func (a *Assembly) mknod(name string, mode uint32, dev uint64, from string) {
	a.host(nsenter.Call(nsenter.Host, unix.SYS_MKNODAT, nsenter.Fd(a.dev), nsenter.Str(name), nsenter.Int(mode), nsenter.Int(dev)).
		On("/dev/"+name).For(from, "the device's name; the device rules say who may open it"))
}

// device makes one device of the spec.
func (a *Assembly) device(d specs.LinuxDevice) error {
	name, ok := strings.CutPrefix(path.Clean(d.Path), "/dev/")
	if !ok {
		return fmt.Errorf("linux.devices: path %q is not below /dev", d.Path)
	}
	kind, ok := map[string]uint32{"c": unix.S_IFCHR, "u": unix.S_IFCHR, "b": unix.S_IFBLK, "p": unix.S_IFIFO}[d.Type]
	if !ok {
		return fmt.Errorf("linux.devices: type %q of %s is none of c, u, b and p", d.Type, d.Path)
	}
	for _, n := range defaultNodes() {
		if n.name == name {
			return nil
		}
	}
	mode := fs.FileMode(0o666)
	if d.FileMode != nil {
		mode = *d.FileMode & fs.ModePerm
	}
	const from = "linux.devices"
	a.parents(name, from)
	a.mknod(name, kind|uint32(mode), unix.Mkdev(uint32(d.Major), uint32(d.Minor)), from)
	if d.UID != nil || d.GID != nil {
		a.host(nsenter.Call(nsenter.Host, unix.SYS_FCHOWNAT, nsenter.Fd(a.dev), nsenter.Str(name),
			nsenter.Int(id(d.UID)), nsenter.Int(id(d.GID)), nsenter.Int(unix.AT_SYMLINK_NOFOLLOW)).
			On(d.Path).For(from, "the device's owner as the spec says"))
	}
	return nil
}

// id is the id to set; root when the spec names none.
func id(p *uint32) uint32 {
	if p == nil {
		return 0
	}
	return *p
}

// parents makes the folders above a device in a subfolder of /dev. The tmpfs
// is fresh, so there are no links in it to follow.
func (a *Assembly) parents(name, from string) {
	dir := path.Dir(name)
	if dir == "." {
		return
	}
	a.parents(dir, from)
	a.host(nsenter.Call(nsenter.Host, unix.SYS_MKDIRAT, nsenter.Fd(a.dev), nsenter.Str(dir), nsenter.Int(0o755)).
		Tolerate(unix.EEXIST).On("/dev/"+dir).For(from, "the device is in a folder"))
}

// Terminal is a container's controlling terminal.
type Terminal struct {
	// Master is the host's end, Slave the container's.
	Master, Slave nsenter.Slot
}

// Terminal opens a terminal of the container's own devpts, while that is still
// detached: nothing in the container can be in the way (CVE-2025-52565), and
// ttyname(3) works inside. owner is the uid of the container's end; size, when
// it is known, is set before the payload can ask for it.
func (a *Assembly) Terminal(owner nsenter.Arg, size *specs.Box) (Terminal, error) {
	const from = "process.terminal"
	if a.pts == nsenter.NoSlot || a.dev == nsenter.NoSlot {
		return Terminal{}, fmt.Errorf("%s: a terminal needs a tmpfs at /dev and a devpts at /dev/pts", from)
	}
	t := Terminal{Master: a.plan.NewSlot("terminal"), Slave: a.plan.NewSlot("tty")}
	a.host(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Fd(a.pts), nsenter.Str("ptmx"), nsenter.Int(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC), nsenter.Int(0)).
		To(t.Master).On("/dev/pts/ptmx").For(from, "a new terminal; this end stays with the supervisor"))
	a.unlock(t, owner, size)
	console := a.plan.NewSlot("console")
	at := a.plan.NewSlot("mount point /dev/console")
	a.host(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Fd(a.dev), nsenter.Str("console"), nsenter.Int(unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC), nsenter.Int(0o600)).
		To(at).On("/dev/console").For(from, "a mount point for the terminal"))
	a.child(nsenter.Call(nsenter.Child, unix.SYS_OPEN_TREE, nsenter.Fd(a.pts), nsenter.Str("0"), nsenter.Int(uint(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))).
		To(console).On("/dev/pts/0").For(from, "the terminal's file, as a mount"))
	a.child(moveMount(console, at, "/dev/console").For(from, "/dev/console is the container's terminal"))
	return t, nil
}

// unlock makes a terminal's other end usable and opens it.
func (a *Assembly) unlock(t Terminal, owner nsenter.Arg, size *specs.Box) {
	const from = "process.terminal"
	a.host(nsenter.Call(nsenter.Host, unix.SYS_IOCTL, nsenter.Fd(t.Master), nsenter.Int(unix.TIOCSPTLCK), nsenter.Bytes(make([]byte, 4), "[0]")).
		On("/dev/pts/ptmx").For(from, "unlock the other end"))
	a.host(nsenter.Call(nsenter.Host, unix.SYS_IOCTL, nsenter.Fd(t.Master), nsenter.Int(unix.TIOCGPTPEER), nsenter.Int(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)).
		To(t.Slave).On("/dev/pts/0").For(from, "the container's end"))
	if size != nil && size.Height > 0 && size.Width > 0 {
		ws := binary.NativeEndian.AppendUint16(nil, uint16(size.Height))
		ws = append(binary.NativeEndian.AppendUint16(ws, uint16(size.Width)), 0, 0, 0, 0)
		a.host(nsenter.Call(nsenter.Host, unix.SYS_IOCTL, nsenter.Fd(t.Master), nsenter.Int(unix.TIOCSWINSZ), nsenter.Bytes(ws, fmt.Sprintf("{rows=%d, cols=%d}", size.Height, size.Width))).
			On("/dev/pts/0").For("process.consoleSize", "the payload's first look finds the right size"))
	}
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FCHOWN, nsenter.Fd(t.Slave), owner, nsenter.Int(-1)).
		On("/dev/pts/0").For(from, "the container's user may open its terminal by name"))
}

// JoinTerminal opens a new terminal of a running container's devpts, whose
// root is in a.Root. The container may have put anything there, so the file is
// opened without following a link, and must be what it should be.
func (a *Assembly) JoinTerminal(owner nsenter.Arg, size *specs.Box) Terminal {
	const from = "process.terminal"
	t := Terminal{Master: a.plan.NewSlot("terminal"), Slave: a.plan.NewSlot("tty")}
	a.host(nsenter.Do("open /dev/pts/ptmx of the container", func(h *nsenter.Run) error {
		fd, err := openPtmx(h.Fd(a.Root))
		if err == nil {
			h.SetFd(t.Master, fd)
		}
		return err
	}).On("/dev/pts/ptmx").For(from, "a new terminal; this end stays with the command"))
	a.unlock(t, owner, size)
	return t
}

// openPtmx opens a root's terminal multiplexer. It makes sure that it is one
// before it opens it in earnest: opening a device can have effects.
func openPtmx(root int) (int, error) {
	fd, err := unix.Openat2(root, "dev/pts/ptmx", &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, fmt.Errorf("open /dev/pts/ptmx: %w", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	var fs unix.Statfs_t
	if err := errors.Join(unix.Fstat(fd, &st), unix.Fstatfs(fd, &fs)); err != nil {
		return -1, fmt.Errorf("look at /dev/pts/ptmx: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(5, 2) || fs.Type != unix.DEVPTS_SUPER_MAGIC {
		return -1, fmt.Errorf("/dev/pts/ptmx of the container is not a terminal multiplexer")
	}
	master, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/pts/ptmx: %w", err)
	}
	return master, nil
}
