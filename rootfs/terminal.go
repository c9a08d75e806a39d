package rootfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Terminal is a container's controlling terminal.
type Terminal struct {
	// Master is the host's end, Slave the container's.
	Master, Slave nsenter.Slot
}

// Terminal opens a terminal of the container's own devpts, while that is still
// detached: nothing in the container can be in the way (CVE-2025-52565), and
// ttyname(3) works inside. Where /dev/pts came with a bind mount, it is that
// devpts's. owner is the uid of the container's end, as the container sees it;
// size, when it is known, is set before the payload can ask for it.
func (a *Assembly) Terminal(owner nsenter.Arg, size *specs.Box) (Terminal, error) {
	const from = "process.terminal"
	t := Terminal{Master: a.plan.NewSlot("terminal"), Slave: a.plan.NewSlot("tty")}
	if a.pts != nsenter.NoSlot {
		a.host(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Fd(a.pts), nsenter.Str("ptmx"), nsenter.Int(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC), nsenter.Int(0)).
			To(t.Master).On("/dev/pts/ptmx").For(from, "a new terminal; this end stays with the supervisor"))
	} else {
		count := len(a.trees)
		a.host(nsenter.Do("open /dev/pts/ptmx in the root", func(h *nsenter.Run) error {
			p, err := a.resolver(h, count, false).target("/dev/pts/ptmx", false)
			if err != nil {
				return fmt.Errorf("no devpts is mounted at /dev/pts: %w", err)
			}
			defer unix.Close(p.fd)
			master, err := openMultiplexer(p.fd)
			if err == nil {
				h.SetFd(t.Master, master)
			}
			return err
		}).To(t.Master).On("/dev/pts/ptmx").For(from, "a new terminal; this end stays with the supervisor"))
	}
	if err := a.unlock(t, owner, size); err != nil {
		return t, err
	}
	a.console(t)
	return t, nil
}

// console makes /dev/console the container's terminal.
func (a *Assembly) console(t Terminal) {
	const from = "process.terminal"
	console := a.plan.NewSlot("console")
	at := a.plan.NewSlot("mount point /dev/console")
	if a.dev != nsenter.NoSlot && !a.covered("/dev/console") {
		a.host(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Fd(a.dev), nsenter.Str("console"), nsenter.Int(unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_CLOEXEC), nsenter.Int(0o600)).
			Tolerate(unix.EEXIST).To(at).On("/dev/console").For(from, "a mount point for the terminal"))
	} else {
		count := len(a.trees)
		a.host(nsenter.Do("open /dev/console in the root, make it if it is missing", func(h *nsenter.Run) error {
			p, err := a.resolver(h, count, true).target("/dev/console", true)
			if err == nil {
				h.SetFd(at, p.fd)
				err = sameKind(p.fd, true)
			}
			return err
		}).To(at).On("/dev/console").For(from, "a mount point for the terminal"))
	}
	if a.pts != nsenter.NoSlot {
		a.child(nsenter.Call(nsenter.Child, unix.SYS_OPEN_TREE, nsenter.Fd(a.pts), nsenter.Str("0"), nsenter.Int(uint(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))).
			To(console).On("/dev/pts/0").For(from, "the terminal's file, as a mount"))
	} else {
		a.child(nsenter.Call(nsenter.Child, unix.SYS_OPEN_TREE, nsenter.Fd(t.Slave), noPath(), nsenter.Int(uint(unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))).
			To(console).On("the terminal").For(from, "the terminal's file, as a mount"))
	}
	a.child(moveMount(console, at, "/dev/console").For(from, "/dev/console is the container's terminal"))
}

// unlock makes a terminal's other end usable and opens it.
func (a *Assembly) unlock(t Terminal, owner nsenter.Arg, size *specs.Box) error {
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
	return a.own(t.Slave, owner)
}

// own gives a terminal to a user of the container.
func (a *Assembly) own(tty nsenter.Slot, owner nsenter.Arg) error {
	const from, why = "process.terminal", "the container's user may open its terminal by name"
	if owner.Kind() == nsenter.KindValue {
		// A number can be checked, and mapped, before anything runs.
		if err := a.users.want(false, uint32(owner.Value()), "process.user.uid"); err != nil {
			return err
		}
	}
	if !a.users.on {
		a.host(nsenter.Call(nsenter.Host, unix.SYS_FCHOWN, nsenter.Fd(tty), owner, nsenter.Int(-1)).On("/dev/pts/0").For(from, why))
		return nil
	}
	a.host(nsenter.Do("give the terminal to the container's user", func(h *nsenter.Run) error {
		id := owner.Value()
		if owner.Kind() == nsenter.KindSlot {
			id = uint64(h.Fd(owner.Slot()))
		}
		uid, err := a.users.host(false, uint32(id), "process.user.uid")
		if err != nil {
			return err
		}
		if err := unix.Fchown(h.Fd(tty), int(uid), -1); err != nil {
			return fmt.Errorf("fchown terminal: %w", err)
		}
		return nil
	}).On("/dev/pts/0").For(from, why))
	return nil
}

// JoinTerminal opens a new terminal of a running container's devpts, whose
// root is in a.Root. The container may have put anything there, so the file is
// opened without following a link, and must be what it should be.
func (a *Assembly) JoinTerminal(owner nsenter.Arg, size *specs.Box) (Terminal, error) {
	const from = "process.terminal"
	t := Terminal{Master: a.plan.NewSlot("terminal"), Slave: a.plan.NewSlot("tty")}
	a.host(nsenter.Do("open /dev/pts/ptmx of the container", func(h *nsenter.Run) error {
		fd, err := openPtmx(h.Fd(a.Root))
		if err == nil {
			h.SetFd(t.Master, fd)
		}
		return err
	}).On("/dev/pts/ptmx").For(from, "a new terminal; this end stays with the command"))
	return t, a.unlock(t, owner, size)
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
	return openMultiplexer(fd)
}

// openMultiplexer opens what is open O_PATH, once it is certain what it is.
func openMultiplexer(fd int) (int, error) {
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
