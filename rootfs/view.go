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
	fd, err := viewByConfig(layers)
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

func viewByConfig(layers []string) (int, error) {
	ctx, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen overlay: %w", err)
	}
	defer unix.Close(ctx)
	for _, l := range layers {
		if err := unix.FsconfigSetString(ctx, "lowerdir+", l); err != nil {
			return -1, fmt.Errorf("fsconfig lowerdir+=%s: %w", l, err)
		}
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, fmt.Errorf("fsconfig create overlay: %w", err)
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOATIME)
	if err != nil {
		return -1, fmt.Errorf("fsmount overlay: %w", err)
	}
	return fd, nil
}
