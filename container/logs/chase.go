package logs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"berth/container/watch"
)

// What a follower holds open and has not read is bounded: the space of deleted
// files is not free before. One that does not read at all loses the rest.
const (
	maxAhead      = 500
	maxAheadBytes = 64 << 20
)

// chaser opens a log's files as they are begun, ahead of the follower that
// reads them: a busy container with small files may have deleted one by the
// time that the one before it is read. Its methods may be called by several
// goroutines.
type chaser struct {
	path    string
	changed chan struct{} // holds one, when there may be more to read
	watch   *watch.Watch
	stop    chan struct{}
	ended   sync.WaitGroup

	mu      sync.Mutex
	started bool
	tip     *source // the newest that was found; nil before the first
	ahead   []begun
	bytes   int64 // of those ahead, but for the newest, which grows
}

// begun is a file that a follower is to read.
type begun struct {
	*source
	gap  bool  // others before it were deleted
	size int64 // of one that is counted
}

// newChaser watches the folder of a log, not its file: that tells of rotations
// and of a file that does not exist yet.
func newChaser(path string) *chaser {
	c := &chaser{
		path: path, changed: make(chan struct{}, 1),
		watch: watch.Folder(filepath.Dir(path)), stop: make(chan struct{}),
	}
	c.ended.Go(c.run)
	return c
}

// run looks at each change.
func (c *chaser) run() {
	for {
		select {
		case <-c.stop:
			return
		case <-c.watch.Changed:
		}
		c.look()
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
}

// start begins behind a file, or waits for the first.
func (c *chaser) start(tip *source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tip, c.started = tip, true
}

// look opens what was begun since. An error comes up again in next.
func (c *chaser) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.started && len(c.ahead) < maxAhead && c.bytes < maxAheadBytes {
		if found, err := c.find(); !found || err != nil {
			return
		}
	}
}

// next is the file after the one that next gave before; nil when there is none
// yet. It is the caller's, and so is the one before.
func (c *chaser) next() (f *source, gap bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ahead) == 0 {
		if found, err := c.find(); !found || err != nil {
			return nil, false, err
		}
	}
	b := c.ahead[0]
	c.ahead[0] = begun{}
	c.ahead = c.ahead[1:]
	c.bytes -= b.size
	return b.source, b.gap, nil
}

// close ends the watching and closes what next has not given.
func (c *chaser) close() {
	close(c.stop)
	c.ended.Wait()
	c.watch.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.ahead {
		f.Close()
	}
	c.ahead, c.tip = nil, nil
}

// find opens the file after the tip, which is open as long as it is the tip:
// the follower closes no file before it has the next.
func (c *chaser) find() (bool, error) {
	var b begun
	var err error
	if c.tip == nil {
		b.source, err = c.oldest()
	} else {
		b.source, b.gap, err = c.successor()
	}
	if b.source == nil || err != nil {
		return false, err
	}
	if last := len(c.ahead) - 1; last >= 0 {
		// It has a successor, and so its final size.
		if st, err := c.ahead[last].Stat(); err == nil {
			c.ahead[last].size = st.Size()
			c.bytes += st.Size()
		}
	}
	c.ahead, c.tip = append(c.ahead, b), b.source
	return true, nil
}

// successor opens the file that was begun after the tip, nil when there is
// none yet.
func (c *chaser) successor() (f *source, gap bool, err error) {
	for {
		n, err := c.index()
		if err != nil || n == 0 {
			return nil, false, err
		}
		if n < 0 {
			f, err := c.afterGap()
			return f, true, err
		}
		f, err := openNumber(c.path, n-1)
		if errors.Is(err, fs.ErrNotExist) {
			// The Writer has renamed the file and not made the new one yet, or a
			// rotation goes through the numbers just now. Both end in a change of
			// the directory.
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		// Had the numbers moved between the two looks, f would be another file.
		if again, err := c.index(); err != nil || again == n {
			return f, false, err
		}
		f.Close()
	}
}

// afterGap opens the oldest file after the tip was deleted. unlink(2)
// lowers the link count a moment before the name stops working (ext4_unlink
// runs before d_delete), so the name may still lead to the deleted file.
func (c *chaser) afterGap() (*source, error) {
	f, err := c.oldest()
	if f == nil || err != nil {
		return nil, err
	}
	same, err := holds([]*source{c.tip}, f)
	if same || err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Looks for a file that is not where it should be: one that has a name was
// renamed by somebody else, one that has none is gone or compressed.
const (
	findTries = 100
	goneTries = 5
)

// index is the number of the tip, 0 for the newest, -1 when it is
// gone.
func (c *chaser) index() (int, error) {
	var want unix.Stat_t
	gone := 0
	for range findTries {
		if err := unix.Fstat(int(c.tip.Fd()), &want); err != nil {
			return 0, &fs.PathError{Op: "fstat", Path: c.tip.Name(), Err: err}
		}
		// Counted before the look: the compressed file is there by then.
		if want.Nlink == 0 {
			gone++
		}
		if n, err := c.byInode(want); err != nil || n >= 0 {
			return n, err
		}
		if gone == goneTries {
			break
		}
	}
	return -1, nil
}

// byInode looks once for a file by its inode, -1 when it was not met. Files move
// to higher numbers, and looking upwards meets them unless rotations are
// faster than lstat(2).
func (c *chaser) byInode(want unix.Stat_t) (int, error) {
	missing := 0
	for n := 0; n <= maxIndex && missing < maxGap; n++ {
		there := false
		for _, end := range []string{"", zipped} {
			if n == 0 && end != "" {
				continue
			}
			name := rotated(c.path, n) + end
			found, err := isFile(name, want)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if found || err != nil {
				return n, err
			}
			there = true
		}
		if !there {
			missing++
		} else {
			missing = 0
		}
	}
	return -1, nil
}

// isFile tells whether a name leads to a file, or to what was made of it.
func isFile(name string, want unix.Stat_t) (bool, error) {
	var have unix.Stat_t
	if err := unix.Lstat(name, &have); err != nil {
		return false, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	if have.Ino == want.Ino && have.Dev == want.Dev {
		return true, nil
	}
	// Only a file that is gone lives on in a compressed one.
	if want.Nlink > 0 || !strings.HasSuffix(name, zipped) {
		return false, nil
	}
	from, err := madeOf(name)
	return from == idFrom(&want).String(), err
}

// oldest opens the oldest file, nil when there is none.
func (c *chaser) oldest() (*source, error) {
	files, err := openFiles(c.path)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	for _, f := range files[1:] {
		f.Close()
	}
	return files[0], nil
}
