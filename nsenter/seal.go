package nsenter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Sealed is a view of this program that nothing in a container can write
// through, ready for one plan's child.
type Sealed struct {
	done chan struct{}
	fd   int
	err  error
}

// Seal starts to seal this program and returns at once: it takes as long as
// reading a configuration does, and can go on beside it. empty is an empty
// folder. What no plan takes must be closed.
func Seal(empty string) *Sealed {
	s := &Sealed{done: make(chan struct{}), fd: -1}
	go func() {
		defer close(s.done)
		s.fd, s.err = seal(empty)
	}()
	return s
}

// take waits for the descriptor, which is the caller's from then on.
func (s *Sealed) take() (int, error) {
	<-s.done
	fd := s.fd
	s.fd = -1
	if s.err == nil && fd < 0 {
		return -1, fmt.Errorf("seal own binary: it was taken before: %w", unix.EBADF)
	}
	return fd, s.err
}

// Close gives up what no plan has taken.
func (s *Sealed) Close() {
	if fd, err := s.take(); err == nil {
		unix.Close(fd)
	}
}

// seal opens a view of our own binary that nothing in a container can write
// through: an overlay that has lower layers only. Such a file system has no
// place to write to, whatever is done to its mount, unlike a read-only bind
// mount, whose flag a process with CAP_SYS_ADMIN could clear through
// /proc/PID/exe (CVE-2019-5736). The page cache is the binary's own, so it
// costs no copy. empty is an empty folder, for the second layer. Where overlay is
// not to be had, or the binary lies on a file system that it refuses as a
// layer, a sealed copy in memory serves.
func seal(empty string) (fd int, err error) {
	fd, err = sealByOverlay(empty)
	if err != nil {
		var copyErr error
		if fd, copyErr = sealByCopy(); copyErr != nil {
			return -1, fmt.Errorf("seal own binary: %w", errors.Join(err, copyErr))
		}
	}
	return fd, nil
}

// sealByOverlay mounts the binary's folder as the lower layer of an overlay
// that is attached nowhere.
func sealByOverlay(empty string) (int, error) {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return -1, err
	}
	ctx, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen overlay: %w", err)
	}
	defer unix.Close(ctx)
	dir, err := unix.Open(filepath.Dir(exe), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", filepath.Dir(exe), err)
	}
	defer unix.Close(dir)
	second, err := unix.Open(empty, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", empty, err)
	}
	defer unix.Close(second)
	// An overlay without an upper layer wants two lower ones. Descriptor paths
	// need no escaping and fit into fsconfig's 255 bytes.
	lower := "/proc/self/fd/" + strconv.Itoa(dir) + ":/proc/self/fd/" + strconv.Itoa(second)
	if err := unix.FsconfigSetString(ctx, "lowerdir", lower); err != nil {
		return -1, fmt.Errorf("fsconfig lowerdir: %w", err)
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, fmt.Errorf("create overlay: %w", err)
	}
	mnt, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID)
	if err != nil {
		return -1, fmt.Errorf("fsmount overlay: %w", err)
	}
	defer unix.Close(mnt)
	fd, err := unix.Openat(mnt, filepath.Base(exe), unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s in overlay: %w", filepath.Base(exe), err)
	}
	return fd, nil
}

// sealByCopy copies the binary into memory and forbids every change.
func sealByCopy() (int, error) {
	src, err := os.Open("/proc/self/exe")
	if err != nil {
		return -1, err
	}
	defer src.Close()
	fd, err := unix.MemfdCreate("berth", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	for {
		n, err := unix.Sendfile(fd, int(src.Fd()), nil, 1<<30)
		if err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("copy own binary: %w", err)
		}
		if n == 0 {
			break
		}
	}
	seals := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("seal memfd: %w", err)
	}
	return fd, nil
}
