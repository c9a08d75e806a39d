package image

import (
	"fmt"
	"io"

	"berth/archive"
)

// Limits stop a layer that expands without end. Zero fields mean the default.
type Limits = archive.Limits

// bombGuard fails a read of an uncompressed stream that has outgrown its limits.
// in counts the compressed bytes read so far.
type bombGuard struct {
	r      io.Reader
	in     *countingReader
	limits Limits
	out    int64
}

func (g *bombGuard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	g.out += int64(n)
	if g.out > g.limits.Bytes {
		return n, fmt.Errorf("%w: more than %d bytes uncompressed", ErrLayerTooBig, g.limits.Bytes)
	}
	if g.out > g.limits.RatioAfter && g.out/g.limits.Ratio > g.in.n {
		return n, fmt.Errorf("%w: %d bytes expand to more than %d times their size", ErrLayerTooBig, g.in.n, g.limits.Ratio)
	}
	return n, err
}

// countingReader counts what was read through it.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
