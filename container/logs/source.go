package logs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"
)

// openFile opens one file of a log.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
}

// source is an open file of a log, compressed or not.
type source struct {
	*os.File
	zip *gzip.Reader // nil for one that is not
	bad error        // why its bytes cannot be had
}

// openNumber opens the n-th older file, in the form that it has.
func openNumber(path string, n int) (*source, error) {
	name := rotated(path, n)
	f, err := openFile(name)
	if n == 0 || !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, err
		}
		return &source{File: f}, nil
	}
	// It is compressed, not there, or has just been compressed: in that case
	// the new name came before the old one went.
	if f, err = openFile(name + zipped); err != nil {
		return nil, err
	}
	s := &source{File: f}
	if s.zip, err = gzip.NewReader(f); err != nil {
		s.bad = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

// compressed reports whether offsets in the file mean nothing.
func (s *source) compressed() bool { return s.zip != nil || s.bad != nil }

// Read reads records. An error that wraps ErrDamaged ends a compressed file.
func (s *source) Read(p []byte) (int, error) {
	switch {
	case s.bad != nil:
		return 0, s.bad
	case s.zip == nil:
		return s.File.Read(p)
	}
	n, err := s.zip.Read(p)
	if err != nil && err != io.EOF {
		s.bad = fmt.Errorf("%w: %w", ErrDamaged, err)
		return n, s.bad
	}
	return n, err
}

// rewind goes back to the start.
func (s *source) rewind() error {
	if _, err := s.Seek(0, io.SeekStart); err != nil || !s.compressed() {
		return err
	}
	s.bad = nil
	if s.zip == nil {
		s.zip = new(gzip.Reader)
	}
	if err := s.zip.Reset(s.File); err != nil {
		s.bad = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
