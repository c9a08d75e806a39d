package registry

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"berth/image"
)

const (
	// commitPatience is how long a registry may take to make a blob or manifest of
	// what it was sent: those on object stores copy it once more.
	commitPatience = 15 * time.Minute
	// cancelPatience bounds the courtesy of ending an upload that failed.
	cancelPatience = 3 * time.Second
)

// session is an upload that a registry has opened. Its address is the registry's
// to choose, and to change with each answer.
type session struct {
	client   *Client
	at       *endpoint
	location *url.URL
	// minimum is the least that a chunk may have, except the last, in bytes.
	minimum int64
}

// openSession asks for a new one.
func (c *Client) openSession(ctx context.Context, at *endpoint) (*session, error) {
	resp, err := c.send(ctx, at, request{
		method: http.MethodPost, path: at.path("blobs", "uploads/"), scopes: []string{at.scope("pull,push")},
	})
	if err != nil {
		return nil, err
	}
	discard(resp)
	return c.sessionOf(at, resp)
}

// sessionOf reads the answer that opens a session.
func (c *Client) sessionOf(at *endpoint, resp *http.Response) (*session, error) {
	s := &session{client: c, at: at}
	if least, err := strconv.ParseInt(resp.Header.Get("OCI-Chunk-Min-Length"), 10, 64); err == nil {
		s.minimum = least
	}
	location, err := at.location(resp)
	if err != nil {
		return nil, err
	}
	s.location = location
	return s, nil
}

// follow goes where the answer says that the session is from now on.
func (s *session) follow(resp *http.Response) error {
	if resp.Header.Get("Location") == "" {
		return nil
	}
	next, err := s.at.location(resp)
	if err == nil {
		s.location = next
	}
	return err
}

func (s *session) request(method string) request {
	return request{method: method, location: s.location, scopes: []string{s.at.scope("pull,push")}}
}

// completed is the session's address with the blob's digest; what is there in the
// query, a signature maybe, stays as it is to the byte.
func (s *session) completed(digest string) *url.URL {
	u := *s.location
	if digest == "" {
		return &u
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "digest=" + url.QueryEscape(digest)
	return &u
}

// status asks how much the registry has. One that does not say has nothing.
func (s *session) status(ctx context.Context) (int64, error) {
	resp, err := s.client.send(ctx, s.at, s.request(http.MethodGet))
	if err != nil {
		return 0, err
	}
	discard(resp)
	end, _ := rangeEnd(resp.Header)
	return end, s.follow(resp)
}

// cancel lets the registry drop what it has. It is done even when ctx has ended,
// and what comes of it does not matter: registries forget uploads by themselves.
func (s *session) cancel(ctx context.Context) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelPatience)
	defer stop()
	r := s.request(http.MethodDelete)
	r.once = true
	if resp, err := s.client.send(ctx, s.at, r); err == nil {
		discard(resp)
	}
}

// rangeEnd reads how many bytes the registry has from its Range header, "0-99"
// for a hundred of them. "0-0" is what all say who have none, though it should be
// one; with one byte missing or doubled the digest would not fit in the end.
func rangeEnd(h http.Header) (end int64, known bool) {
	value := strings.TrimPrefix(h.Get("Range"), "bytes=")
	first, last, ok := strings.Cut(value, "-")
	n, err := strconv.ParseInt(last, 10, 64)
	if !ok || first != "0" || err != nil || n < 0 {
		return 0, false
	}
	if n == 0 {
		return 0, true
	}
	return n + 1, true
}

// leaveSession keeps a session for the upload that follows a failed mount.
func (c *Client) leaveSession(ref image.Reference, blob image.Descriptor, s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[ref.Name()+"@"+string(blob.Digest)] = s
}

// takeSession returns what leaveSession kept, nil for nothing.
func (c *Client) takeSession(ref image.Reference, blob image.Descriptor) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := ref.Name() + "@" + string(blob.Digest)
	s := c.sessions[key]
	delete(c.sessions, key)
	return s
}
