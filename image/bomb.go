package image

import (
	"fmt"
	"io"
)

// Limits stop a layer that expands without end. Zero fields mean the default.
type Limits struct {
	// Entries is the number of tar entries, default 1,000,000.
	Entries int
	// Bytes is the size of the uncompressed tar, default 256 GiB.
	Bytes int64
	// Ratio is how many times bigger than its compressed form a layer may get once
	// it passes RatioAfter, default 1000. Deflate cannot exceed 1032, and gets
	// there only on constant bytes; zstd can reach 30,000.
	Ratio int64
	// RatioAfter is the uncompressed size in bytes below which the ratio is not
	// looked at, default 1 GiB: a sparse disk image of that size is harmless.
	RatioAfter int64
}

func (l Limits) withDefaults() Limits {
	if l.Entries == 0 {
		l.Entries = 1_000_000
	}
	if l.Bytes == 0 {
		l.Bytes = 256 << 30
	}
	if l.Ratio == 0 {
		l.Ratio = 1000
	}
	if l.RatioAfter == 0 {
		l.RatioAfter = 1 << 30
	}
	return l
}

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
