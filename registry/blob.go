package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"berth/image"
)

// newGround is how much a connection must bring before it counts as one that
// worked: a server may not keep berth busy for ever with a byte at a time.
const newGround = 64 << 10

// Blob implements image.Source. The reader gives blob.Size bytes less offset and
// never more; one that ends early ends with an error. Where a connection breaks or
// falls silent it goes on with a new one, at the next endpoint if need be; it
// gives up after Retry.Tries that brought nothing new, and where the registry says
// that there is nothing to get. The URLs of foreign blobs are not followed.
func (c *Client) Blob(ctx context.Context, ref image.Reference, blob image.Descriptor, offset int64) (io.ReadCloser, error) {
	if _, err := image.ParseDigest(string(blob.Digest)); err != nil {
		return nil, fmt.Errorf("fetch blob: %w", err)
	}
	if offset < 0 || blob.Size < 0 || offset > blob.Size {
		return nil, fmt.Errorf("fetch blob %s: byte %d of %d: no such place", blob.Digest, offset, blob.Size)
	}
	r := &blobReader{client: c, ref: ref, blob: blob, at: offset, worked: offset}
	r.again = func(try int, cause error) bool { return c.pause(ctx, try, cause) && ctx.Err() == nil }
	r.open = func() error { return r.connect(ctx) }
	if offset == blob.Size {
		return r, nil
	}
	if err := r.open(); err != nil {
		return nil, translate(ref, fmt.Errorf("fetch blob %s of %s: %w", blob.Digest, ref.FamiliarName(), err))
	}
	return r, nil
}

// blobReader is a blob that is read over one connection after the other.
type blobReader struct {
	client *Client
	ref    image.Reference
	blob   image.Descriptor
	// at is the next byte to be read; worked is where the tries began that brought
	// little so far, and tries their number.
	at, worked int64
	tries      int
	// resuming: tries are counted here, and no longer below.
	resuming bool
	body     io.ReadCloser
	// open makes a connection that gives the bytes from at on.
	open func() error
	// again waits before the next try, and tells whether to make it.
	again func(try int, cause error) bool
	err   error
}

func (r *blobReader) Read(p []byte) (int, error) {
	for {
		left := r.blob.Size - r.at
		switch {
		case r.err != nil:
			return 0, r.err
		case left == 0:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		n, err := r.body.Read(p[:min(int64(len(p)), left)])
		r.at += int64(n)
		if r.at-r.worked >= newGround {
			r.tries, r.worked = 0, r.at
		}
		if err != nil && r.at < r.blob.Size {
			r.resume(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// resume replaces a connection that ended with cause, or sets r.err.
func (r *blobReader) resume(cause error) {
	if errors.Is(cause, io.EOF) {
		cause = io.ErrUnexpectedEOF
	}
	for {
		r.body.Close()
		r.body, r.resuming = http.NoBody, true
		r.tries++
		if !temporary(cause) || r.tries >= r.client.config.Retry.Tries || !r.again(r.tries, cause) {
			break
		}
		err := r.open()
		if err == nil {
			return
		}
		cause = err
	}
	r.err = fmt.Errorf("fetch blob %s of %s: stopped at byte %d of %d: %w",
		r.blob.Digest, r.ref.FamiliarName(), r.at, r.blob.Size, cause)
}

// Close ends the transfer.
func (r *blobReader) Close() error {
	if r.err == nil {
		r.err = errors.New("read of a closed blob")
	}
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

// connect opens the blob at r.at, at the first endpoint that gives it.
func (r *blobReader) connect(ctx context.Context) error {
	why := blobPurpose(r.ref)
	if r.tries > 1 {
		// A mirror that breaks off again and again still answers at first.
		why = forRegistry
	}
	return r.client.each(ctx, r.ref, why, func(at *endpoint) error {
		body, err := r.fetch(ctx, at, r.at)
		if err == nil {
			r.body = body
		}
		return err
	})
}

// fetch opens the blob at one endpoint. The redirect to where the bytes are, if
// there is one, is asked for anew each time: such addresses expire.
func (r *blobReader) fetch(ctx context.Context, at *endpoint, from int64) (io.ReadCloser, error) {
	req := request{
		method: http.MethodGet,
		path:   at.path("blobs", string(r.blob.Digest)),
		header: http.Header{"Accept-Encoding": {"identity"}},
		scopes: []string{at.scope("pull")},
		accept: []int{http.StatusRequestedRangeNotSatisfiable},
		once:   r.resuming,
	}
	if from > 0 {
		// With its end, which some servers insist on.
		req.header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, r.blob.Size-1))
	}
	resp, err := r.client.send(ctx, at, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		// Some servers say so of any range: ask for all of it.
		discard(resp)
		req.header.Del("Range")
		req.accept = nil
		if resp, err = r.client.send(ctx, at, req); err != nil {
			return nil, err
		}
	}
	if err := r.check(resp, from); err != nil {
		resp.Body.Close()
		return nil, err
	}
	if resp.StatusCode == http.StatusOK && from > 0 {
		// The server does not know ranges: what is here already comes again.
		return &skippedStart{resp.Body, from}, nil
	}
	return resp.Body, nil
}

// skippedStart is a body without its first bytes.
type skippedStart struct {
	io.ReadCloser
	left int64
}

func (s *skippedStart) Read(p []byte) (int, error) {
	if s.left > 0 {
		n, err := io.CopyN(io.Discard, s.ReadCloser, s.left)
		s.left -= n
		if err != nil {
			return 0, err
		}
	}
	return s.ReadCloser.Read(p)
}

// check tells whether a response has the blob from byte from on, or all of it.
func (r *blobReader) check(resp *http.Response, from int64) error {
	switch resp.StatusCode {
	case http.StatusOK:
		if resp.ContentLength >= 0 && resp.ContentLength != r.blob.Size {
			return fmt.Errorf("the registry has %d bytes of it, its manifest says %d", resp.ContentLength, r.blob.Size)
		}
		return nil
	case http.StatusPartialContent:
		header := resp.Header.Get("Content-Range")
		got, ok := parseContentRange(header)
		switch {
		case !ok:
			return fmt.Errorf("the registry sent a part of it that it calls %q", printable(header))
		case got.first != from || got.last >= r.blob.Size:
			return fmt.Errorf("the registry sent bytes %d to %d, asked for those from %d on", got.first, got.last, from)
		case got.size >= 0 && got.size != r.blob.Size:
			return fmt.Errorf("the registry has %d bytes of it, its manifest says %d", got.size, r.blob.Size)
		}
		return nil
	}
	return fmt.Errorf("the registry answered %s to a request for content", resp.Status)
}

// contentRange is the header of that name: first and last byte, and the size of
// the whole, -1 where it is not said.
type contentRange struct{ first, last, size int64 }

// parseContentRange reads "bytes 5-9/10" (RFC 9110 section 14.4).
func parseContentRange(s string) (contentRange, bool) {
	unit, rest, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return contentRange{}, false
	}
	span, whole, ok := strings.Cut(strings.TrimSpace(rest), "/")
	first, last, ok2 := strings.Cut(span, "-")
	if !ok || !ok2 {
		return contentRange{}, false
	}
	r := contentRange{size: -1}
	if whole != "*" {
		if r.size, ok = number(whole); !ok {
			return contentRange{}, false
		}
	}
	r.first, ok = number(first)
	r.last, ok2 = number(last)
	if !ok || !ok2 || r.last < r.first || r.size >= 0 && r.last >= r.size {
		return contentRange{}, false
	}
	return r, true
}

// number reads decimal digits and nothing else, not even a sign.
func number(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
