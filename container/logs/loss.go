package logs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lossName is the attribute of the log's folder that holds how many records
// were dropped over the life of the log, and why at last: "12 no space left on
// device". It fits into the inode of ext4, xfs and btrfs, so there is room for
// it on a full disk; where the file system has no such attributes a file of
// this name in the folder is tried.
const (
	lossName = "user.berth.log-dropped"
	lossFile = "container.log.dropped"
)

// lossInterval bounds how often the count is stored while records are lost.
const lossInterval = time.Second

// losses counts the records that could not be kept and makes the count known.
type losses struct {
	path   string
	report func(error)

	mu      sync.Mutex
	failing bool // and that was reported
	total   int64
	stored  int64
	at      time.Time
	waiting bool // until the next time to store
	cause   error
}

// add counts records that are lost; the first of a row is reported.
func (l *losses) add(n int, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total += int64(n)
	l.cause = cause
	if !l.failing && l.report != nil {
		l.report(fmt.Errorf("write log: %w; its lines are dropped until this is over", cause))
	}
	l.failing = true
	switch {
	case time.Since(l.at) > lossInterval:
		l.store()
	case !l.waiting:
		// The last of a flood is to be known, too.
		l.waiting = true
		time.AfterFunc(lossInterval, l.later)
	}
}

// later stores what was counted since.
func (l *losses) later() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = false
	l.store()
}

// over notes that writing works.
func (l *losses) over() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing {
		l.failing = false
		l.store()
	}
}

// tell reports what loses nothing.
func (l *losses) tell(err error) {
	if l.report != nil {
		l.report(err)
	}
}

// close stores the count; its error is what was lost.
func (l *losses) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.store()
	if l.total == 0 {
		return nil
	}
	return fmt.Errorf("write log %s: %d records dropped: %w", l.path, l.total, l.cause)
}

func (l *losses) dropped() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// store adds what is new to the count on disk. It is lost, too, when there is
// no place for it at all.
func (l *losses) store() {
	l.at = time.Now()
	if l.total == l.stored {
		return
	}
	before, _ := droppedIn(filepath.Dir(l.path))
	cause := l.cause
	if inner := errors.Unwrap(cause); inner != nil {
		cause = inner // without the path
	}
	text := strconv.FormatInt(before+l.total-l.stored, 10) + " " + cause.Error()
	err := unix.Setxattr(filepath.Dir(l.path), lossName, []byte(text), 0)
	if err != nil {
		err = os.WriteFile(filepath.Join(filepath.Dir(l.path), lossFile), []byte(text), 0o600)
	}
	if err == nil {
		l.stored = l.total
	}
}

// droppedIn reads the count of the log in dir, and its last cause.
func droppedIn(dir string) (n int64, cause string) {
	value := make([]byte, 256)
	size, err := unix.Getxattr(dir, lossName, value)
	if err == nil {
		value = value[:size]
	} else if value, err = os.ReadFile(filepath.Join(dir, lossFile)); err != nil {
		return 0, ""
	}
	count, rest, _ := bytes.Cut(value, []byte(" "))
	n, err = strconv.ParseInt(string(count), 10, 64)
	if err != nil {
		return 0, ""
	}
	return n, string(rest)
}

// noteLoss tells how many records were dropped if that is not known yet, and
// returns the count.
func (o *ReadOptions) noteLoss(c Container, known int64) int64 {
	n, cause := droppedIn(filepath.Dir(c.LogPath))
	if n > known && o.Skipped != nil {
		o.Skipped(fmt.Errorf("read log of %s: %d %w: %s", short(c.ID), n, ErrDropped, cause))
	}
	return n
}
