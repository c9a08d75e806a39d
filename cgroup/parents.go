package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// parentMark is the mode bit of groups that were made for the sake of a group
// below them and go with the last one of those ([Group.MarkParents]). The
// kernel keeps the sticky bit of a group's directory and gives it no meaning.
const parentMark = unix.S_ISVTX

// mkdirParent adds a step that makes a parent of the container's group.
func (c *compiler) mkdirParent(dir, from string) {
	mode := uint32(0o755)
	if c.group.MarkParents {
		mode |= parentMark
	}
	c.mkdirMode(dir, mode, true, from, "make the parent of containers' groups")
}

// marked tells whether a group is one that goes with those below it.
func marked(dir string) bool {
	info, err := os.Lstat(dir)
	return err == nil && info.Mode()&os.ModeSticky != 0
}

// MarkedParents tells whether [Manager.RemoveParents] may find something to do.
func (m *Manager) MarkedParents() bool {
	for _, g := range m.groups {
		if marked(path.Dir(g.dir)) {
			return true
		}
	}
	return false
}

// RemoveParents removes the marked parents of groups that were removed, as far
// as nothing else is below them. Whoever makes a group below a marked parent
// must be kept out meanwhile: its parent could vanish between two steps.
func (m *Manager) RemoveParents() error {
	for _, g := range m.groups {
		for dir := path.Dir(g.dir); dir != g.on.Mount && marked(dir); dir = path.Dir(dir) {
			err := unix.Rmdir(dir)
			// In use, by a group below or by processes that somebody moved there.
			if err == unix.EBUSY || err == unix.ENOTEMPTY {
				break
			}
			if err != nil && !isGone(err) {
				return fmt.Errorf("rmdir %s: %w", dir, err)
			}
		}
	}
	return nil
}

// mkdirLike makes the parent of a group in another hierarchy, marked as the one
// that it has in this hierarchy.
func mkdirLike(dir, like string) error {
	mode := uint32(0o755)
	if marked(like) {
		mode |= parentMark
	}
	if err := unix.Mkdir(dir, mode); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("mkdir %s: %w", dir, err)
	}
	return nil
}
