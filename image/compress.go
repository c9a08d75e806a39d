package image

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"berth/image/inflate"

	"github.com/klauspost/compress/zstd"
)

// compression is how a layer's tar travels.
type compression int

const (
	plain compression = iota
	gzipped
	zstandard
	bzipped
	xzipped
)

// Bounds of the memory that one zstd stream may ask for, in bytes. The wide one is
// the largest window that zstd's own command line decodes without being told to;
// what builds images stays below the usual one.
const (
	wideWindow  = 128 << 20
	usualWindow = 16 << 20
)

// detectCompression looks at the first bytes of r without consuming them. What
// it does not know is taken for a plain tar, whose reader then judges it.
func detectCompression(r *bufio.Reader) (compression, error) {
	head, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return plain, err
	}
	for _, m := range []struct {
		magic string
		kind  compression
	}{
		{"\x1f\x8b", gzipped}, {"\x28\xb5\x2f\xfd", zstandard}, {"BZh", bzipped}, {"\xfd7zXZ\x00", xzipped},
	} {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.kind, nil
		}
	}
	// A skippable frame (RFC 8878 3.1.2) may come first: zstd:chunked has them.
	if len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte("\x2a\x4d\x18")) {
		return zstandard, nil
	}
	return plain, nil
}

// decompress returns the tar inside r, whose zstd frames may have windows of so many
// bytes. The caller closes the result, which does not close r.
func decompress(r io.Reader, kind compression, window uint64) (io.ReadCloser, error) {
	switch kind {
	case gzipped:
		z, err := inflate.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("read gzip: %w", err)
		}
		return io.NopCloser(z), nil
	case zstandard:
		// One goroutine: berth overlaps at the level of the whole pipeline, and a
		// start of berth must not pay for workers.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, fmt.Errorf("read zstd: %w", err)
		}
		return z.IOReadCloser(), nil
	case bzipped:
		return io.NopCloser(bzip2.NewReader(r)), nil
	case xzipped:
		return nil, errors.New("read archive: xz is not supported: pipe it through `xz -dc`")
	}
	return io.NopCloser(r), nil
}

// mediaType returns the layer type under which bytes of this kind are stored as
// they are, or false when the image-spec has none (bzip2).
func (c compression) mediaType() (string, bool) {
	switch c {
	case plain:
		return MediaTypeLayer, true
	case gzipped:
		return MediaTypeLayerGzip, true
	case zstandard:
		return MediaTypeLayerZstd, true
	}
	return "", false
}

// Decompress returns what is in a stream that may be compressed with gzip, bzip2
// or zstd, told by its first bytes. The caller closes the result, which does not
// close r.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReader(r)
	kind, err := detectCompression(br)
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	return decompress(br, kind, wideWindow)
}
