package rootfs

import (
	"fmt"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// placement is a mount that is to be attached.
type placement struct {
	dest string
	slot nsenter.Slot
	from string
	// child is set for a mount that only the child makes: its slot is empty
	// on the host.
	child bool
	// strict refuses a point that links of the image move elsewhere: programs
	// that write into /proc would then write into what the image has there
	// (CVE-2019-16884, CVE-2023-27561).
	strict bool
	// proc refuses everything but a proc (CVE-2019-19921).
	proc bool
	// like, when it is a slot, tells whether the mount is of a file.
	like nsenter.Slot
	// kernel is where the host has files of the same names: "/proc", "/sys".
	kernel string
	// inherit gives the mount the mode of the folder that it covers.
	inherit bool
	// copyUp fills the mount with what is in the folder that it covers.
	copyUp bool
}

// place opens the mount point and registers the mount; the child then attaches
// it there.
func (a *Assembly) place(m placement) error {
	m.dest = path.Clean(m.dest)
	t := tree{dest: m.dest, slot: m.slot, child: m.child, kernel: m.kernel}
	var at nsenter.Slot
	if parent, ok := a.childParent(m.dest); ok {
		if m.copyUp {
			return fmt.Errorf("%s: tmpcopyup at %s, below a mount that does not exist yet: %w", field(m.from, "options"), m.dest, unix.EINVAL)
		}
		at = a.beneath(parent, m.dest, unix.O_PATH|unix.O_CLOEXEC, m.from)
	} else {
		// The tree is registered after its point step exists: the step's
		// function sees only the trees before it, and corrects this one's place.
		at = a.point(m)
	}
	a.trees = append(a.trees, t)
	if m.copyUp {
		a.copyUp(at, m)
	}
	a.child(moveMount(m.slot, at, m.dest).For(m.from, "the mount appears in the container"))
	return nil
}

// point appends the step that opens, and if need be makes, a mount point on
// the host side.
func (a *Assembly) point(m placement) nsenter.Slot {
	out := a.plan.NewSlot("mount point " + m.dest)
	index := len(a.trees)
	a.host(nsenter.Do("open the mount point "+m.dest+" in the root, make it if it is missing", func(h *nsenter.Run) error {
		isFile := false
		if m.like != nsenter.NoSlot {
			if h.Fd(m.like) < 0 {
				h.SetValue(out, -1) // there is nothing to mount
				return nil
			}
			var err error
			if isFile, err = notFolder(h.Fd(m.like)); err != nil {
				return err
			}
			if m.proc {
				if err := isProc(h.Fd(m.like)); err != nil {
					return fmt.Errorf("%s: mount %s: %w", field(m.from, "source"), m.dest, err)
				}
			}
		}
		r := a.resolver(h, index, true)
		p, err := r.target(m.dest, isFile)
		if err != nil {
			return err
		}
		h.SetFd(out, p.fd)
		if err := sameKind(p.fd, isFile); err != nil {
			return err
		}
		if m.strict && p.path != m.dest {
			return fmt.Errorf("%s leads to %s in the image: it must be a folder, and no link may be on the way", m.dest, p.path)
		}
		// Later mounts resolve against the place this one really has.
		a.trees[index].dest = p.path
		if m.inherit && !r.made {
			return inheritMode(p.fd, h.Fd(m.slot))
		}
		return nil
	}).To(out).On(m.dest).For(m.from, "the child will attach to the descriptor and resolve no path in the image"))
	return out
}

// resolver returns one that sees the first count trees, and, when make is set,
// makes what is missing.
func (a *Assembly) resolver(h *nsenter.Run, count int, make bool) *resolver {
	r := &resolver{h: h, trees: a.trees[:count], make: make, asRoot: func(f func() error) error { return f() }}
	if a.users.on {
		r.asRoot = a.asRoot
	}
	return r
}

// isProc refuses a mount that is not a proc, seen from its root.
func isProc(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return fmt.Errorf("statfs: %w", err)
	}
	if fs.Type != unix.PROC_SUPER_MAGIC {
		return fmt.Errorf("only a proc can be mounted there: %w", unix.EINVAL)
	}
	return nil
}

// inheritMode gives a mount's root the mode of the folder below it.
func inheritMode(from, to int) error {
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return fmt.Errorf("stat mount point: %w", err)
	}
	// Both are O_PATH, which fchmod(2) does not take.
	if err := unix.Chmod("/proc/self/fd/"+strconv.Itoa(to), st.Mode&0o7777); err != nil {
		return fmt.Errorf("chmod mount: %w", err)
	}
	return nil
}

// sameKind refuses to mount a file on a folder and the other way round.
func sameKind(fd int, file bool) error {
	isFile, err := notFolder(fd)
	if err != nil || isFile == file {
		return err
	}
	if file {
		return fmt.Errorf("mount a file on a folder: %w", unix.EISDIR)
	}
	return fmt.Errorf("mount a folder on a file: %w", unix.ENOTDIR)
}

// notFolder reports whether a descriptor is something else than a folder.
func notFolder(fd int) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, fmt.Errorf("stat mount source: %w", err)
	}
	return st.Mode&unix.S_IFMT != unix.S_IFDIR, nil
}

// moveMount attaches a mount to a mount point.
func moveMount(slot, at nsenter.Slot, target string) nsenter.Step {
	return nsenter.Call(nsenter.Child, unix.SYS_MOVE_MOUNT, nsenter.Fd(slot), noPath(), nsenter.Fd(at), noPath(),
		nsenter.Int(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)).On(target)
}

// childParent returns the child-made mount that a destination lies in, going
// by the destination's text. One that gets there by a symbolic link is refused
// when its mount point is opened.
func (a *Assembly) childParent(dest string) (tree, bool) {
	var best tree
	for _, t := range a.trees {
		if covers(t.dest, dest) {
			best = t
		}
	}
	return best, best.child
}

// beneath opens a path in a child-made mount, from that mount's own root and
// through nothing else.
func (a *Assembly) beneath(t tree, dest string, flags uint64, from string) nsenter.Slot {
	out := a.plan.NewSlot(dest)
	a.child(openBeneath(t, dest, flags).To(out).For(from, "no symbolic link and no other mount may be on the way"))
	return out
}

// openBeneath returns the openat2 step of beneath.
func openBeneath(t tree, dest string, flags uint64) nsenter.Step {
	rel := dest[len(t.dest):]
	if t.dest == "/" {
		rel = dest
	}
	for len(rel) > 0 && rel[0] == '/' {
		rel = rel[1:]
	}
	if rel == "" {
		rel = "."
	}
	how := nsenter.OpenHow(flags, 0, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_XDEV)
	return nsenter.Call(nsenter.Child, unix.SYS_OPENAT2, nsenter.Fd(t.slot), nsenter.Str(rel), nsenter.Ptr(how), nsenter.Int(24)).On(dest)
}
