package rootfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// View shows image layers, top layer first and at least two, as an overlay that
// nothing can be written to: a detached mount, which is in no mount table and
// gone when the file is closed. What happens in a layer meanwhile shows.
//
// A container's writable layer can be the top one: then the view is what the
// container sees, without what is mounted in it, and with the ids of the
// container's own users.
func View(layers []string) (*os.File, error) {
	fd, err := overlayByConfig(layers, "", "", unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOATIME)
	if errors.Is(err, unix.EINVAL) {
		// Before 6.8 fsconfig(2) takes no layers one by one.
		o := scratch{layers: layers, userns: -1}
		fd, err = o.make(func(f func() error) error { return f() })
	}
	if err != nil {
		return nil, fmt.Errorf("view %d layers: %w", len(layers), err)
	}
	return os.NewFile(uintptr(fd), "view"), nil
}

// overlayByConfig makes an overlay as a detached mount; EINVAL, on kernels before
// 6.8, which take no layers one by one.
func overlayByConfig(layers []string, upper, work string, attrs int) (int, error) {
	ctx, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen overlay: %w", err)
	}
	defer unix.Close(ctx)
	set := func(key, value string) error {
		if err := unix.FsconfigSetString(ctx, key, value); err != nil {
			return fmt.Errorf("fsconfig %s=%s: %w", key, value, err)
		}
		return nil
	}
	for _, l := range layers {
		if err := set("lowerdir+", l); err != nil {
			return -1, err
		}
	}
	if upper != "" {
		if err := errors.Join(set("upperdir", unescaped(upper)), set("workdir", unescaped(work))); err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, fmt.Errorf("fsconfig create overlay: %w", err)
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, attrs)
	if err != nil {
		return -1, fmt.Errorf("fsmount overlay: %w", err)
	}
	return fd, nil
}
