package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// maxRedirects is how many hops one request may take, as many as docker's.
const maxRedirects = 10

// request is one thing asked of an endpoint.
type request struct {
	method string
	// path is below the endpoint's server, "/v2/..."; query may be nil.
	path  string
	query url.Values
	// location, if not nil, is where the request goes instead: a server's
	// Location, from endpoint.location.
	location *url.URL
	// header has no secrets: it also goes to other hosts that the registry names.
	header http.Header
	// body opens what is sent, anew for every try; nil for nothing. size is its
	// length in bytes, negative when not known.
	body func() (io.ReadCloser, error)
	size int64
	// scopes are what a token must be good for.
	scopes []string
	// accept lists statuses besides 2xx that are an answer and no error.
	accept []int
	// once: not to be repeated when it fails, except with other credentials.
	once bool
	// patience is how long the answer may take after all was sent, if not
	// Config.Idle.
	patience time.Duration
}

// send makes a request of an endpoint: with the credentials that it wants, through
// redirects, and again where it failed for now. What does not succeed is an error,
// an *Error where the registry answered. The caller closes the response's body,
// whose reads fail when nothing comes for Config.Idle.
func (c *Client) send(ctx context.Context, at *endpoint, r request) (*http.Response, error) {
	var resp *http.Response
	err := c.retry(ctx, c.triesOf(at, &r), func() error {
		var err error
		resp, err = c.authorized(ctx, at, &r) //nolint:bodyclose // the caller does
		return err
	})
	return resp, err
}

// document is an answer that was read into memory.
type document struct {
	from    *url.URL
	header  http.Header
	content []byte
}

// read is send for an answer that is small: again also if it breaks off. One of
// more than limit bytes is an error.
func (c *Client) read(ctx context.Context, at *endpoint, r request, limit int64) (document, error) {
	var got document
	tries := c.triesOf(at, &r)
	r.once = true
	err := c.retry(ctx, tries, func() error {
		resp, err := c.send(ctx, at, r)
		if err != nil {
			return err
		}
		got = document{from: resp.Request.URL, header: resp.Header}
		if got.content, err = readAll(resp, limit); err != nil {
			return fmt.Errorf("read %s: %w", shown(got.from), err)
		}
		return nil
	})
	return got, err
}

// triesOf is how often a request is made of an endpoint: once where there is
// another to ask, which is better than to wait. A registry that has answered has
// no other, only another scheme.
func (c *Client) triesOf(at *endpoint, r *request) func() int {
	once := r.once
	return func() int {
		if once || !at.last && (at.mirror || !at.answered.Load()) {
			return 1
		}
		return c.config.Retry.Tries
	}
}

// maxAnswers is how often one try may answer a refusal for want of credentials:
// with a token, and with one of wider scopes.
const maxAnswers = 2

// authorized makes one try. A refusal for want of credentials is answered with
// what it asks for, but not a refusal of what was made for this very request,
// unless the registry names scopes then that it did not have.
func (c *Client) authorized(ctx context.Context, at *endpoint, r *request) (*http.Response, error) {
	authorization, fresh, err := c.authorization(ctx, at, r.scopes)
	if err != nil {
		return nil, err
	}
	scopes := r.scopes
	for answers := 0; ; answers++ {
		resp, err := c.exchange(ctx, at.origin, r, at.base, authorization)
		if err != nil {
			return nil, err
		}
		refusal := c.refusal(ctx, at, r, resp, authorization)
		if refusal == nil {
			if len(scopes) > len(r.scopes) {
				at.auth.share(scopes, r.scopes)
			}
			return r.judge(resp)
		}
		wider := refusal.widen(scopes)
		if answers == maxAnswers || fresh && len(wider) == len(scopes) {
			return nil, refusal.err
		}
		next, err := c.answer(ctx, at, refusal, authorization, wider)
		if err != nil {
			return nil, err
		}
		authorization, fresh, scopes = next, true, wider
	}
}

// judge makes an error of a status that is none of the answers to r.
func (r *request) judge(resp *http.Response) (*http.Response, error) {
	if resp.StatusCode/100 == 2 || slices.Contains(r.accept, resp.StatusCode) {
		return resp, nil
	}
	return nil, errorOf(resp)
}

// exchange sends r and follows redirects. authorization goes only to owner's
// scheme, host and port, and not even there once another host has led back to it.
func (c *Client) exchange(ctx context.Context, o *origin, r *request, owner *url.URL, authorization string) (*http.Response, error) {
	target := r.location
	if target == nil {
		target = &url.URL{Scheme: o.base.Scheme, Host: o.base.Host, Path: r.path, RawQuery: r.query.Encode()}
	}
	for range maxRedirects {
		if !sameOrigin(target, owner) {
			authorization = ""
		}
		resp, err := c.roundTrip(ctx, o, r, target, authorization)
		if err != nil {
			return nil, err
		}
		next, err := r.redirect(o, resp)
		if err != nil {
			return nil, err
		}
		if next == nil {
			return resp, nil
		}
		target = next
	}
	return nil, fmt.Errorf("%s %s: stopped after %d redirects", r.method, shown(target), maxRedirects)
}

// redirect returns where resp sends r to, nil if it does not. The response is
// closed then, and on an error.
func (r *request) redirect(o *origin, resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		// A method other than these would have to become a GET.
		if r.method != http.MethodGet && r.method != http.MethodHead {
			return nil, nil
		}
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	discard(resp)
	return o.location(resp)
}

// location reads the Location of resp. It may be on another host, to which no
// credentials will go, but it may not give up TLS.
func (o *origin) location(resp *http.Response) (*url.URL, error) {
	from := resp.Request.URL
	next, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("%s %s: the answer %s has no usable Location", resp.Request.Method, shown(from), resp.Status)
	}
	switch {
	case next.Scheme != "http" && next.Scheme != "https" || next.Host == "":
		return nil, fmt.Errorf("%s %s: refused to go to %s: not an address of a web server", resp.Request.Method, shown(from), shown(next))
	case next.Scheme == "http" && from.Scheme == "https" && !o.insecure:
		return nil, fmt.Errorf("%s %s: refused to go to %s: the registry leads away from TLS", resp.Request.Method, shown(from), shown(next))
	}
	next.User, next.Fragment = nil, ""
	return next, nil
}

// discard reads a little of a body that nobody wants, so that its connection can
// be used again, and closes it.
func discard(resp *http.Response) {
	const little = 16 << 10
	// A body that breaks off is no loss here.
	_, _ = io.CopyN(io.Discard, resp.Body, little)
	resp.Body.Close()
}

// readAll reads a body to its end and closes it. One of more than limit bytes is
// an error.
func readAll(resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	if resp.ContentLength > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", errTooLong, resp.ContentLength, limit)
	}
	content, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%w: at most %d bytes are read", errTooLong, limit)
	}
	return content, nil
}

var errTooLong = errors.New("the answer is too long")
