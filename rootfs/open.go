package rootfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// maxRead bounds what is read of a file of an image, in bytes.
const maxRead = 10 << 20

// Open opens a regular file of the root for reading, when the host side runs
// the plan. Links are resolved as if the root were /; a device, a fifo or a
// file of over 10 MiB is refused, so that an image cannot hang or exhaust the
// host side (CVE-2026-47262).
func (a *Assembly) Open(h *nsenter.Run, name string) (*os.File, error) {
	fd, err := unix.Openat2(h.Fd(a.Root), name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &os.PathError{Op: "openat2", Path: name, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "fstat", Path: name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, fmt.Errorf("open %s of the image: not a regular file", name)
	}
	if st.Size > maxRead {
		unix.Close(fd)
		return nil, fmt.Errorf("open %s of the image: %d bytes are more than %d", name, st.Size, maxRead)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// WorkDir appends the host step that makes the working directory when the
// image lacks it, as docker does.
func (a *Assembly) WorkDir(dir, from string) {
	if dir == "" || dir == "/" {
		return
	}
	count := len(a.trees)
	if _, inChild := a.childParent(dir); inChild {
		return // in /proc or /sys: there is nothing to make
	}
	a.host(nsenter.Do("make the working directory "+dir+" in the root, if it is missing", func(h *nsenter.Run) error {
		p, err := a.resolver(h, count, true).target(dir, false)
		if err == nil {
			unix.Close(p.fd)
		}
		return err
	}).On(dir).For(from, "docker makes it too"))
}
