package image

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"berth/archive"
)

// ingest is one layer on its way in. Its parts work at the same time, each in a
// goroutine of its own:
//
//	read, store, hash ─▶ inflate ─▶ hash the tar ─▶ unpack
type ingest struct {
	// source are the layer's bytes as they travel.
	source io.Reader
	// keep is where they are stored; nil when they are.
	keep io.Writer
	// tree is the empty directory that the layer is unpacked into.
	tree   *os.File
	limits Limits
	// window bounds what a zstd stream may ask for.
	window uint64
	// abort, when set, ends a blocked read of the source.
	abort func()
	// arrived, when set, is called once all of the source has been read.
	arrived func()

	// What came out: the blob as it is stored, and the tar in it. The blob is known
	// beside an error, too, when whole tells that its end was reached.
	whole    bool
	blob     Descriptor
	diffID   Digest
	unpacked archive.Unpacked
}

// sourceError is a source that failed, not what came from it.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// intake reads a source, stores and hashes what it reads, and remembers why it
// could not go on.
type intake struct {
	r       io.Reader
	to      []io.Writer
	arrived func()
	err     error
	ended   bool
}

func (t *intake) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	for _, w := range t.to {
		if n == 0 {
			break
		}
		if _, e := w.Write(p[:n]); e != nil {
			err = e
			break
		}
	}
	switch {
	case err == io.EOF && !t.ended:
		t.ended = true
		if t.arrived != nil {
			t.arrived()
		}
	case err != nil && err != io.EOF:
		t.err = &sourceError{err}
		err = t.err
	}
	return n, err
}

// run reads all of the source. Bytes are stored as they came when the image-spec
// has a media type for their compression, for no work is cheaper than work not
// done and every tool reads all three; of a bzip2 stream the tar in it is. Nothing
// is synced.
func (g *ingest) run(ctx context.Context) error {
	br := bufio.NewReaderSize(g.source, 4096)
	kind, err := detectCompression(br)
	if err != nil {
		return &sourceError{fmt.Errorf("read layer: %w", err)}
	}
	mediaType, asIs := kind.mediaType()
	if !asIs {
		mediaType = MediaTypeLayer
	}
	stored, content := newCountingHash(), newCountingHash()
	in := &intake{r: br, arrived: g.arrived}
	var taps []io.Writer
	switch {
	case !asIs:
		content = stored
		taps = g.storing(stored)
	case kind == plain:
		content = stored
		in.to = g.storing(stored)
	default:
		in.to = g.storing(stored)
		taps = []io.Writer{content}
	}
	raw := newReadAhead(in)
	err = g.unpack(ctx, raw, kind, taps)
	if err != nil && g.abort != nil {
		g.abort()
	}
	raw.stop()
	if in.err != nil {
		// Of this the unpacking only knows that there is no more.
		return in.err
	}
	g.whole = in.ended
	g.blob = Descriptor{MediaType: mediaType, Digest: stored.digest(), Size: stored.n}
	g.diffID = content.digest()
	return err
}

// copyOnly is run for a layer that needs no unpacking: its tar is not looked at.
func (g *ingest) copyOnly() error {
	h := newCountingHash()
	in := &intake{r: g.source, to: g.storing(h), arrived: g.arrived}
	buf := make([]byte, aheadSize)
	var err error
	for err == nil {
		_, err = in.Read(buf)
	}
	if err == io.EOF {
		err = nil
	}
	g.whole, g.blob = in.ended, Descriptor{Digest: h.digest(), Size: h.n}
	return err
}

func (g *ingest) storing(h *countingHash) []io.Writer {
	if g.keep == nil {
		return []io.Writer{h}
	}
	return []io.Writer{h, g.keep}
}

// unpack reads the compressed stream to its end.
func (g *ingest) unpack(ctx context.Context, raw io.Reader, kind compression, taps []io.Writer) error {
	counted := &countingReader{r: raw}
	br := bufio.NewReader(counted)
	inflated, err := decompress(br, kind, g.window)
	if err != nil {
		return err
	}
	defer inflated.Close()
	ahead := newReadAhead(&bombGuard{r: inflated, in: counted, limits: g.limits}, taps...)
	g.unpacked, err = archive.Unpack(ctx, ahead, g.tree, g.limits)
	ahead.stop()
	if err != nil {
		// Damaged on its way or made like this? Only the digest can tell, so what is
		// left is read if it is little.
		_, _ = io.CopyN(io.Discard, br, maxRest)
		return err
	}
	// Some compressors leave bytes behind the stream that they end; they are part
	// of the blob.
	_, err = io.Copy(io.Discard, br)
	return err
}

// maxRest is how much of a layer is still read after something in it was refused,
// in bytes.
const maxRest = 16 << 20
