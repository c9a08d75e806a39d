package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// readSize is how much is read from a file at a time.
	readSize = 64 << 10
	// maxLine bounds a line of the file. The longest record a Writer makes is
	// six times partialSize and its attributes.
	maxLine = 1 << 20
)

// ReadOptions says which records are read.
type ReadOptions struct {
	// Since and Until are inclusive; a zero Time is no limit.
	Since, Until time.Time
	// Tail is how many of the newest records are taken, before Since and Until
	// pick among them; below 0 takes all. Parts of a long line count each, as in
	// docker.
	Tail int
	// Follow goes on with records as they are written, until Done is closed or
	// Until has passed.
	Follow bool
	// Done is closed once the Writer is closed. What is in the files then is
	// still read.
	Done <-chan struct{}
	// Skipped is told about damaged lines (ErrDamaged) and lost files
	// (ErrRotatedAway). nil ignores them.
	Skipped func(error)
}

// errStop ends reading early without an error.
var errStop = errors.New("stop")

// Read passes the records of the log at path to out, oldest first. It returns
// out's error, ctx's error, or what made reading impossible; a log that does
// not exist has no records. Without Follow it stops at what was there when it
// began.
func Read(ctx context.Context, path string, o ReadOptions, out func(Record) error) error {
	r := &reader{path: path, o: o, out: out}
	if o.Follow {
		// Before the files are opened: a change between the two must wake us.
		r.watch = newWatch(path)
		defer r.watch.close()
	}
	err := r.run(ctx)
	if r.f != nil {
		r.f.Close()
	}
	if err == errStop {
		return nil
	}
	return err
}

// reader is the state of one Read.
type reader struct {
	path  string
	o     ReadOptions
	out   func(Record) error
	watch *watch

	f     *os.File // the file being read
	limit int64    // bytes of f to read still, -1 to its end
	buf   []byte   // read and not yet consumed
	skip  bool     // within a line above maxLine
	dec   decoder
}

// run reads the files that are there, then follows the newest.
func (r *reader) run(ctx context.Context) error {
	files, err := openFiles(r.path)
	if err != nil {
		return err
	}
	start, err := tailStart(files, r.o.Tail)
	if err != nil {
		closeAll(files)
		return err
	}
	for i, f := range files {
		newest := i == len(files)-1
		if err == nil && i >= start.file {
			r.f = f
			err = r.begin(start.offset, newest)
			start.offset = 0
			if err == nil {
				err = r.drain(ctx)
			}
		}
		// The newest stays for follow, and Read closes it.
		if !newest || r.f != f {
			r.endFile()
			f.Close()
			r.f = nil
		}
	}
	if err != nil {
		return err
	}
	if r.o.Follow {
		return r.follow(ctx)
	}
	r.endFile()
	return nil
}

// begin goes to where reading the current file begins. Without Follow the
// newest file is read up to its present size, or a busy container would keep
// its reader for ever.
func (r *reader) begin(offset int64, newest bool) (err error) {
	if _, err := r.f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	r.limit = -1
	if newest && !r.o.Follow {
		r.limit, err = restOf(r.f)
	}
	return err
}

// restOf is how many bytes follow the position of f.
func restOf(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	at, err := f.Seek(0, io.SeekCurrent)
	return max(0, st.Size()-at), err
}

// drain reads the current file to its end, or to the limit, and passes on all
// whole lines.
func (r *reader) drain(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.buf = growFor(r.buf, readSize)
		free := r.buf[len(r.buf):cap(r.buf)]
		if r.limit >= 0 {
			free = free[:min(int64(len(free)), r.limit)]
		}
		if len(free) == 0 {
			return nil
		}
		n, err := r.f.Read(free)
		r.buf = r.buf[:len(r.buf)+n]
		if r.limit >= 0 {
			r.limit -= int64(n)
		}
		if lineErr := r.lines(); lineErr != nil {
			return lineErr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// growFor makes room for n more bytes.
func growFor(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	bigger := make([]byte, len(b), max(2*cap(b), len(b)+n))
	copy(bigger, b)
	return bigger
}

// lines consumes the whole lines of the buffer.
func (r *reader) lines() error {
	at := 0
	for {
		n := bytes.IndexByte(r.buf[at:], '\n')
		if n < 0 {
			break
		}
		line := r.buf[at : at+n]
		at += n + 1
		if r.skip {
			r.skip = false
			continue
		}
		if err := r.line(line); err != nil {
			return err
		}
	}
	r.buf = r.buf[:copy(r.buf, r.buf[at:])]
	if len(r.buf) > maxLine {
		if !r.skip {
			r.note(fmt.Errorf("read log %s: %w: longer than %d bytes", r.f.Name(), ErrDamaged, maxLine))
		}
		r.skip, r.buf = true, r.buf[:0]
	}
	return nil
}

// line passes on one record if it is asked for.
func (r *reader) line(line []byte) error {
	rec, err := r.dec.decode(line)
	if err != nil {
		r.note(fmt.Errorf("read log %s: %w", r.f.Name(), err))
		return nil
	}
	if !r.o.Since.IsZero() && rec.Time.Before(r.o.Since) {
		return nil
	}
	if !r.o.Until.IsZero() && rec.Time.After(r.o.Until) {
		return errStop
	}
	return r.out(rec)
}

// endFile gives up a line whose end is missing at the end of a file.
func (r *reader) endFile() {
	if len(r.buf) > 0 && !r.skip && r.f != nil {
		r.note(fmt.Errorf("read log %s: %w: its end is missing", r.f.Name(), ErrDamaged))
	}
	r.buf, r.skip = r.buf[:0], false
}

// note tells the caller about something that was left out.
func (r *reader) note(err error) {
	if r.o.Skipped != nil {
		r.o.Skipped(err)
	}
}
