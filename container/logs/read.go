package logs

import (
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
	// Idle is called before waiting for more records, and at the end: what was
	// passed on may be shown now. nil does nothing.
	Idle func()
	// Skipped is told about damage (ErrDamaged), lost files (ErrRotatedAway)
	// and what was never written (ErrDropped). nil ignores them.
	Skipped func(error)
}

// errStop ends reading early without an error.
var errStop = errors.New("stop")

// readLogFiles reads the files of a driver.
func readLogFiles(newCodec func(map[string]string) codec) func(context.Context, Container, ReadOptions, func(Record) error) error {
	return func(ctx context.Context, c Container, o ReadOptions, out func(Record) error) error {
		return readFiles(ctx, c.LogPath, newCodec(nil), o, out)
	}
}

// readFiles reads the log at path.
func readFiles(ctx context.Context, path string, c codec, o ReadOptions, out func(Record) error) error {
	r := &reader{path: path, codec: c, o: o, out: out}
	if o.Follow {
		// Before the files are opened: a change between the two must wake us.
		r.chase = newChaser(path)
		defer r.chase.close()
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
	codec codec
	o     ReadOptions
	out   func(Record) error
	chase *chaser // nil without Follow

	f     *source // the file being read
	limit int64   // bytes of f to read still, -1 to its end
	skip  int     // records to pass over
	buf   []byte  // read and not yet consumed
}

// run reads the files that are there, then follows the newest.
func (r *reader) run(ctx context.Context) error {
	files, err := openFiles(r.path)
	if err != nil {
		return err
	}
	start, err := tailStart(files, r.codec, r.o.Tail)
	if err != nil {
		closeAll(files)
		return err
	}
	if r.o.Follow {
		var newest *source
		if len(files) > 0 {
			newest = files[len(files)-1]
		}
		r.chase.start(newest)
	}
	for i, f := range files {
		newest := i == len(files)-1
		if err == nil && i >= start.file {
			r.f = f
			r.skip = start.skip
			err = r.begin(start.offset, newest)
			start.offset, start.skip = 0, 0
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
	r.limit = -1
	if r.f.compressed() {
		return nil // it is at its start, and only that can be asked for
	}
	if _, err := r.f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	if newest && !r.o.Follow {
		r.limit, err = restOf(r.f.File)
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
// whole records.
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
		if recordErr := r.records(); recordErr != nil {
			return recordErr
		}
		if errors.Is(err, ErrDamaged) {
			r.note(fmt.Errorf("read log %s: %w", r.f.Name(), err))
			return nil
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

// records consumes the whole records of the buffer.
func (r *reader) records() error {
	at := 0
	for at < len(r.buf) {
		n, rec, err := r.codec.next(r.buf[at:])
		if n == 0 {
			break
		}
		at += n
		switch {
		case err == errMoreDamage:
		case err != nil:
			r.note(fmt.Errorf("read log %s: %w", r.f.Name(), err))
		default:
			err = r.record(rec)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
	}
	r.buf = r.buf[:copy(r.buf, r.buf[at:])]
	return nil
}

// record passes on one record if it is asked for.
func (r *reader) record(rec Record) error {
	if r.skip > 0 {
		r.skip--
		return nil
	}
	return r.o.pass(rec, r.out)
}

// pass passes on a record within the times that are asked for; errStop when
// none can follow.
func (o *ReadOptions) pass(rec Record, out func(Record) error) error {
	if !o.Since.IsZero() && rec.Time.Before(o.Since) {
		return nil
	}
	if !o.Until.IsZero() && rec.Time.After(o.Until) {
		return errStop
	}
	return out(rec)
}

// endFile gives up a record whose end is missing at the end of a file.
func (r *reader) endFile() {
	if told := r.codec.reset(); len(r.buf) > 0 && r.f != nil && !told {
		r.note(fmt.Errorf("read log %s: %w: its end is missing", r.f.Name(), ErrDamaged))
	}
	r.buf = r.buf[:0]
}

// note tells the caller about something that was left out.
func (r *reader) note(err error) {
	if r.o.Skipped != nil {
		r.o.Skipped(err)
	}
}
