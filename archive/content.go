package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// holeSize is the unit, in bytes, in which runs of zeros become holes. Files in
// layers are rarely sparse on purpose; one that expands from nothing should not
// fill the disk.
const holeSize = 64 << 10

// copyData writes a file's content, leaving holes where it is zero.
func (u *extractor) copyData(ctx context.Context, fd int, p string, data io.Reader) error {
	var size int64
	hole := false
	for {
		n, err := io.ReadFull(data, u.buf)
		if n > 0 {
			var e error
			if hole, e = u.writeBlock(fd, p, u.buf[:n]); e != nil {
				return e
			}
			size += int64(n)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			// io.ReadFull says ErrUnexpectedEOF for a short last block, and so does the
			// tar reader for an archive that is cut: the next read tells them apart.
			if _, cut := data.Read(u.buf[:1]); cut != nil && cut != io.EOF {
				return fmt.Errorf("read content of %q: %w", p, cut)
			}
			break
		}
		if err != nil {
			return fmt.Errorf("read content of %q: %w", p, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if hole {
		if err := unix.Ftruncate(fd, size); err != nil {
			return fmt.Errorf("truncate %q: %w", p, err)
		}
	}
	return nil
}

// writeBlock writes a block, or passes over it when that leaves a hole.
func (u *extractor) writeBlock(fd int, p string, b []byte) (hole bool, err error) {
	if hole = len(b) == holeSize && bytes.Equal(b, u.zero); hole {
		if _, err := unix.Seek(fd, int64(len(b)), io.SeekCurrent); err != nil {
			return hole, fmt.Errorf("seek %q: %w", p, err)
		}
	} else if err := writeAll(fd, b); err != nil {
		return hole, fmt.Errorf("write %q: %w", p, err)
	}
	u.out.Size += int64(len(b))
	return hole, u.checkExpansion()
}

// checkExpansion catches sparse entries, which claim any size in a short tar.
func (u *extractor) checkExpansion() error {
	if u.limits.Bytes == 0 {
		return nil
	}
	if u.out.Size > u.limits.Bytes || u.out.Size > u.limits.RatioAfter && u.out.Size/u.limits.Ratio > u.in.n {
		return fmt.Errorf("%w: %d bytes of tar expand to %d bytes of files", ErrTooBig, u.in.n, u.out.Size)
	}
	return nil
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
