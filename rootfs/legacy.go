package rootfs

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// overlayByMount makes the root on kernels before 6.8, where fsconfig takes
// all lower layers as one string of at most 255 bytes. mount(2) takes a page of
// options, and descriptors make the layers' names short.
func (a *Assembly) overlayByMount(layers []string, upper, work string, volatile bool) error {
	root := a.Root
	a.host(nsenter.Do("mount the overlay in a scratch mount namespace and take a detached copy", func(h *nsenter.Run) error {
		fd, err := scratchOverlay(layers, upper, work, volatile)
		if err == nil {
			h.SetFd(root, fd)
		}
		return err
	}).To(root).On("/").For("image", "this kernel's fsconfig cannot take that many layers"))
	return nil
}

// scratchOverlay mounts an overlay where nobody sees it: on a thread of its
// own, with a mount namespace of its own, that ends with the goroutine.
func scratchOverlay(layers []string, upper, work string, volatile bool) (fd int, err error) {
	done := make(chan bool)
	mount := func() {
		fd, err = mountOverlay(layers, upper, work, volatile)
		close(done)
	}
	go onScratchThread(mount)
	<-done
	return fd, err
}

// onScratchThread runs a function on a thread that ends afterwards.
func onScratchThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		// Never unlocked: the thread's namespace is not the process's, so the
		// thread must end with the goroutine.
		f()
		return
	}
	// The runtime keeps the main thread for ever, and /proc/self shows its
	// namespaces: hold it until another one has been found.
	defer runtime.UnlockOSThread()
	found := make(chan bool)
	go onScratchThread(func() {
		close(found)
		f()
	})
	<-found
}

// mountOverlay runs on the scratch thread.
func mountOverlay(layers []string, upper, work string, volatile bool) (int, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return -1, fmt.Errorf("unshare mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return -1, fmt.Errorf("make / private: %w", err)
	}
	// The layers are opened here, not before: overlayfs takes only mounts of
	// the namespace that asks.
	names := make([]string, len(layers))
	for i, l := range layers {
		fd, err := unix.Open(l, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, fmt.Errorf("open layer %s: %w", l, err)
		}
		defer unix.Close(fd)
		names[i] = "/proc/self/fd/" + strconv.Itoa(fd)
	}
	data := "lowerdir=" + strings.Join(names, ":") + ",upperdir=" + escape(upper) + ",workdir=" + escape(work)
	if volatile {
		data += ",volatile"
	}
	if len(data) >= 4096 {
		return -1, fmt.Errorf("mount overlay of %d layers: %w", len(layers), unix.E2BIG)
	}
	if err := unix.Mount("overlay", work, "overlay", 0, data); err != nil {
		return -1, fmt.Errorf("mount overlay: %w", err)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, work, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open_tree %s: %w", work, err)
	}
	return fd, nil
}

// escape quotes what overlayfs's option parser would read as a separator.
func escape(p string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `:`, `\:`).Replace(p)
}
