package logs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"strconv"

	"golang.org/x/sys/unix"
)

// logFile is the file that records go to and its rotation.
type logFile struct {
	path string
	fileOptions
	mend func(f io.ReaderAt, size int64) ([]byte, error)
	loss *losses

	f     *os.File // nil before the first record and between rotations
	size  int64
	torn  []byte // rest of a record that a full disk cut in two
	stuck bool   // rotating fails, and that was reported
	zip   compressor
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

// write appends the records that end at ends, in one write(2) when all is
// well. On an error it drops what is left; the caller is never held up.
func (l *logFile) write(b []byte, ends []int) {
	if err := l.ready(); err != nil {
		l.loss.add(len(ends), err)
		return
	}
	n, err := l.f.Write(b)
	l.size += int64(n)
	if err == nil {
		l.loss.over()
		return
	}
	// Part of the batch may be in the file. Taking it back would break the rule
	// that files only grow, on which followers rely; leaving half a record
	// would damage the next one, too. So its other half is kept and goes first
	// once there is space again.
	whole := sort.SearchInts(ends, n+1)
	start := 0
	if whole > 0 {
		start = ends[whole-1]
	}
	lost := len(ends) - whole
	if n > start {
		l.torn = append(l.torn[:0], b[n:ends[whole]]...)
		lost--
	}
	l.loss.add(lost, err)
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
	// A writer that was killed within a write leaves a record without an end.
	// It must not swallow the first new one.
	l.torn, err = l.mend(f, l.size)
	return err
}

// rotate gives every file the next number, oldest first, and begins a new one.
// When the names cannot be changed the old file grows on: that keeps the
// records, and the error is reported.
func (l *logFile) rotate() error {
	// The file that is being compressed must keep its name until then.
	l.zip.wait()
	for n := l.maxFiles - 1; n > 0; n-- {
		if err := l.shift(n); err != nil {
			if !l.stuck {
				l.loss.tell(fmt.Errorf("rotate log: %w; the file grows on", err))
			}
			l.stuck = true
			return nil
		}
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
	if err := l.open(); err != nil {
		return err
	}
	if l.compress {
		l.zip.start(rotated(l.path, 1), l.loss)
	}
	return nil
}

// shift makes the file with the number before n the one with number n, in
// place of that.
func (l *logFile) shift(n int) error {
	for _, end := range []string{"", zipped} {
		from, to := rotated(l.path, n-1)+end, rotated(l.path, n)+end
		if n == 1 && end != "" {
			continue // the newest is never compressed
		}
		err := os.Rename(from, to)
		if errors.Is(err, fs.ErrNotExist) && n == l.maxFiles-1 && l.compress {
			// The oldest had the other form.
			err = os.Remove(to)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// close closes the file and tells what was lost.
func (l *logFile) close() error {
	if l.f != nil && len(l.torn) > 0 {
		if err := l.ready(); err != nil {
			l.loss.add(1, err)
		}
	}
	l.zip.wait()
	var err error
	if l.f != nil {
		err = l.f.Close()
		l.f = nil
	}
	return err
}
