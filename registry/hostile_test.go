package registry

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"berth/image"
	"berth/registry/hosts"
)

// ask reads a manifest from an http registry.
func ask(t *testing.T, host string) (image.Descriptor, []byte, error) {
	t.Helper()
	ref := image.Reference{Domain: host, Path: "app", Tag: "v1"}
	at := hosts.Endpoint{Base: &url.URL{Scheme: "http", Host: host}, Repository: "app", Registry: host}
	return client(t, nil, at).Manifest(t.Context(), ref)
}

// TestMissingTokenServer: that a token server is not where the registry says does
// not mean that there is no such image.
func TestMissingTokenServer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer s.Close()
	_, _, err := ask(t, strings.TrimPrefix(s.URL, "http://"))
	if err == nil || !strings.Contains(err.Error(), "ask for token at "+s.URL+"/token: ") || strings.Contains(err.Error(), "manifest") {
		t.Errorf("%v", err)
	}
}

// TestMalformedHeader: an address with a signature does not get into an error
// because the header around it is broken.
func TestMalformedHeader(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("HTTP/1.1 307 x\r\nLocation: http://127.0.0.1/\x1b?sig=SECRET\r\n\r\n")); err != nil {
			t.Error(err)
		}
	})}
	go s.Serve(l)
	defer s.Close()
	_, _, err = ask(t, l.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "malformed header") || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("%v", err)
	}
}
