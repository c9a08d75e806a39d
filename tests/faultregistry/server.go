// Package faultregistry is a registry in the test's own process that fails as it
// is told: it cuts connections, stalls, lies, redirects, and wants credentials.
// Where it is told nothing it is go-containerregistry's. It remembers what it was
// sent, so that a test can tell which secrets went where.
//
// Only for tests, and for the client's side of the protocol: what a real registry
// answers is for the tests that start one.
package faultregistry

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"berth/image"
)

// Server is a registry on a loopback address. It ends with the test.
type Server struct {
	// HTTP is the server, for its certificate.
	HTTP *httptest.Server
	// URL is its address, Host the part that references begin with.
	URL, Host string

	content http.Handler
	ended   chan struct{}

	mu       sync.Mutex
	faults   []*Fault
	gate     func(r *http.Request) *refusal
	requests []Request
}

// Request is what a server was sent.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	// From is the other end of the connection.
	From string
	// Form is the body of a token request.
	Form string
}

// New starts a registry without TLS.
func New(t testing.TB) *Server { return start(t, httptest.NewServer) }

// NewTLS starts one with TLS; HTTP.Certificate() is its authority.
func NewTLS(t testing.TB) *Server { return start(t, httptest.NewTLSServer) }

func start(t testing.TB, serve func(http.Handler) *httptest.Server) *Server {
	s := &Server{content: registry.New(registry.Logger(log.New(io.Discard, "", 0))), ended: make(chan struct{})}
	s.HTTP = serve(http.HandlerFunc(s.serve))
	// Handshakes that a test means to fail are no news.
	s.HTTP.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.URL = s.HTTP.URL
	_, s.Host, _ = strings.Cut(s.URL, "://")
	t.Cleanup(func() {
		close(s.ended)
		s.HTTP.CloseClientConnections()
		s.HTTP.Close()
	})
	return s
}

// Requests returns what was sent so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Count returns how many requests there were with a method and a part of a path;
// an empty method stands for all.
func (s *Server) Count(method, path string) int {
	n := 0
	for _, r := range s.Requests() {
		if (method == "" || r.Method == method) && strings.Contains(r.Path, path) {
			n++
		}
	}
	return n
}

// NoSecrets fails the test if any request had an Authorization, a cookie, or one
// of the secrets anywhere.
func (s *Server) NoSecrets(t testing.TB, secrets ...string) {
	t.Helper()
	for _, r := range s.Requests() {
		if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("%s %s came with %q and cookies %q", r.Method, r.Path, r.Header.Get("Authorization"), r.Header.Get("Cookie"))
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s %s came with the secret %q", r.Method, r.Path, secret)
			}
		}
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), r.RemoteAddr, ""})
	gate := s.gate
	fault := s.next(r)
	s.mu.Unlock()
	if gate != nil {
		if no := gate(r); no != nil {
			no.write(w)
			return
		}
	}
	next := s.content
	if fault != nil {
		next = fault.Do(s, next)
	}
	next.ServeHTTP(w, r)
}

// Image is what Put made of layers.
type Image struct {
	Manifest image.Descriptor
	Content  []byte
	Config   image.Descriptor
	Layers   []image.Descriptor
}

// Put stores an image of layers (whatever their bytes are) under a tag, past all
// faults. It is good for fetching, not for unpacking.
func (s *Server) Put(t testing.TB, repository, tag string, layers ...[]byte) Image {
	t.Helper()
	return s.putImage(t, repository, tag, image.MediaTypeLayer, nil, layers)
}

// PutTars stores an image of tars, compressed, for this machine.
func (s *Server) PutTars(t testing.TB, repository, tag string, tars ...[]byte) Image {
	t.Helper()
	var diffIDs []image.Digest
	var layers [][]byte
	for _, content := range tars {
		diffIDs = append(diffIDs, describe(content).Digest)
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		layers = append(layers, b.Bytes())
	}
	return s.putImage(t, repository, tag, image.MediaTypeLayerGzip, diffIDs, layers)
}

func (s *Server) putImage(t testing.TB, repository, tag, mediaType string, diffIDs []image.Digest, layers [][]byte) Image {
	t.Helper()
	config := image.ImageConfig{OS: "linux", Architecture: runtime.GOARCH, RootFS: image.RootFS{Type: "layers", DiffIDs: diffIDs}}
	made := Image{Config: s.PutBlob(t, repository, encode(t, config))}
	made.Config.MediaType = image.MediaTypeConfig
	m := image.Manifest{SchemaVersion: 2, MediaType: image.MediaTypeManifest, Config: made.Config}
	for _, layer := range layers {
		d := s.PutBlob(t, repository, layer)
		d.MediaType = mediaType
		m.Layers = append(m.Layers, d)
	}
	made.Layers = m.Layers
	made.Content = encode(t, m)
	made.Manifest = s.PutManifest(t, repository, tag, m.MediaType, made.Content)
	return made
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	content, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// PutBlob stores a blob, past all faults.
func (s *Server) PutBlob(t testing.TB, repository string, content []byte) image.Descriptor {
	t.Helper()
	d := describe(content)
	s.put(t, http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+string(d.Digest), "application/octet-stream", content)
	return d
}

// PutManifest stores a manifest or index under a tag or digest, past all faults.
func (s *Server) PutManifest(t testing.TB, repository, name, mediaType string, content []byte) image.Descriptor {
	t.Helper()
	s.put(t, http.MethodPut, "/v2/"+repository+"/manifests/"+name, mediaType, content)
	d := describe(content)
	d.MediaType = mediaType
	return d
}

func (s *Server) put(t testing.TB, method, path, mediaType string, content []byte) {
	t.Helper()
	r := httptest.NewRequest(method, path, bytes.NewReader(content))
	r.Header.Set("Content-Type", mediaType)
	w := httptest.NewRecorder()
	s.content.ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
}

func describe(content []byte) image.Descriptor {
	sum := sha256.Sum256(content)
	return image.Descriptor{Digest: image.Digest("sha256:" + hex.EncodeToString(sum[:])), Size: int64(len(content))}
}

// wait lasts for d, or until the test or the request ends.
func (s *Server) wait(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.ended:
	case <-r.Context().Done():
	}
}
