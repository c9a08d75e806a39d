package archive

import "io"

// Limits stop a layer that expands without end. Zero fields mean no limit to
// [Extract], and the default to [Unpack].
type Limits struct {
	// Entries is the number of tar entries, default 1,000,000. Directories, described
	// or not, may be half as many, and 10,000 in any case.
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

// OrDefaults returns the limits with defaults for zero fields.
func (l Limits) OrDefaults() Limits {
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
