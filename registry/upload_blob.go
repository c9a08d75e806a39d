package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"berth/image"
)

// Sizes, in bytes, and bounds of uploads.
const (
	// uploadChunk is how much of a blob one request has. Smaller blobs go in one
	// request; of larger ones no more than this is lost where a registry keeps
	// nothing of a request that broke.
	uploadChunk = 64 << 20
	// maxSessions is how often one upload is begun anew, because the registry
	// forgot it, does not say what it has (docker's own, up to version 2, loses
	// count of a chunk that broke), or did not like how it went. Docker has as many.
	maxSessions = 5
)

// UploadBlob sends a blob in pieces that the registry can take. Where a
// connection breaks, the registry is asked how much it has, and open for the rest.
func (c *Client) UploadBlob(ctx context.Context, ref image.Reference, blob image.Descriptor, open func(offset int64) (io.ReadCloser, error)) error {
	return c.each(ctx, ref, direct, func(at *endpoint) error {
		u := &upload{client: c, at: at, ref: ref, blob: blob, open: open, chunk: uploadChunk}
		return u.run(ctx)
	})
}

// upload is one blob on its way to an endpoint.
type upload struct {
	client *Client
	at     *endpoint
	ref    image.Reference
	blob   image.Descriptor
	open   func(offset int64) (io.ReadCloser, error)

	session *session
	// sent is how much the registry has.
	sent int64
	// chunk is how much one request may have.
	chunk int64
	// resumed: the registry's word was taken for what it has of a broken request.
	resumed bool
}

// run tries with one session after the other.
func (u *upload) run(ctx context.Context) error {
	for n := 1; ; n++ {
		err := u.begin(ctx)
		if err == nil {
			err = u.transfer(ctx)
		}
		if err == nil {
			return nil
		}
		again := n < maxSessions && ctx.Err() == nil && u.startOver(err)
		if u.session != nil {
			u.session.cancel(ctx)
			u.session = nil
		}
		if !again {
			return err
		}
		// It may be only the last answer that was lost.
		if has, err := u.client.hasBlob(ctx, u.at, u.blob); err != nil || has {
			return err
		}
	}
}

// begin takes the session that a failed mount left, or opens one.
func (u *upload) begin(ctx context.Context) error {
	u.sent, u.resumed = 0, false
	if u.session = u.client.takeSession(u.ref, u.blob); u.session != nil && u.session.at.origin == u.at.origin {
		return nil
	}
	var err error
	u.session, err = u.client.openSession(ctx, u.at)
	return err
}

// lostError: what became of the session cannot be found out.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// disorderError: a chunk was not what the registry has to get next. It has end
// bytes, if it said so.
type disorderError struct {
	refusal *Error
	end     int64
	known   bool
}

func (e *disorderError) Error() string { return e.refusal.Error() }
func (e *disorderError) Unwrap() error { return e.refusal }

// startOver decides whether a failure can be the session's, and adapts what is
// done in the next one.
func (u *upload) startOver(err error) bool {
	var lost *lostError
	var refused *Error
	switch {
	case u.session == nil:
		return false
	case errors.As(err, &lost):
		return true
	case !errors.As(err, &refused):
		return false
	case refused.Status == http.StatusNotFound:
		return true
	}
	switch refused.Status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusLengthRequired, http.StatusRequestEntityTooLarge,
		http.StatusRequestedRangeNotSatisfiable, http.StatusNotImplemented:
	default:
		return false
	}
	if u.resumed {
		// What it had was not what it said.
		return true
	}
	if refused.Code == codeDigestInvalid {
		return false
	}
	// Some registries take a blob in one piece only.
	pieces := u.chunk < u.blob.Size
	u.chunk = max(u.chunk, u.blob.Size)
	return pieces
}

// transfer sends what is left, and finds out after each failure what that is.
func (u *upload) transfer(ctx context.Context) error {
	for idle := 0; ; {
		before := u.sent
		done, err := u.step(ctx)
		if done {
			return nil
		}
		if u.sent > before {
			idle = 0
			continue
		}
		idle++
		if err == nil {
			err = &lostError{fmt.Errorf("upload blob %s: the registry took none of %d bytes", u.blob.Digest, u.blob.Size-u.sent)}
		}
		if err := u.recover(ctx, err, idle); err != nil {
			return err
		}
		if u.sent > before {
			idle = 0
		}
	}
}

// step makes one request: a chunk, or the end of the blob with what is left.
func (u *upload) step(ctx context.Context) (done bool, err error) {
	rest, chunk := u.blob.Size-u.sent, max(u.chunk, u.session.minimum)
	switch {
	case u.sent == 0 && rest <= chunk:
		err = u.finish(ctx, rest)
	case rest > 0:
		return false, u.patch(ctx, min(rest, chunk))
	default:
		err = u.finish(ctx, 0)
	}
	return err == nil, err
}

// patch sends a chunk of n bytes.
func (u *upload) patch(ctx context.Context, n int64) error {
	resp, err := u.send(ctx, http.MethodPatch, "", n)
	if err != nil {
		return err
	}
	end, known := rangeEnd(resp.Header)
	follow := u.session.follow(resp)
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return errors.Join(follow, &disorderError{refusal: errorOf(resp), end: end, known: known})
	}
	discard(resp)
	if !known {
		end = u.sent + n
	}
	if end < u.sent || end > u.sent+n {
		return fmt.Errorf("upload blob %s: the registry says that it has %d bytes after it was sent %d", u.blob.Digest, end, u.sent+n)
	}
	u.sent = end
	return follow
}

// finish sends the last n bytes, and with them which digest it all has.
func (u *upload) finish(ctx context.Context, n int64) error {
	resp, err := u.send(ctx, http.MethodPut, string(u.blob.Digest), n)
	if err != nil {
		return err
	}
	discard(resp)
	return checkStored(resp, "upload blob "+string(u.blob.Digest), string(u.blob.Digest))
}

// send makes one request of the session with n bytes from where the upload is.
func (u *upload) send(ctx context.Context, method, digest string, n int64) (*http.Response, error) {
	r := u.session.request(method)
	r.location = u.session.completed(digest)
	r.header = http.Header{"Content-Type": {"application/octet-stream"}}
	r.body = func() (io.ReadCloser, error) { return u.piece(n) }
	// What is left to do after a failure is not the same again.
	r.size, r.once = n, true
	if method == http.MethodPatch {
		r.header.Set("Content-Range", fmt.Sprintf("%d-%d", u.sent, u.sent+n-1))
		r.accept = []int{http.StatusRequestedRangeNotSatisfiable}
	} else {
		r.patience = commitPatience
	}
	return u.client.send(ctx, u.at, r)
}

// piece is the next n bytes of the blob.
func (u *upload) piece(n int64) (io.ReadCloser, error) {
	if n == 0 {
		return http.NoBody, nil
	}
	source, err := u.open(u.sent)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(source, n), source}, nil
}

// recover finds out how much the registry has after a request that failed; its
// error ends the session.
func (u *upload) recover(ctx context.Context, err error, failures int) error {
	var disorder *disorderError
	var lost *lostError
	if !errors.As(err, &disorder) && !errors.As(err, &lost) && !temporary(err) {
		return err
	}
	if failures >= u.client.config.Retry.Tries {
		if lost != nil {
			// Enough was tried: it is not for another session to find out.
			return lost.err
		}
		return err
	}
	if !u.client.pause(ctx, failures, err) {
		return err
	}
	var end int64
	if disorder != nil && disorder.known {
		end = disorder.end
	} else if end, err = u.status(ctx, err); err != nil {
		return err
	}
	if end > u.blob.Size {
		return fmt.Errorf("upload blob %s: the registry says that it has %d bytes of %d", u.blob.Digest, end, u.blob.Size)
	}
	u.sent, u.resumed = end, true
	return nil
}

// status asks how much the registry has. Not all of them tell.
func (u *upload) status(ctx context.Context, cause error) (int64, error) {
	end, err := u.session.status(ctx)
	var refused *Error
	if errors.As(err, &refused) && refused.Status/100 == 4 {
		return 0, &lostError{cause}
	}
	if err != nil {
		return 0, errors.Join(cause, err)
	}
	return end, nil
}
