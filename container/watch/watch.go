// Package watch tells readers of files that grow (logs, events) when to look
// again: a channel gets a mark when something in a folder may have changed.
//
// It says so too often rather than too rarely, and never what has changed: the
// reader looks for itself. The whole folder is watched, because that outlives
// the rotation of a file and tells of one that does not exist yet; so it is not
// for folders in which much happens that the reader does not care for.
package watch

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pollInterval replaces inotify where there is none to be had: instances are
// limited per user (max_user_instances), and some filesystems send nothing.
const pollInterval = 200 * time.Millisecond

// Watch is one watched folder.
type Watch struct {
	// Changed gets a mark when something in the folder may have changed. It
	// holds one.
	Changed chan struct{}
	file    *os.File // inotify, nil when polling
	stop    chan struct{}
	ended   sync.WaitGroup
}

// Folder watches a folder, by polling if need be: also when there is none. Look
// at the files after the call, so that no change is missed.
func Folder(dir string) *Watch {
	w := &Watch{Changed: make(chan struct{}, 1), stop: make(chan struct{})}
	w.file = openInotify(dir)
	w.ended.Add(1)
	if w.file == nil {
		go w.poll()
	} else {
		go w.read()
	}
	return w
}

// openInotify returns a file that becomes readable on changes in dir, nil
// when that cannot be had.
func openInotify(dir string) *os.File {
	// Non-blocking, so that the runtime polls it and Close wakes the reader.
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	const mask = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE
	if _, err := unix.InotifyAddWatch(fd, dir, mask|unix.IN_ONLYDIR); err != nil {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), "inotify:"+dir)
}

// read turns events into marks. What they say does not matter: the reader
// looks for itself.
func (w *Watch) read() {
	defer w.ended.Done()
	buf := make([]byte, 4<<10)
	for {
		if _, err := w.file.Read(buf); err != nil {
			return
		}
		w.mark()
	}
}

// poll marks at intervals.
func (w *Watch) poll() {
	defer w.ended.Done()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-ticker.C:
			w.mark()
		}
	}
}

// mark notes a change; one that nobody has seen yet is enough.
func (w *Watch) mark() {
	select {
	case w.Changed <- struct{}{}:
	default:
	}
}

// Close ends the watch and its goroutine.
func (w *Watch) Close() {
	close(w.stop)
	if w.file != nil {
		w.file.Close()
	}
	w.ended.Wait()
}
