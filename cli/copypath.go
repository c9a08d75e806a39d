package cli

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"berth/archive"
	"berth/container"
)

// copying is one cp.
type copying struct {
	copyFlags
	s            *session
	ref          string // the container, as typed
	source, dest string
	files        *container.Files
	local        archive.Tree
	copied       int64
}

// copyPath is one end of a copy.
type copyPath struct {
	// path is where it is, links at its end followed where that was asked for.
	path   string
	exists bool
	info   archive.Info
	// name is what a source is called in the archive: "." for what is in it.
	name string
}

// errMissing is a path at which nothing is.
var errMissing = errors.New("no such file or directory")

// Docker's words for what cannot be copied.
var (
	errCopyDir   = errors.New("cannot copy directory")
	errDirAbsent = errors.New("no such directory")
	errNotDir    = errors.New("not a directory")
)

// maxCopyLinks is how many symbolic links a path may end in, as in the kernel.
const maxCopyLinks = 40

// localTree is the caller's own file system.
func localTree() (archive.Tree, error) {
	root, err := os.Open("/")
	return archive.Tree{Root: root}, err
}

// look finds out what a path stands for, following links at its end if asked.
// One that leads to nothing is returned as far as it goes, with errMissing.
func look(t archive.Tree, name string, follow bool) (copyPath, error) {
	p := copyPath{path: name, name: baseOf(name)}
	for range maxCopyLinks {
		info, err := t.Stat(p.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return p, errMissing
		case errors.Is(err, unix.ENOTDIR):
			return p, errNotDir
		case err != nil:
			return p, err
		}
		if !follow || !info.IsLink() {
			p.exists, p.info = true, info
			return p, nil
		}
		target := info.Target
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(path.Clean(p.path)), target)
		}
		p.path = path.Clean(target) + trailing(name)
	}
	return p, &fs.PathError{Op: "open", Path: name, Err: unix.ELOOP}
}

// inContainer looks at a path of the container.
func (c *copying) inContainer(name string, follow bool) (copyPath, error) {
	return look(c.files.Tree, path.Join("/", name)+trailing(name), follow)
}

// localSource looks at a path of the caller that is to be read.
func (c *copying) localSource(name string) (copyPath, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return copyPath{}, err
	}
	p, err := look(c.local, abs+trailing(name), c.follow)
	if errors.Is(err, errMissing) || errors.Is(err, errNotDir) {
		return p, clientFault(verbatim("lstat %s: %w", abs+trailing(name), err))
	}
	return p, err
}

// localDest looks at a path of the caller that is to be written. Links at its
// end are followed; the directory above it must exist.
func (c *copying) localDest(name string) (copyPath, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return copyPath{}, err
	}
	p, err := look(c.local, abs+trailing(name), true)
	if !errors.Is(err, errMissing) {
		return p, err
	}
	parent, err := c.local.Stat(path.Dir(path.Clean(p.path)) + "/.")
	if err != nil {
		return p, err
	}
	if !parent.IsDir() {
		return p, errNotDir
	}
	return p, nil
}

// place decides, by docker's table, which directory a source goes to and what it
// is called there.
func place(src, dest copyPath) (dir, name string, err error) {
	dir, base := path.Split(path.Clean(dest.path))
	switch {
	case dest.exists && dest.info.IsDir():
		return path.Clean(dest.path), src.name, nil
	case dest.exists && src.info.IsDir():
		return "", "", clientFault(errCopyDir)
	case dest.exists, src.info.IsDir():
		return path.Clean(dir), base, nil
	case archive.AssertsDir(dest.path):
		return "", "", clientFault(errDirAbsent)
	}
	return path.Clean(dir), base, nil
}

// baseOf is the last component of a path, "." where that means a content.
func baseOf(name string) string {
	if archive.AssertsContent(name) || path.Clean("/"+name) == "/" {
		return "."
	}
	return path.Base(name)
}

// trailing is what a cleaned path has lost at its end.
func trailing(name string) string {
	switch {
	case archive.AssertsContent(name):
		return "/."
	case strings.HasSuffix(name, "/") && path.Clean(name) != "/":
		return "/"
	}
	return ""
}

// end is one side of a copy: a path, and what that is called in the archive.
type end struct {
	tree archive.Tree
	path string
	name string
}

// keptOwners gives files the numbers that they have in the archive.
type keptOwners struct{}

func (keptOwners) Of(uid, gid int) (int, int, error) { return uid, gid, nil }
func (keptOwners) Keep() bool                        { return true }

// unless returns nobody, and so the caller, when that is asked for.
func (k keptOwners) unless(caller bool) archive.Owners {
	if caller {
		return nil
	}
	return k
}
