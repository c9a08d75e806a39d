package archive

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Names by which layers delete (image-spec, layer.md, "Whiteouts").
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
	// whiteoutMeta starts names that aufs kept for itself; they mean nothing here.
	whiteoutMeta = ".wh..wh."
)

// whiteout records a deletion the way overlayfs does: a character device 0:0 in
// place of the path, or an attribute on a directory that hides all below it. It
// concerns lower layers only, so what this layer itself put there stays.
func (u *extractor) whiteout(dir, base string) error {
	name := strings.TrimPrefix(base, whiteoutPrefix)
	meta := strings.HasPrefix(base, whiteoutMeta) && base != whiteoutOpaque
	if name == "" || name == "." || name == ".." {
		return fmt.Errorf("%w: whiteout of %q", ErrHostile, name)
	}
	parent, err := u.openDir(dir)
	if err != nil || meta {
		return err
	}
	if base == whiteoutOpaque {
		return setOpaque(parent, "")
	}
	p := name
	if dir != "" {
		p = dir + "/" + name
	}
	err = unix.Mknodat(parent, name, unix.S_IFCHR, int(unix.Mkdev(0, 0)))
	if err == unix.EEXIST {
		return u.whiteoutExisting(parent, p, name)
	}
	if err != nil {
		return fmt.Errorf("whiteout %q: %w", p, err)
	}
	u.whiteouts[p] = true
	return nil
}

// whiteoutExisting: a file hides what is below it anyway, a directory must be
// told to.
func (u *extractor) whiteoutExisting(parent int, p, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat %q: %w", p, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return setOpaque(parent, name)
	}
	return nil
}

func (u *extractor) removeWhiteout(parent int, p, base string) error {
	if err := unix.Unlinkat(parent, base, 0); err != nil {
		return fmt.Errorf("unlink %q: %w", p, err)
	}
	delete(u.whiteouts, p)
	return nil
}

// setOpaque hides everything that lower layers have in the directory: parent
// itself when base is empty.
func setOpaque(parent int, base string) error {
	if err := setXattr(parent, base, "trusted.overlay.opaque", "y"); err != nil {
		return fmt.Errorf("set attribute trusted.overlay.opaque of %q: %w", base, err)
	}
	return nil
}
