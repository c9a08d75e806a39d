package logs

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pollInterval replaces inotify where there is none to be had: instances are
// limited per user (max_user_instances), and some filesystems send nothing.
const pollInterval = 200 * time.Millisecond

// watch tells when something in a log's folder may have changed. It may say so
// too often.
type watch struct {
	changed chan struct{} // holds one
	file    *os.File      // inotify, nil when polling
	stop    chan struct{}
	ended   sync.WaitGroup
}

// newWatch watches the folder that path is in, by polling if need be.
func newWatch(path string) *watch {
	w := &watch{changed: make(chan struct{}, 1), stop: make(chan struct{})}
	// The folder, not the file: its events survive rotation and tell of a file
	// that does not exist yet.
	w.file = openInotify(filepath.Dir(path))
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
func (w *watch) read() {
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
func (w *watch) poll() {
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
func (w *watch) mark() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// close ends the watch and its goroutine.
func (w *watch) close() {
	close(w.stop)
	if w.file != nil {
		w.file.Close()
	}
	w.ended.Wait()
}
