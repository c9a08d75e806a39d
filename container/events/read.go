package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"berth/container/watch"
)

// ReadOptions say which events are read.
type ReadOptions struct {
	// Since and Until are inclusive; a zero Time is no limit.
	Since, Until time.Time
	// Recorded begins with the events that were told before the call, those
	// that the files still have.
	Recorded bool
	// Follow goes on with events as they are told, until Until has passed.
	Follow bool
}

// Read passes events to out, in the order in which they were told. It returns
// out's error, ctx's error, or what made reading impossible. A line that is no
// event is skipped.
func (l *Log) Read(ctx context.Context, o ReadOptions, out func(Event) error) error {
	r := &reader{dir: l.dir, o: o, out: out}
	defer r.close()
	if o.Follow {
		if err := os.MkdirAll(l.dir, 0o700); err != nil {
			return fmt.Errorf("follow events: %w", err)
		}
		r.watch = watch.Folder(l.dir)
		defer r.watch.Close()
	}
	if err := r.begin(); err != nil {
		return err
	}
	return r.run(ctx)
}

// reader is the state of one Read.
type reader struct {
	dir   string
	o     ReadOptions
	out   func(Event) error
	watch *watch.Watch

	f   *os.File // the file being read; nil before there is one
	off int64    // where in it the next line begins
}

func (r *reader) close() {
	if r.f != nil {
		r.f.Close()
	}
}

// begin opens the file to begin with.
func (r *reader) begin() (err error) {
	if r.f, err = open(r.dir + fileName); err != nil {
		return err
	}
	if !r.o.Recorded {
		if r.f != nil {
			r.off, err = r.f.Seek(0, io.SeekEnd)
		}
		return err
	}
	// The older file second: one that is rotated between the two looks is met
	// once more then.
	older, err := open(r.dir + rotatedName)
	if older != nil {
		r.close()
		r.f = older
	}
	return err
}

// open opens a file; nil when there is none.
func open(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return f, nil
}

// run reads to the end of the newest file, and goes on from there if asked to.
func (r *reader) run(ctx context.Context) error {
	var changed <-chan struct{}
	var until <-chan time.Time
	if r.o.Follow {
		changed = r.watch.Changed
		if !r.o.Until.IsZero() {
			timer := time.NewTimer(time.Until(r.o.Until))
			defer timer.Stop()
			until = timer.C
		}
	}
	for last := !r.o.Follow; ; {
		moved, err := r.advance(ctx)
		switch {
		case err != nil:
			return err
		case moved:
			continue
		case last:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-until:
			last = true
		}
	}
}

// advance reads what the file has got and steps to the one after it. moved
// tells that there was one.
func (r *reader) advance(ctx context.Context) (moved bool, err error) {
	// Looked for before the rest is read: a file with a successor gets no event
	// any more, so what is read then is all of it.
	next, err := r.successor()
	if err != nil {
		return false, err
	}
	if r.f != nil {
		err = r.drain(ctx)
	}
	if next == nil || err != nil {
		return false, err
	}
	r.close()
	r.f, r.off = next, 0
	return true, nil
}

// successor opens the file that was begun after the present one; nil when there
// is none yet. A reader that two rotations have left behind goes on with the
// older file, since there is nothing else.
func (r *reader) successor() (*os.File, error) {
	newest, err := open(r.dir + fileName)
	if newest == nil || err != nil || r.f == nil {
		return newest, err
	}
	if same, err := r.reads(newest); same || err != nil {
		newest.Close()
		return nil, err
	}
	older, err := open(r.dir + rotatedName)
	if older == nil || err != nil {
		return newest, err
	}
	// Between the two looks newest may have become the older one: then it is
	// the successor all the same.
	same, err := r.reads(older)
	switch {
	case err != nil:
		newest.Close()
		older.Close()
		return nil, err
	case same:
		older.Close()
		return newest, nil
	}
	newest.Close()
	return older, nil
}

// reads reports whether f is the file being read.
func (r *reader) reads(f *os.File) (bool, error) {
	here, err := r.f.Stat()
	if err != nil {
		return false, fmt.Errorf("read events: %w", err)
	}
	there, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("read events: %w", err)
	}
	return os.SameFile(here, there), nil
}

// readSize is how much is read at a time.
const readSize = 64 << 10

// drain passes on the whole lines up to the end of the file. A part of a line
// is read again when there is more: it may be cut off once more by then.
func (r *reader) drain(ctx context.Context) error {
	buf := make([]byte, 0, readSize)
	for from := r.off; ; {
		buf = append(buf, make([]byte, readSize)...)
		n, err := r.f.ReadAt(buf[len(buf)-readSize:], from)
		buf, from = buf[:len(buf)-readSize+n], from+int64(n)
		for {
			line, rest, whole := bytes.Cut(buf, []byte{'\n'})
			if !whole {
				break
			}
			r.off += int64(len(line)) + 1
			if err := errors.Join(ctx.Err(), r.pass(line)); err != nil {
				return err
			}
			buf = rest
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
	}
}

// pass hands on the event of a line, if it is within the times.
func (r *reader) pass(line []byte) error {
	ev, ok := parse(line)
	if !ok || !r.o.Since.IsZero() && ev.Time.Before(r.o.Since) || !r.o.Until.IsZero() && ev.Time.After(r.o.Until) {
		return nil
	}
	return r.out(ev)
}

// parse reads a line. What a write that was cut short has left before an event
// is no part of it.
func parse(line []byte) (Event, bool) {
	at := bytes.LastIndex(line, []byte(lineStart))
	if at < 0 {
		return Event{}, false
	}
	var ev Event
	return ev, json.Unmarshal(line[at:], &ev) == nil
}
