package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxIndex bounds max-file, and so the names that a reader looks at.
const maxIndex = 1000

// logFile is the file that records go to and its rotation.
type logFile struct {
	path     string
	maxSize  int64
	maxFiles int
	report   func(error)

	f       *os.File // nil before the first record and between rotations
	size    int64
	torn    []byte // rest of a record that a full disk cut in two
	failing bool   // writing fails, and that was reported
	stuck   bool   // so does rotating
	dropped int64
	cause   error // of the first drop
}

// rotated is the name of the n-th older file.
func rotated(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}

// full tells whether the next record belongs into a new file, after pending
// bytes more.
func (l *logFile) full(pending int) bool {
	return l.maxSize > 0 && l.size+int64(pending) >= l.maxSize
}

// write appends whole records, in one write(2) when all is well. On an error
// it drops what is left; the caller is never held up.
func (l *logFile) write(b []byte, records int64) {
	if err := l.ready(); err != nil {
		l.fail(err, records)
		return
	}
	n, err := l.f.Write(b)
	l.size += int64(n)
	if err == nil {
		l.failing = false
		return
	}
	// Part of the batch may be in the file. Taking it back would break the rule
	// that files only grow, on which followers rely; leaving half a record
	// would damage the next one, too. So its other half is kept and goes first
	// once there is space again.
	written := b[:n]
	if n > 0 && written[n-1] != '\n' {
		rest := b[n:]
		l.torn = append(l.torn[:0], rest[:lineLen(rest)]...)
		records--
	}
	for _, c := range written {
		if c == '\n' {
			records--
		}
	}
	l.fail(err, records)
}

// lineLen is the length of the first line of b, newline included.
func lineLen(b []byte) int {
	for i, c := range b {
		if c == '\n' {
			return i + 1
		}
	}
	return len(b)
}

// fail counts dropped records and reports the first failure of a row.
func (l *logFile) fail(err error, records int64) {
	l.dropped += records
	if l.cause == nil {
		l.cause = err
	}
	if !l.failing && l.report != nil {
		l.report(fmt.Errorf("write log: %w; its lines are dropped until this is over", err))
	}
	l.failing = true
}

// ready makes sure of an open file with room that ends at the end of a record.
func (l *logFile) ready() error {
	if l.f == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if len(l.torn) > 0 {
		n, err := l.f.Write(l.torn)
		l.size += int64(n)
		l.torn = l.torn[n:]
		if err != nil {
			return err
		}
		l.torn = nil
	}
	if l.full(0) {
		return l.rotate()
	}
	return nil
}

// open continues the log or begins it.
func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: l.path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		f.Close()
		return err
	}
	l.f, l.size = f, st.Size()
	// A writer that was killed within a write leaves a line without an end. It
	// must not swallow the first new record.
	last := []byte{'\n'}
	if l.size > 0 {
		_, err = f.ReadAt(last, l.size-1)
	}
	if err == nil && last[0] != '\n' {
		l.torn = append(l.torn[:0], '\n')
	}
	return err
}

// rotate gives every file the next number, oldest first, and begins a new one.
// When the names cannot be changed the old file grows on: that keeps the
// records, and the error is reported.
func (l *logFile) rotate() error {
	for n := l.maxFiles - 1; n > 0; n-- {
		err := os.Rename(rotated(l.path, n-1), rotated(l.path, n))
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if !l.stuck && l.report != nil {
			l.report(fmt.Errorf("rotate log: %w; the file grows on", err))
		}
		l.stuck = true
		return nil
	}
	if l.maxFiles == 1 {
		// A new inode instead of truncate(2), so that a follower still finds the
		// end of what it was reading.
		if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	l.stuck = false
	l.f.Close()
	l.f, l.size = nil, 0
	return l.open()
}

// close closes the file and tells what was lost.
func (l *logFile) close() error {
	if l.f != nil && len(l.torn) > 0 {
		if err := l.ready(); err != nil {
			l.fail(err, 1)
		}
	}
	var err error
	if l.f != nil {
		err = l.f.Close()
		l.f = nil
	}
	if l.dropped > 0 {
		return fmt.Errorf("write log %s: %d records dropped: %w", l.path, l.dropped, l.cause)
	}
	return err
}
