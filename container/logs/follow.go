package logs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// follow goes on from the current file, or waits for the first one.
func (r *reader) follow(ctx context.Context) error {
	r.limit = -1
	var until <-chan time.Time
	if !r.o.Until.IsZero() {
		timer := time.NewTimer(time.Until(r.o.Until))
		defer timer.Stop()
		until = timer.C
	}
	done := r.o.Done
	for last := false; ; {
		moved, err := r.advance(ctx)
		if err != nil {
			return err
		}
		if moved {
			continue
		}
		if last {
			if r.f != nil {
				r.endFile()
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.watch.Changed:
		case <-done:
			// What was written before the close may have come after the drain
			// above, so go round once more.
			last = true
		case <-until:
			last = true
		}
	}
}

// advance reads what the current file has got and steps to the next file if
// the current one is complete. moved tells that it did.
func (r *reader) advance(ctx context.Context) (moved bool, err error) {
	if r.f == nil {
		r.f, err = r.oldest()
		return r.f != nil, err
	}
	// Looked up before the drain: a file with a successor is never written to
	// again, so what the drain finds then is all of it.
	next, err := r.successor()
	if err != nil {
		return false, err
	}
	if err := r.drain(ctx); err != nil {
		if next != nil {
			next.Close()
		}
		return false, err
	}
	if next == nil {
		return false, nil
	}
	r.endFile()
	r.f.Close()
	r.f = next
	return true, nil
}

// successor opens the file that was begun after the current one, nil when
// there is none yet.
func (r *reader) successor() (*source, error) {
	for {
		n, err := r.index()
		if err != nil || n == 0 {
			return nil, err
		}
		if n < 0 {
			f, err := r.afterGap()
			if f != nil {
				r.note(fmt.Errorf("read log %s: %w", r.path, ErrRotatedAway))
			}
			return f, err
		}
		f, err := openNumber(r.path, n-1)
		if errors.Is(err, fs.ErrNotExist) {
			// The Writer has renamed the file and not made the new one yet, or a
			// rotation goes through the numbers just now. Both end in a change of
			// the directory.
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		// Had the numbers moved between the two looks, f would be another file.
		if again, err := r.index(); err != nil || again == n {
			return f, err
		}
		f.Close()
	}
}

// afterGap opens the oldest file after the current one was deleted. unlink(2)
// lowers the link count a moment before the name stops working (ext4_unlink
// runs before d_delete), so the name may still lead to the deleted file.
func (r *reader) afterGap() (*source, error) {
	f, err := r.oldest()
	if f == nil || err != nil {
		return nil, err
	}
	same, err := holds([]*source{r.f}, f)
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

// index is the number of the current file, 0 for the newest, -1 when it is
// gone.
func (r *reader) index() (int, error) {
	var want unix.Stat_t
	gone := 0
	for range findTries {
		if err := unix.Fstat(int(r.f.Fd()), &want); err != nil {
			return 0, &fs.PathError{Op: "fstat", Path: r.f.Name(), Err: err}
		}
		// Counted before the look: the compressed file is there by then.
		if want.Nlink == 0 {
			gone++
		}
		if n, err := r.find(want); err != nil || n >= 0 {
			return n, err
		}
		if gone == goneTries {
			break
		}
	}
	return -1, nil
}

// find looks once for a file by its inode, -1 when it was not met. Files move
// to higher numbers, and looking upwards meets them unless rotations are
// faster than lstat(2).
func (r *reader) find(want unix.Stat_t) (int, error) {
	missing := 0
	for n := 0; n <= maxIndex && missing < maxGap; n++ {
		there := false
		for _, end := range []string{"", zipped} {
			if n == 0 && end != "" {
				continue
			}
			name := rotated(r.path, n) + end
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
func (r *reader) oldest() (*source, error) {
	files, err := openFiles(r.path)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	for _, f := range files[1:] {
		f.Close()
	}
	return files[0], nil
}
