package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"berth/image"
)

// someBlob is content that shows where it was cut wrongly.
func someBlob(n int) (image.Descriptor, []byte) {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i / 7)
	}
	return image.Descriptor{Digest: image.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(b))), Size: int64(n)}, b
}

func opener(b []byte) func(int64) (io.ReadCloser, error) {
	return func(offset int64) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b[offset:])), nil }
}

// uploadIn is UploadBlob with chunks of another size.
func (c *Client) uploadIn(ctx context.Context, chunk int64, blob image.Descriptor, b []byte) error {
	return c.each(ctx, pushRef(), direct, func(at *endpoint) error {
		u := &upload{client: c, at: at, ref: pushRef(), blob: blob, open: opener(b), chunk: chunk}
		return u.run(ctx)
	})
}

func wantBlob(t *testing.T, s *pushSite, c *Client, blob image.Descriptor) {
	t.Helper()
	s.mu.Lock()
	s.fail, s.change = nil, nil
	s.mu.Unlock()
	has, err := c.HasBlob(t.Context(), pushRef(), blob)
	if err != nil || !has {
		t.Errorf("the registry has the blob: %v, error %v; calls %q", has, err, s.calls)
	}
}

func TestUpload(t *testing.T) {
	for _, c := range []struct {
		name    string
		size    int
		chunk   int64
		tells   bool
		cut     []int64
		change  func(r *http.Request, status int, h http.Header)
		methods string
	}{
		{name: "small, at once", size: 100, methods: "POST PUT"},
		{name: "empty", size: 0, methods: "POST PUT"},
		{name: "in chunks", size: 1000, chunk: 400, methods: "POST PATCH PATCH PATCH PUT"},
		{name: "whole chunks", size: 800, chunk: 400, methods: "POST PATCH PATCH PUT"},
		{name: "chunks that the registry wants larger", size: 1000, chunk: 10, methods: "POST PATCH PATCH PUT",
			change: func(r *http.Request, status int, h http.Header) { h.Set("OCI-Chunk-Min-Length", "600") }},
		{name: "cut and resumed", size: 1000, chunk: 400, tells: true, cut: []int64{150, 20}, methods: "POST PATCH GET PATCH GET PATCH PATCH PATCH PUT"},
		{name: "cut at once and resumed", size: 1000, tells: true, cut: []int64{150}, methods: "POST PUT GET PATCH PUT"},
		{name: "cut, and the registry does not tell", size: 1000, chunk: 400, cut: []int64{150}, methods: "POST PATCH GET DELETE HEAD POST PATCH PATCH PATCH PUT"},
		{name: "no Range in answers", size: 1000, chunk: 400, methods: "POST PATCH PATCH PATCH PUT",
			change: func(r *http.Request, status int, h http.Header) { h.Del("Range") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newPushSite(t)
			s.tells, s.cut, s.change = c.tells, c.cut, c.change
			if c.chunk == 0 {
				c.chunk = uploadChunk
			}
			client := pushClient(t, s)
			blob, b := someBlob(c.size)
			if err := client.uploadIn(t.Context(), c.chunk, blob, b); err != nil {
				t.Fatalf("%v; calls %q", err, s.calls)
			}
			if got := strings.Join(s.methods(), " "); got != c.methods {
				t.Errorf("requests %s, want %s", got, c.methods)
			}
			wantBlob(t, s, client, blob)
		})
	}
}

func TestUploadLocations(t *testing.T) {
	elsewhere := newPushSite(t)
	for _, c := range []struct {
		name     string
		location func(s *pushSite, path string) string
		want     string
	}{
		{"relative", func(_ *pushSite, path string) string { return path[strings.LastIndex(path, "/")+1:] }, ""},
		{"absolute", func(s *pushSite, path string) string { return s.URL + path }, ""},
		{"with a query", func(_ *pushSite, path string) string { return path + "?state=a%2Fb==&x" }, "?state=a%2Fb==&x&digest=sha256%3A"},
		{"on another host", func(_ *pushSite, path string) string { return elsewhere.URL + path }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newPushSite(t)
			elsewhere.inner = s.inner
			s.fail = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Authorization") != "" {
					return false
				}
				w.Header().Set("WWW-Authenticate", "Basic")
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			s.change = func(r *http.Request, status int, h http.Header) {
				if status == http.StatusAccepted {
					path := h.Get("Location")
					if r.Method == http.MethodPost && c.name == "relative" {
						path = "/x/" + path[strings.LastIndex(path, "/")+1:]
					}
					h.Set("Location", c.location(s, path))
				}
			}
			client := pushClient(t, s)
			blob, b := someBlob(1000)
			if err := client.uploadIn(t.Context(), 400, blob, b); err != nil {
				t.Fatalf("%v; calls %q", err, s.calls)
			}
			if s.called(c.want)+elsewhere.called(c.want) == 0 {
				t.Errorf("calls %q, want one with %q", s.calls, c.want)
			}
			wantBlob(t, s, client, blob)
		})
	}
	if n := elsewhere.called("PATCH"); n != 3 {
		t.Errorf("the other host got %d chunks, want 3", n)
	}
	if slices.ContainsFunc(elsewhere.secrets, func(s string) bool { return s != "" }) {
		t.Errorf("the other host got credentials: %q", elsewhere.secrets)
	}
}

// answer replies to the nth request that matches with a status, and lets the
// others pass.
func answer(method, part string, status, n int, header ...string) func(http.ResponseWriter, *http.Request) bool {
	seen := 0
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method || !strings.Contains(r.URL.Path, part) {
			return false
		}
		if seen++; seen > n {
			return false
		}
		// A client that is not read to the end may not look at the answer.
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		return true
	}
}

func TestUploadFaults(t *testing.T) {
	for _, c := range []struct {
		name    string
		fail    func(http.ResponseWriter, *http.Request) bool
		tells   bool
		methods string
		err     string
	}{
		{name: "busy at the start", fail: answer("POST", "", 503, 2), methods: "POST POST POST PATCH PATCH PATCH PUT"},
		{name: "too many requests", fail: answer("PATCH", "", 429, 1), tells: true, methods: "POST PATCH GET PATCH PATCH PATCH PUT"},
		{name: "wait longer than anyone waits", fail: answer("PATCH", "", 429, 1, "Retry-After", "7200"), methods: "POST PATCH DELETE", err: "too many requests"},
		{name: "the range does not fit, with the right one", fail: answer("PATCH", "", 416, 1, "Range", "0-0"), methods: "POST PATCH PATCH PATCH PATCH PUT"},
		{name: "the range does not fit, ask", fail: answer("PATCH", "", 416, 1), tells: true, methods: "POST PATCH GET PATCH PATCH PATCH PUT"},
		{name: "the upload is forgotten", fail: answer("PATCH", "", 404, 1), methods: "POST PATCH DELETE HEAD POST PATCH PATCH PATCH PUT"},
		{name: "no chunks", fail: answer("PATCH", "", 405, 99), methods: "POST PATCH DELETE HEAD POST PUT"},
		{name: "too large for a chunk", fail: answer("PATCH", "", 413, 99), methods: "POST PATCH DELETE HEAD POST PUT"},
		{name: "denied", fail: answer("POST", "", 403, 99), methods: "POST", err: "denied: requested access to the resource is denied"},
		{name: "denied in the middle", fail: answer("PATCH", "", 403, 99), methods: "POST PATCH DELETE", err: "denied: requested access to the resource is denied"},
		{name: "always forgotten", fail: answer("PATCH", "", 404, 99), methods: "POST PATCH DELETE HEAD POST PATCH DELETE HEAD POST PATCH DELETE HEAD POST PATCH DELETE HEAD POST PATCH DELETE", err: "404"},
		{name: "takes nothing", fail: answer("PATCH", "", 202, 99, "Range", "0-0"), tells: true,
			methods: "POST PATCH GET PATCH GET PATCH GET PATCH DELETE", err: "took none"},
		{name: "says it has too much", fail: answer("PATCH", "", 202, 1, "Range", "0-5000"), methods: "POST PATCH DELETE", err: "it has 5001 bytes"},
		{name: "broken for good", fail: answer("PUT", "", 500, 99), tells: true, methods: "POST PATCH PATCH PATCH PUT GET PUT GET PUT GET PUT DELETE", err: "500"},
		{name: "no location", fail: answer("POST", "", 202, 1), methods: "POST", err: "has no usable Location"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newPushSite(t)
			s.fail, s.tells = c.fail, c.tells
			client := pushClient(t, s)
			blob, b := someBlob(1000)
			err := client.uploadIn(t.Context(), 400, blob, b)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if got := strings.Join(s.methods(), " "); got != c.methods {
				t.Errorf("requests %s, want %s", got, c.methods)
			}
			if c.err == "" {
				wantBlob(t, s, client, blob)
			}
		})
	}
}

// TestUploadWrongContent: what the registry refuses for its digest is not sent
// again, unless it was put together of pieces.
func TestUploadWrongContent(t *testing.T) {
	s := newPushSite(t)
	client := pushClient(t, s)
	blob, b := someBlob(1000)
	b[500] ^= 1
	err := client.uploadIn(t.Context(), 400, blob, b)
	var refused *Error
	if !errors.As(err, &refused) || refused.Status/100 != 4 {
		t.Errorf("error %v, want the registry's refusal", err)
	}
	if n := s.called("DELETE"); n == 0 {
		t.Errorf("the upload was left there: %q", s.calls)
	}
}

// TestUploadLostAnswer: the blob is there though its last answer did not come.
func TestUploadLostAnswer(t *testing.T) {
	s := newPushSite(t)
	done := false
	s.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && !done {
			done = true
			s.inner.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		return false
	}
	client := pushClient(t, s)
	blob, b := someBlob(1000)
	if err := client.uploadIn(t.Context(), uploadChunk, blob, b); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(s.methods(), " "), "POST PUT GET DELETE HEAD"; got != want {
		t.Errorf("requests %s, want %s", got, want)
	}
}

// TestUploadCancelled: whoever stops waiting leaves no upload behind.
func TestUploadCancelled(t *testing.T) {
	s := newPushSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			cancel()
			// Until all was read the server does not look whether the client is there.
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}
		return false
	}
	client := pushClient(t, s)
	blob, b := someBlob(1000)
	if err := client.uploadIn(ctx, 400, blob, b); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if n := s.called("DELETE"); n != 1 {
		t.Errorf("%d uploads were ended, want 1: %q", n, s.calls)
	}
}

// TestUploadSourceFails: an error of the reader is the caller's, and final.
func TestUploadSourceFails(t *testing.T) {
	s := newPushSite(t)
	client := pushClient(t, s)
	blob, _ := someBlob(1000)
	gone := errors.New("gone")
	err := client.UploadBlob(t.Context(), pushRef(), blob, func(int64) (io.ReadCloser, error) { return nil, gone })
	if !errors.Is(err, gone) || s.called("POST") != 1 || s.called("DELETE") != 1 {
		t.Errorf("error %v, calls %q", err, s.calls)
	}
}
