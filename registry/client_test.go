package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/image"
	"berth/registry/credentials"
	"berth/registry/hosts"
	"berth/tests/faultregistry"
)

// fakeHosts are the places to ask for every reference, in order.
type fakeHosts []hosts.Endpoint

func (f fakeHosts) Endpoints(ref image.Reference) ([]hosts.Endpoint, error) {
	var list []hosts.Endpoint
	for _, e := range f {
		e.Repository = ref.Path
		list = append(list, e)
	}
	return list, nil
}

func (f fakeHosts) Direct(ref image.Reference) ([]hosts.Endpoint, error) { return f.Endpoints(ref) }

// placeAt is the endpoint of a server.
func placeAt(t testing.TB, s *faultregistry.Server) hosts.Endpoint {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	e := hosts.Endpoint{Base: u, Registry: u.Host}
	if u.Scheme == "https" {
		e.TLS = trusting(s)
	}
	return e
}

func trusting(s *faultregistry.Server) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(s.HTTP.Certificate())
	return &tls.Config{RootCAs: roots}
}

// keys are who the user is, by registry.
type keys struct {
	mu    sync.Mutex
	known map[string]credentials.Auth
	asked []string
}

func (k *keys) Get(_ context.Context, registry, repository string) (credentials.Auth, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, registry+"/"+repository)
	return k.known[registry], nil
}

func known(registry string, auth credentials.Auth) *keys {
	return &keys{known: map[string]credentials.Auth{registry: auth}}
}

// client asks the servers, in order, and is quick to give up.
func client(t testing.TB, k *keys, endpoints ...hosts.Endpoint) *Client {
	t.Helper()
	config := Config{
		Hosts: fakeHosts(endpoints), UserAgent: "berth/test",
		Proxy: func(*url.URL) (*url.URL, error) { return nil, nil },
		Retry: Retry{Tries: 3, Delay: time.Millisecond, Longest: time.Second},
		Idle:  400 * time.Millisecond,
	}
	if k != nil {
		config.Credentials = k
	}
	c := New(config)
	t.Cleanup(c.Close)
	return c
}

// named is a reference to something on s.
func named(t testing.TB, s *faultregistry.Server, rest string) image.Reference {
	t.Helper()
	ref, err := image.ParseReference(s.Host + "/" + rest)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// noise is content of n bytes, no two parts of which are the same.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// fetch reads a blob from an offset on.
func fetch(t testing.TB, c *Client, ref image.Reference, blob image.Descriptor, offset int64) ([]byte, error) {
	t.Helper()
	r, err := c.Blob(t.Context(), ref, blob, offset)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func wantError(t *testing.T, err error, is error, parts ...string) {
	t.Helper()
	if err == nil || is != nil && !errors.Is(err, is) {
		t.Fatalf("%v, want one that is %v", err, is)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want %q in it", err, part)
		}
	}
}

func TestPullOfAnImage(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *faultregistry.Server{"http": faultregistry.New, "https": faultregistry.NewTLS} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			layer := noise(300_000)
			made := s.Put(t, "team/app", "v1", layer)
			c := client(t, nil, placeAt(t, s))
			ref := named(t, s, "team/app:v1")
			if err := c.Ping(t.Context(), s.Host); err != nil {
				t.Fatal(err)
			}
			found, content, err := c.Manifest(t.Context(), ref)
			if err != nil || found.Digest != made.Manifest.Digest || found.MediaType != image.MediaTypeManifest ||
				found.Size != int64(len(content)) || !bytes.Equal(content, made.Content) {
				t.Fatalf("%+v, %v", found, err)
			}
			if head, err := c.Resolve(t.Context(), ref); err != nil || head.Digest != found.Digest || head.MediaType != found.MediaType {
				t.Errorf("%+v, %v", head, err)
			}
			pinned := ref
			pinned.Digest = found.Digest
			if _, again, err := c.Manifest(t.Context(), pinned); err != nil || !bytes.Equal(again, content) {
				t.Errorf("by digest: %v", err)
			}
			for _, offset := range []int64{0, 1, 299_999, 300_000} {
				got, err := fetch(t, c, ref, made.Layers[0], offset)
				if err != nil || !bytes.Equal(got, layer[offset:]) {
					t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
				}
			}
			for _, r := range s.Requests() {
				if r.Header.Get("User-Agent") != "berth/test" || r.Header.Get("Accept-Encoding") != "" && r.Header.Get("Accept-Encoding") != "identity" {
					t.Errorf("%s %s: %v", r.Method, r.Path, r.Header)
				}
			}
		})
	}
}
