package events

import (
	"encoding/json"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxSize is how large the file may grow, in bytes: some 7,000 events. Two of
// them must be no burden on the tmpfs of a small machine, which is a tenth of
// its memory.
const maxSize = 2 << 20

// Names in the folder.
const (
	fileName    = "/events.json"
	rotatedName = "/events.json.1"
)

// Log is the record in one folder. It is safe for use by several goroutines;
// any number of processes may have the same folder.
type Log struct {
	dir string
	max int64

	mu sync.Mutex
	// fd is open from the first event on: a process that has one to tell mostly
	// has several. file is what it is open on.
	fd   int
	file unix.Stat_t
}

// New returns the log in a folder. It touches no file.
func New(dir string) *Log { return &Log{dir: dir, max: maxSize, fd: -1} }

// Close closes the file. Append opens it again.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close()
}

func (l *Log) close() {
	if l.fd >= 0 {
		unix.Close(l.fd)
		l.fd = -1
	}
}

// Append adds an event, with the present time unless it has one. It takes some
// ten microseconds. It never fails: an event that cannot be written is lost.
func (l *Log) Append(ev Event) {
	if ev.Time.IsZero() {
		ev.Time = time.Now()
	}
	ev.Time = ev.Time.UTC()
	line, err := json.Marshal(&ev)
	if err != nil {
		return // a time beyond the year 9999
	}
	line = append(line, '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	for try := range maxTries {
		if l.try(line, try == maxTries-1) {
			return
		}
	}
}

// Another writer holds a lock for a few microseconds, unless it is stopped in
// just that moment: then the event is written without.
const (
	maxTries = 40
	lockWait = 100 * time.Microsecond
)

// try writes a line once. done tells that there is nothing more to try.
func (l *Log) try(line []byte, last bool) (done bool) {
	if !l.open() {
		return true
	}
	if !l.lock(unix.LOCK_SH) && !last {
		time.Sleep(lockWait)
		return false
	}
	size, named := l.named()
	if !named {
		l.close() // rotated since: the lock goes with it
		return false
	}
	if size >= l.max && !last {
		l.rotate()
		return false
	}
	l.write(line)
	l.unlock()
	return true
}

// open opens the file unless it is open.
func (l *Log) open() bool {
	if l.fd >= 0 {
		return true
	}
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NOFOLLOW
	fd, err := unix.Open(l.dir+fileName, flags, 0o600)
	if err == unix.ENOENT {
		_ = unix.Mkdir(l.dir, 0o700) // the next open judges
		fd, err = unix.Open(l.dir+fileName, flags, 0o600)
	}
	if err != nil {
		return false
	}
	l.fd = fd
	if unix.Fstat(fd, &l.file) != nil {
		l.close()
	}
	return l.fd >= 0
}

// named reports whether the open file still has its name, and its size.
func (l *Log) named() (size int64, named bool) {
	var st unix.Stat_t
	err := unix.Lstat(l.dir+fileName, &st)
	return st.Size, err == nil && st.Ino == l.file.Ino && st.Dev == l.file.Dev
}

func (l *Log) lock(how int) bool { return unix.Flock(l.fd, how|unix.LOCK_NB) == nil }
func (l *Log) unlock()           { _ = unix.Flock(l.fd, unix.LOCK_UN) }

// rotate gives the full file its second name, and closes it. When others are
// writing, one of the next events will find it full again.
func (l *Log) rotate() {
	if l.lock(unix.LOCK_EX) {
		// Taking it first lets go of the shared one, so somebody else may have
		// rotated in between.
		if _, named := l.named(); named {
			_ = unix.Rename(l.dir+fileName, l.dir+rotatedName)
		}
	}
	l.close()
}

// write appends a line. On a full file system a part of it may have got in: that
// is taken back, if nobody has written behind it.
func (l *Log) write(line []byte) {
	n, err := unix.Write(l.fd, line)
	if err != nil || n == len(line) {
		return
	}
	// After a write with O_APPEND the offset is the end of what was written.
	end, err := unix.Seek(l.fd, 0, unix.SEEK_CUR)
	var st unix.Stat_t
	if err == nil && l.lock(unix.LOCK_EX) && unix.Fstat(l.fd, &st) == nil && st.Size == end {
		_ = unix.Ftruncate(l.fd, end-int64(n))
	}
}
