package rootfs

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// tree is a planned mount: where it will be, and the slot of its detached
// root. The child's own mounts have no descriptor on the host side.
type tree struct {
	dest  string // as resolved: no symbolic links
	slot  nsenter.Slot
	child bool
	// kernel is the host's mount of the same kind of file system, or "".
	kernel string
}

// maxLinks is how many symbolic links one path may lead through, as in the
// kernel (path_resolution(7)).
const maxLinks = 40

// resolver finds mount points in a root whose mounts are planned but not
// attached yet: the kernel cannot walk from one detached mount into the next,
// so the resolver does. A path is walked by component; where a planned mount
// will cover a folder, the walk goes on in that mount's tree.
type resolver struct {
	h     *nsenter.Run
	trees []tree
	// make says whether missing components are made, made that one was.
	make, made bool
	// asRoot makes a component as the container's root.
	asRoot func(func() error) error
}

// place is a point of a walk.
type place struct {
	fd   int
	path string // absolute in the container, without links
}

// errChildTree is a path that leads into a mount that only the child makes.
var errChildTree = errors.New("the path leads into a mount that does not exist yet")

// target opens dest, O_PATH, and makes it when it is missing and may be made: a
// folder, or an empty file when file is set. It returns where that is.
func (r *resolver) target(dest string, file bool) (place, error) {
	if p, err := r.direct(dest); err == nil {
		return p, nil
	}
	return r.walk(dest, file)
}

// direct opens dest at once when it exists and no symbolic link is on the way:
// then its text is its place, and the last planned mount above it owns it.
func (r *resolver) direct(dest string) (place, error) {
	t := r.above(dest)
	if t.child {
		return place{}, errChildTree
	}
	rel := strings.TrimPrefix(strings.TrimPrefix(dest, t.dest), "/")
	if rel == "" {
		rel = "."
	}
	fd, err := unix.Openat2(r.h.Fd(t.slot), rel, &unix.OpenHow{
		// Not O_NOFOLLOW: with it a link at the end would be opened itself.
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return place{}, err
	}
	return place{fd, dest}, nil
}

// above returns the last planned mount that covers a resolved path.
func (r *resolver) above(dest string) tree {
	best := r.trees[0]
	for _, t := range r.trees[1:] {
		if covers(t.dest, dest) {
			best = t
		}
	}
	return best
}

// foreign reports whether a place lies in a mount that was not planned but came
// with a recursive copy of another one.
func (r *resolver) foreign(p place) (bool, error) {
	var ids [2]uint64
	for i, fd := range []int{p.fd, r.h.Fd(r.above(p.path).slot)} {
		var st unix.Statx_t
		if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
			return false, fmt.Errorf("statx %s: %w", p.path, err)
		}
		ids[i] = st.Mnt_id
	}
	return ids[0] != ids[1], nil
}

// covers reports whether a mount at dir has the resolved path p in it.
func covers(dir, p string) bool {
	return dir == "/" || p == dir || strings.HasPrefix(p, dir+"/")
}

// root opens the container's root anew.
func (r *resolver) root() (place, error) {
	return r.enter(place{path: "/", fd: -1})
}

// enter replaces a place by the root of the last planned mount upon it.
func (r *resolver) enter(p place) (place, error) {
	for i := len(r.trees) - 1; i >= 0; i-- {
		t := r.trees[i]
		if t.dest != p.path {
			continue
		}
		if p.fd >= 0 {
			unix.Close(p.fd)
		}
		if t.child {
			return place{fd: -1}, fmt.Errorf("%s: %w", p.path, errChildTree)
		}
		fd, err := unix.Openat(r.h.Fd(t.slot), ".", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			// The mount of a single file is not a folder to look into.
			fd, err = unix.FcntlInt(uintptr(r.h.Fd(t.slot)), unix.F_DUPFD_CLOEXEC, 0)
		}
		return place{fd, p.path}, err
	}
	return p, nil
}

// walk resolves dest by component.
func (r *resolver) walk(dest string, file bool) (place, error) {
	todo := strings.Split(strings.Trim(path.Clean(dest), "/"), "/")
	at, err := r.root()
	if err != nil {
		return at, err
	}
	links := 0
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if name == "" || name == "." {
			continue
		}
		var link string
		at, link, err = r.step(at, name, file && len(todo) == 0)
		if err != nil {
			return at, fmt.Errorf("%s: %w", dest, err)
		}
		if link == "" {
			continue
		}
		if links++; links > maxLinks {
			unix.Close(at.fd)
			return at, fmt.Errorf("%s: %w", dest, unix.ELOOP)
		}
		if path.IsAbs(link) {
			unix.Close(at.fd)
			if at, err = r.root(); err != nil {
				return at, err
			}
		}
		todo = append(strings.Split(strings.Trim(link, "/"), "/"), todo...)
	}
	return at, nil
}

// step goes down one component. For a symbolic link it stays where it is and
// returns the link's text. at.fd is closed on an error.
func (r *resolver) step(at place, name string, file bool) (place, string, error) {
	if name == ".." {
		unix.Close(at.fd)
		up, err := r.reopen(path.Dir(at.path))
		return up, "", err
	}
	fd, err := openName(at.fd, name)
	if errors.Is(err, unix.ENOENT) && r.make {
		r.made = true
		err = r.asRoot(func() error { return makeName(at.fd, name, file) })
		if err == nil || errors.Is(err, unix.EEXIST) {
			fd, err = openName(at.fd, name)
		}
	}
	if err != nil {
		unix.Close(at.fd)
		return at, "", err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		unix.Close(at.fd)
		return at, "", err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		defer unix.Close(fd)
		link, err := readLink(fd)
		if err != nil {
			unix.Close(at.fd)
		}
		return at, link, err
	}
	unix.Close(at.fd)
	next, err := r.enter(place{fd, path.Join(at.path, name)})
	return next, "", err
}

// reopen goes to a resolved path from the root: ".." is never asked of the
// kernel, which would look for the parent in a detached mount.
func (r *resolver) reopen(p string) (place, error) {
	at, err := r.root()
	for _, name := range strings.Split(strings.Trim(p, "/"), "/") {
		if err != nil || name == "" {
			break
		}
		at, _, err = r.step(at, name, false)
	}
	return at, err
}

// openName opens one component, not following it.
func openName(dir int, name string) (int, error) {
	return unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// makeName makes a missing component: a folder, or an empty file.
func makeName(dir int, name string, file bool) error {
	if !file {
		return unix.Mkdirat(dir, name, 0o755)
	}
	// Not for writing: a child that is being started has a copy of every
	// descriptor until it executes, and the mount may become read-only meanwhile.
	fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// readLink returns the text of a symbolic link that is open O_PATH.
func readLink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "", unix.ENOENT
	}
	return string(buf[:n]), nil
}
