package image

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// saveWriter writes an image layout as a tar: nothing in it depends on when and by
// whom it is written.
type saveWriter struct {
	store   *Store
	out     *bufio.Writer
	tar     *tar.Writer
	written map[Digest]bool
	buffer  []byte
}

func newSaveWriter(w io.Writer, s *Store) *saveWriter {
	out := bufio.NewWriterSize(w, aheadSize)
	return &saveWriter{store: s, out: out, tar: tar.NewWriter(out), written: map[Digest]bool{}, buffer: make([]byte, aheadSize)}
}

// header begins an entry; the time is that of docker's archives.
func (w *saveWriter) header(h tar.Header) error {
	h.ModTime = time.Unix(0, 0)
	return w.tar.WriteHeader(&h)
}

func (w *saveWriter) file(name string, content []byte) error {
	if err := w.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := w.tar.Write(content)
	return err
}

// blob writes a stored blob, once.
func (w *saveWriter) blob(ctx context.Context, blob Descriptor) error {
	if w.written[blob.Digest] {
		return nil
	}
	if len(w.written) == 0 {
		for _, dir := range []string{"blobs/", "blobs/sha256/"} {
			if err := w.header(tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}); err != nil {
				return err
			}
		}
	}
	w.written[blob.Digest] = true
	f, err := w.store.openBlob(blob)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := w.header(tar.Header{Typeflag: tar.TypeReg, Name: blobName(blob.Digest), Mode: 0o644, Size: blob.Size}); err != nil {
		return err
	}
	sum := newCountingHash()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(sum, w.tar)}, struct{ io.Reader }{readerWithContext{ctx, f}}, w.buffer)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != blob.Size {
		return fmt.Errorf("blob %s: is not %d bytes long: %w", blob.Digest, blob.Size, ErrCorrupt)
	}
	if err != nil {
		return err
	}
	if got := sum.digest(); got != blob.Digest {
		return fmt.Errorf("blob %s: content has digest %s: %w", blob.Digest, got, ErrCorrupt)
	}
	return nil
}

func (w *saveWriter) close() error {
	if err := w.tar.Close(); err != nil {
		return err
	}
	return w.out.Flush()
}
