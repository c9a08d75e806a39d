package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"berth/state"

	"golang.org/x/sys/unix"
)

// fetchDir, below <root>/image, holds the blobs that are on their way, each under
// the digits of its digest. The file's flock is the right to fetch the blob.
const fetchDir = ".fetch"

// partialGrace is how long an incomplete blob waits for somebody to go on with it.
const partialGrace = 24 * time.Hour

func (s *Store) fetchPath() string { return s.dirs.Image() + "/" + fetchDir }

// partial is a blob on its way, held by this process: nobody else fetches it, and
// what is there of it stays when the process ends.
type partial struct {
	path string
	blob Digest
	lock *state.Locked
	file *os.File
	size int64
	// resumed tells that it was there before.
	resumed bool
	// placed tells that it has become a stored blob, which never changes.
	placed bool
}

// openPartial waits until nobody else fetches the blob. By then it may be stored.
func (s *Store) openPartial(ctx context.Context, blob Digest) (*partial, error) {
	path := s.fetchPath() + "/" + blob.Hex()
	lock, err := state.Lock(ctx, path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	p := &partial{path: path, blob: blob, lock: lock, file: f}
	if err == nil {
		var fi os.FileInfo
		if fi, err = f.Stat(); err == nil {
			p.size = fi.Size()
			p.resumed = p.size > 0
		}
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// close lets the next one fetch. An empty file is not left behind.
func (p *partial) close() {
	if p == nil {
		return
	}
	if p.file != nil {
		if p.size == 0 && !p.placed {
			// The lock is held, so the name is that of this very file.
			_ = os.Remove(p.path)
		}
		p.file.Close()
	}
	_ = p.lock.Close()
}

// have returns how many of the blob's bytes are there. What is longer than the
// blob is none of it.
func (p *partial) have(want int64) (int64, error) {
	if p.size > want {
		if err := p.restart(); err != nil {
			return 0, err
		}
	}
	return p.size, nil
}

// reader returns the first n bytes.
func (p *partial) reader(n int64) io.Reader { return io.NewSectionReader(p.file, 0, n) }

// Write appends.
func (p *partial) Write(b []byte) (int, error) {
	n, err := p.file.WriteAt(b, p.size)
	p.size += int64(n)
	return n, err
}

// restart forgets what is there.
func (p *partial) restart() error {
	if p.placed {
		return nil
	}
	p.size = 0
	return p.file.Truncate(0)
}

// arriving is a download: what is read is stored, counted and told.
type arriving struct {
	r          io.Reader
	part       *partial
	want       Descriptor
	done, told int64
	tell       func(done int64)
}

// tellEvery is how many bytes of a download go by between two events.
const tellEvery = 128 << 10

func (a *arriving) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	if n > 0 {
		if _, e := a.part.Write(b[:n]); e != nil {
			return n, e
		}
		a.done += int64(n)
	}
	if a.done > a.want.Size {
		return n, fmt.Errorf("blob %s: is more than %d bytes long: %w", a.want.Digest, a.want.Size, ErrCorrupt)
	}
	if err == io.EOF && a.done < a.want.Size {
		err = fmt.Errorf("blob %s: ended after %d of %d bytes: %w", a.want.Digest, a.done, a.want.Size, io.ErrUnexpectedEOF)
	}
	if a.done-a.told >= tellEvery || err == io.EOF {
		a.told = a.done
		a.tell(a.done)
	}
	return n, err
}

// sweepPartials removes incomplete blobs that nobody went on with for long.
func (s *Store) sweepPartials() error {
	names, err := os.ReadDir(s.fetchPath())
	if err != nil {
		if os.IsNotExist(err) {
			return nil
		}
		return err
	}
	for _, n := range names {
		fi, err := n.Info()
		if err != nil || time.Since(fi.ModTime()) < partialGrace && !strings.HasPrefix(n.Name(), needPrefix) {
			continue
		}
		path := s.fetchPath() + "/" + n.Name()
		lock, err := state.TryLock(path)
		if err != nil {
			continue // Somebody goes on with it just now.
		}
		err = os.Remove(path)
		if e := lock.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}
