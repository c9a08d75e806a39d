package rootfs

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// overlayByMount makes the root on kernels before 6.8, where fsconfig takes
// all lower layers as one string of at most 255 bytes, and, with mapped ids,
// before 6.15, where overlayfs takes attached mounts only. mount(2) takes a page
// of options, and descriptors make the layers' names short.
func (a *Assembly) overlayByMount(layers []string, upper, work string, volatile bool) {
	root := a.Root
	a.host(nsenter.Do("mount the overlay in a scratch mount namespace and take a detached copy", func(h *nsenter.Run) error {
		o := scratch{layers: layers, upper: upper, work: work, volatile: volatile, label: a.label, userns: -1}
		if a.users.on {
			o.userns = h.Fd(a.users.ns)
		}
		fd, err := o.make(a.asRoot)
		if err == nil {
			h.SetFd(root, fd)
		}
		return err
	}).To(root).On("/").For("image", "this kernel's fsconfig cannot take these layers"))
}

// scratch is an overlay that is mounted where nobody sees it.
type scratch struct {
	layers      []string
	upper, work string
	volatile    bool
	label       string
	userns      int // whose id mapping the layers get, or -1
}

// make mounts the overlay on a thread of its own, with a mount namespace of
// its own, that ends with the goroutine. asRoot makes what shall belong to the
// container's root.
func (o *scratch) make(asRoot func(func() error) error) (fd int, err error) {
	done := make(chan bool)
	go onScratchThread(func() {
		fd, err = o.mount(asRoot)
		close(done)
	})
	<-done
	return fd, err
}

// tooLong reports whether fsconfig(2) refuses an option for its length.
func tooLong(option string) bool {
	_, value, _ := strings.Cut(option, "=")
	return len(value) > 255
}

// byMount plans a file system with an option that is too long for fsconfig(2),
// such as the folders of an overlay: mount(2) takes a page of them.
func (a *Assembly) byMount(m specs.Mount, o options, slot nsenter.Slot, from string) {
	data := strings.Join(append(slices.Clone(o.data), o.sb...), ",")
	if a.label != "" {
		data += `,context="` + a.label + `"`
	}
	a.host(nsenter.Do("mount "+m.Type+" in a scratch mount namespace and take a detached copy", func(h *nsenter.Run) error {
		fd, err := scratchMount(m.Source, m.Type, data)
		if err == nil {
			h.SetFd(slot, fd)
		}
		return err
	}).To(slot).On(m.Destination).For(from, "fsconfig takes options of up to 255 bytes"))
	if attrs := o.set &^ unix.MOUNT_ATTR_RDONLY; attrs != 0 {
		a.host(setattr(nsenter.Host, slot, false, attrs, o.clear, 0).On(m.Destination).For(from, "the options of this mount"))
	}
}

// scratchMount mounts a file system where nobody sees it.
func scratchMount(source, kind, data string) (fd int, err error) {
	done := make(chan bool)
	go onScratchThread(func() {
		defer close(done)
		if err = scratchNamespace(); err != nil {
			return
		}
		// Any folder will do, in a namespace that is nobody else's.
		const at = "/proc"
		if err = unix.Mount(source, at, kind, 0, data); err != nil {
			err = fmt.Errorf("mount %s: %w", kind, err)
			return
		}
		if fd, err = unix.OpenTree(unix.AT_FDCWD, at, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC); err != nil {
			err = fmt.Errorf("open_tree %s: %w", at, err)
		}
	})
	<-done
	return fd, err
}

// scratchNamespace gives the thread a mount namespace of its own.
func scratchNamespace() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make / private: %w", err)
	}
	return nil
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

// mount runs on the scratch thread.
func (o *scratch) mount(asRoot func(func() error) error) (int, error) {
	if err := scratchNamespace(); err != nil {
		return -1, err
	}
	data, closeAll, err := o.options()
	defer closeAll()
	if err != nil {
		return -1, err
	}
	if len(data) >= 4096 {
		return -1, fmt.Errorf("mount overlay of %d layers: %w", len(o.layers), unix.E2BIG)
	}
	at := o.work
	if at == "" {
		// Any folder will do, in a namespace that is nobody else's.
		at = "/proc"
	}
	if err := asRoot(func() error { return unix.Mount("overlay", at, "overlay", 0, data) }); err != nil {
		return -1, fmt.Errorf("mount overlay: %w", err)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, at, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open_tree %s: %w", at, err)
	}
	return fd, nil
}

// options opens the layers and writes mount(2)'s data. The layers are opened
// in the scratch namespace, not before: overlayfs takes only mounts of the
// namespace that asks.
func (o *scratch) options() (data string, closeAll func(), err error) {
	var fds []int
	closeAll = func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	names := make([]string, len(o.layers))
	for i, l := range o.layers {
		fd, err := o.open(l)
		if err != nil {
			return "", closeAll, fmt.Errorf("open layer %s: %w", l, err)
		}
		fds = append(fds, fd)
		names[i] = "/proc/self/fd/" + strconv.Itoa(fd)
	}
	upper, work := escape(o.upper), escape(o.work)
	if o.userns >= 0 {
		fd, err := o.open(path.Dir(o.upper))
		if err != nil {
			return "", closeAll, fmt.Errorf("open writable layer: %w", err)
		}
		fds = append(fds, fd)
		parent := "/proc/self/fd/" + strconv.Itoa(fd) + "/"
		upper, work = parent+escape(path.Base(o.upper)), parent+escape(path.Base(o.work))
	}
	data = "lowerdir=" + strings.Join(names, ":")
	if o.upper != "" {
		data += ",upperdir=" + upper + ",workdir=" + work
	}
	if o.volatile {
		data += ",volatile"
	}
	if o.label != "" {
		data += `,context="` + o.label + `"`
	}
	return data, closeAll, nil
}

// open opens a folder; with mapped ids, in a mount of its own, which it
// attaches over the folder.
func (o *scratch) open(dir string) (int, error) {
	if o.userns < 0 {
		return unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, err
	}
	if err := setIDMap(fd, unix.AT_EMPTY_PATH, o.userns); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return -1, errors.Join(fmt.Errorf("move_mount: %w", err), unix.Close(fd))
	}
	return fd, nil
}

// escape quotes what overlayfs's option parser would read as a separator.
func escape(p string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `:`, `\:`).Replace(p)
}
