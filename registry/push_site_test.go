package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	inprocess "github.com/google/go-containerregistry/pkg/registry"

	"berth/image"
	"berth/registry/credentials"
	"berth/registry/hosts"
)

// pushSite is a registry in this process that fails in the ways that a test asks
// for, and notes what it is asked.
type pushSite struct {
	*httptest.Server
	inner http.Handler

	mu    sync.Mutex
	calls []string
	// secrets are the Authorization headers by host and path.
	secrets []string
	// got is how much each upload has.
	got map[string]int64
	// tells: a GET of an upload says how much there is.
	tells bool
	// cut is how many bytes of an upload arrive before the connection breaks, once
	// for each entry.
	cut []int64
	// fail answers a request in place of the registry, when it returns true.
	fail func(w http.ResponseWriter, r *http.Request) bool
	// change edits an answer's headers.
	change func(r *http.Request, status int, h http.Header)
}

func newPushSite(t *testing.T) *pushSite {
	t.Helper()
	s := &pushSite{got: map[string]int64{}}
	s.inner = inprocess.New(inprocess.Logger(log.New(io.Discard, "", 0)))
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *pushSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := r.Method + " " + r.URL.Path
	if r.URL.RawQuery != "" {
		call += "?" + r.URL.RawQuery
	}
	if cr := r.Header.Get("Content-Range"); cr != "" {
		call += " " + cr
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.secrets = append(s.secrets, r.Header.Get("Authorization"))
	fail := s.fail
	s.mu.Unlock()
	if fail != nil && fail(w, r) {
		return
	}
	upload := strings.Contains(r.URL.Path, "/blobs/uploads/") && !strings.HasSuffix(r.URL.Path, "/uploads/")
	switch {
	case upload && r.Method == http.MethodGet && s.tells:
		s.mu.Lock()
		defer s.mu.Unlock()
		w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, s.got[r.URL.Path]-1)))
		w.WriteHeader(http.StatusNoContent)
	case upload && r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case upload && r.Body != nil:
		s.receive(w, r)
	default:
		s.inner.ServeHTTP(&editedWriter{ResponseWriter: w, site: s, r: r}, r)
	}
}

// receive passes on what arrives of an upload's body, as chunks, so that the
// registry keeps what came before a cut.
func (s *pushSite) receive(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	limit := int64(-1)
	if len(s.cut) > 0 && r.ContentLength > s.cut[0] {
		limit, s.cut = s.cut[0], s.cut[1:]
	}
	at := s.got[r.URL.Path]
	s.mu.Unlock()
	if limit < 0 {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		s.mu.Lock()
		s.got[r.URL.Path] = at + int64(len(body))
		s.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.inner.ServeHTTP(&editedWriter{ResponseWriter: w, site: s, r: r}, r)
		return
	}
	body := make([]byte, limit)
	if _, err := io.ReadFull(r.Body, body); err == nil && limit > 0 && s.tells {
		part := r.Clone(r.Context())
		part.Method, part.Body, part.ContentLength = http.MethodPatch, io.NopCloser(bytes.NewReader(body)), limit
		part.Header.Set("Content-Range", fmt.Sprintf("%d-%d", at, at+limit-1))
		s.inner.ServeHTTP(httptest.NewRecorder(), part)
		s.mu.Lock()
		s.got[r.URL.Path] = at + limit
		s.mu.Unlock()
	}
	panic(http.ErrAbortHandler) // net/http closes the connection.
}

// editedWriter lets a test change the headers of an answer.
type editedWriter struct {
	http.ResponseWriter
	site *pushSite
	r    *http.Request
}

func (w *editedWriter) WriteHeader(status int) {
	w.site.mu.Lock()
	change := w.site.change
	w.site.mu.Unlock()
	if change != nil {
		change(w.r, status, w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

// methods are the calls without their addresses, in order.
func (s *pushSite) methods() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, c := range s.calls {
		m, _, _ := strings.Cut(c, " ")
		list = append(list, m)
	}
	return list
}

func (s *pushSite) called(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if strings.Contains(c, part) {
			n++
		}
	}
	return n
}

// at is a client's view of sites: they are asked in this order, http only.
type at []*pushSite

func (a at) Endpoints(ref image.Reference) ([]hosts.Endpoint, error) {
	var list []hosts.Endpoint
	for _, s := range a {
		u, err := url.Parse(s.URL)
		if err != nil {
			return nil, err
		}
		list = append(list, hosts.Endpoint{Base: u, Repository: ref.Path, Registry: "reg"})
	}
	return list, nil
}

func (a at) Direct(ref image.Reference) ([]hosts.Endpoint, error) { return a.Endpoints(ref) }

// someone has a password for everything.
type someone struct{}

func (someone) Get(context.Context, string, string) (credentials.Auth, error) {
	return credentials.Auth{Username: "u", Password: "p"}, nil
}

func pushClient(t *testing.T, sites ...*pushSite) *Client {
	t.Helper()
	c := New(Config{Hosts: at(sites), Credentials: someone{}, Retry: Retry{Tries: 4, Delay: time.Millisecond}, Idle: 5 * time.Second})
	t.Cleanup(c.Close)
	return c
}

func pushRef() image.Reference { return image.Reference{Domain: "reg", Path: "team/app", Tag: "1"} }
