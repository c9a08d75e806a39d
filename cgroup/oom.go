package cgroup

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// OOMEvents tells of processes that the kernel kills because the container is
// out of memory, one value for each. What happened before the call is not told.
// The channel is closed when no process is left, when the group is removed (on
// hosts without v2 only then), or when the context ends. Without a memory group
// the error wraps [ErrController].
func (m *Manager) OOMEvents(ctx context.Context) (<-chan struct{}, error) {
	dir, v2, err := m.with("memory")
	if err != nil {
		return nil, err
	}
	if dir == "" || v2 && !exists(dir+"/memory.events") {
		return nil, fmt.Errorf("watch cgroup %s for lack of memory: controller memory: %w", m.main(), ErrController)
	}
	o := &oomWatch{m: m, dir: dir, v2: v2, wake: make(chan struct{}, 1), out: make(chan struct{})}
	if err := o.open(); err != nil {
		o.close()
		return nil, err
	}
	if o.seen, err = m.oomKills(dir, v2); err != nil {
		o.close()
		return nil, err
	}
	for _, f := range o.files {
		go o.listen(f)
	}
	go o.run(ctx)
	return o.out, nil
}

// oomWatch is one call of OOMEvents.
type oomWatch struct {
	m     *Manager
	dir   string
	v2    bool
	seen  uint64
	files []*os.File
	// wake says that a file had something to read.
	wake, out chan struct{}
}

// open opens what wakes the watch: v2's event files by inotify, which they
// support since 5.2, and on v1 an eventfd that the kernel writes to.
func (o *oomWatch) open() error {
	events := []string{}
	if o.v2 {
		events = append(events, o.dir+"/memory.events")
	}
	if dir := o.m.v2(); dir != "" {
		events = append(events, dir+"/cgroup.events")
	}
	if len(events) > 0 {
		if err := o.inotify(events); err != nil {
			return err
		}
	}
	if o.v2 {
		return nil
	}
	return o.eventfd()
}

func (o *oomWatch) inotify(files []string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("inotify_init1: %w", err)
	}
	o.files = append(o.files, os.NewFile(uintptr(fd), "inotify"))
	for _, file := range files {
		if _, err := unix.InotifyAddWatch(fd, file, unix.IN_MODIFY|unix.IN_DELETE_SELF); err != nil {
			return fmt.Errorf("inotify_add_watch %s: %w", file, err)
		}
	}
	return nil
}

// eventfd registers for memory.oom_control (cgroup-v1/memory.rst, section 10).
// The kernel holds the eventfd until the group is gone, and writes to it then.
func (o *oomWatch) eventfd() error {
	control, err := openFile(unix.AT_FDCWD, o.dir+"/memory.oom_control", unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(control)
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("eventfd2: %w", err)
	}
	o.files = append(o.files, os.NewFile(uintptr(fd), "eventfd"))
	return writeFile(o.dir+"/cgroup.event_control", strconv.Itoa(fd)+" "+strconv.Itoa(control))
}

func (o *oomWatch) close() {
	for _, f := range o.files {
		f.Close()
	}
}

// listen wakes the watch for whatever can be read, until the file is closed.
func (o *oomWatch) listen(f *os.File) {
	buf := make([]byte, 4096)
	for {
		if _, err := f.Read(buf); err != nil {
			return
		}
		select {
		case o.wake <- struct{}{}:
		default: // somebody has woken it already
		}
	}
}

// run tells of kills until the end.
func (o *oomWatch) run(ctx context.Context) {
	defer close(o.out)
	defer o.close()
	for again := 0; ; {
		// Asked in this order: the last process may be one that was killed.
		empty, emptyErr := o.m.Empty(ctx)
		kills, err := o.m.oomKills(o.dir, o.v2)
		for ; err == nil && o.seen < kills; o.seen++ {
			select {
			case o.out <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
		if empty || emptyErr != nil || err != nil {
			return
		}
		var later <-chan time.Time
		if again > 0 {
			later = time.After(50 * time.Millisecond)
		}
		select {
		case <-o.wake:
			again = 20
		case <-later:
			again--
		case <-ctx.Done():
			return
		}
		if o.v2 {
			again = 0 // only v1 wakes before it kills, and counts after that
		}
	}
}
