package archive

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// Holes writes to a file and leaves out long runs of zeros, which take no room
// then.
type Holes struct {
	f    *os.File
	zero []byte
	size int64
	// hole tells that the file ends with one; sparse that it can have any.
	hole, sparse bool
}

// NewHoles returns a writer to a new file. Anything but a regular file gets the
// zeros.
func NewHoles(f *os.File) *Holes {
	info, err := f.Stat()
	return &Holes{f: f, zero: make([]byte, holeSize), sparse: err == nil && info.Mode().IsRegular() && info.Size() == 0}
}

// Write writes all of b.
func (h *Holes) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		part := b[done:min(done+holeSize, len(b))]
		h.hole = h.sparse && len(part) == holeSize && bytes.Equal(part, h.zero)
		if h.hole {
			if _, err := h.f.Seek(int64(len(part)), io.SeekCurrent); err != nil {
				return done, err
			}
		} else if n, err := h.f.Write(part); err != nil {
			return done + n, err
		}
		done += len(part)
		h.size += int64(len(part))
	}
	return done, nil
}

// Close completes the file; it does not close it.
func (h *Holes) Close() error {
	if !h.hole {
		return nil
	}
	if err := h.f.Truncate(h.size); err != nil {
		return fmt.Errorf("truncate: %w", err)
	}
	return nil
}
