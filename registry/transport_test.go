package registry

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/image"
	"berth/registry/credentials"
	"berth/registry/hosts"
	"berth/tests/faultregistry"
)

// handled is a client and an endpoint of a handler.
func handled(t testing.TB, h http.HandlerFunc) (*Client, *endpoint) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	c := client(t, nil, hosts.Endpoint{Base: mustURL(t, server.URL), Registry: "reg"})
	list, err := c.endpoints(image.Reference{Domain: "reg", Path: "app"}, forRegistry)
	if err != nil {
		t.Fatal(err)
	}
	return c, list[0]
}

// slowBody gives n parts of 10 bytes, with d before each.
type slowBody struct {
	n int
	d time.Duration
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.n--; b.n < 0 {
		return 0, io.EOF
	}
	time.Sleep(b.d)
	return copy(p, "0123456789"), nil
}

func (b *slowBody) Close() error { return nil }

// TestSlowUpload: what takes long to make is no silence of the server's, and its
// answer has a time of its own.
func TestSlowUpload(t *testing.T) {
	c, at := handled(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		time.Sleep(100 * time.Millisecond)
		if n != 60 {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	c.config.Idle = 80 * time.Millisecond
	resp, err := c.send(t.Context(), at, request{
		method: http.MethodPut, path: "/x", size: 60, patience: 2 * time.Second,
		body: func() (io.ReadCloser, error) { return &slowBody{6, 20 * time.Millisecond}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// TestUploadToNobody: a server that reads no further is noticed.
func TestUploadToNobody(t *testing.T) {
	release := make(chan struct{})
	c, at := handled(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 10))
		<-release
	})
	defer close(release)
	c.config.Idle = 200 * time.Millisecond
	start := time.Now()
	_, err := c.send(t.Context(), at, request{ //nolint:bodyclose // there is none with an error
		method: http.MethodPut, path: "/x", size: 100 << 20, once: true,
		body: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(make([]byte, 100<<20))), nil },
	})
	wantError(t, err, nil, "nothing came for 200ms")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestAnswerBeforeTheEnd: a refusal that comes while a body is on its way counts,
// and what is still being written then does not disturb the reading of it.
func TestAnswerBeforeTheEnd(t *testing.T) {
	c, at := handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, `{"errors":[{"code":"SIZE_INVALID","message":"too large"}]}`)
	})
	_, err := c.send(t.Context(), at, request{ //nolint:bodyclose // there is none with an error
		method: http.MethodPut, path: "/x", size: 1000, once: true,
		body: func() (io.ReadCloser, error) { return &slowBody{100, 5 * time.Millisecond}, nil },
	})
	wantError(t, err, nil, "size invalid: too large")
}

// TestBodyIsSentAgain: each try has all of it.
func TestBodyIsSentAgain(t *testing.T) {
	var got []string
	c, at := handled(t, func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		got = append(got, string(content))
		switch len(got) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			http.Redirect(w, r, "/y", http.StatusTemporaryRedirect)
		}
	})
	opened := 0
	resp, err := c.send(t.Context(), at, request{method: http.MethodPut, path: "/x", size: 7, body: func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader("content")), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if !slices.Equal(got, []string{"content", "content", "content"}) || opened != 3 {
		t.Errorf("%q, opened %d times", got, opened)
	}
}

// TestRedirectedUpload: only 307 and 308 keep the method, so others are no answer.
func TestRedirectedUpload(t *testing.T) {
	for status, want := range map[int]string{301: "301 Moved Permanently", 302: "302 Found", 303: "303 See Other", 307: "", 308: ""} {
		methods := []string{}
		c, at := handled(t, func(w http.ResponseWriter, r *http.Request) {
			methods = append(methods, r.Method)
			if r.URL.Path == "/x" {
				http.Redirect(w, r, "/y", status)
			}
		})
		resp, err := c.send(t.Context(), at, request{method: http.MethodPost, path: "/x", size: 0})
		if want != "" {
			wantError(t, err, nil, want)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if !slices.Equal(methods, []string{"POST", "POST"}) {
			t.Errorf("%d: %q", status, methods)
		}
	}
}

// TestConnectionsAreUsedAgain: also after refusals and skipped bodies.
func TestConnectionsAreUsedAgain(t *testing.T) {
	s := faultregistry.New(t)
	made := s.Put(t, "app", "v1", noise(100_000))
	s.WantBasic("ann", "secret")
	c := client(t, known(s.Host, credentials.Auth{Username: "ann", Password: "secret"}), placeAt(t, s))
	for range 5 {
		if _, _, err := c.Manifest(t.Context(), named(t, s, "app:v1")); err != nil {
			t.Fatal(err)
		}
		if _, err := fetch(t, c, named(t, s, "app:v1"), made.Layers[0], 0); err != nil {
			t.Fatal(err)
		}
		_, err := c.Resolve(t.Context(), named(t, s, "app:v2"))
		wantError(t, err, ErrNotFound)
	}
	from := map[string]bool{}
	for _, r := range s.Requests() {
		from[r.From] = true
	}
	if len(from) != 1 {
		t.Errorf("%d connections", len(from))
	}
}

// TestAnswersThatAreNone: whatever comes over the wire, there is an error and an
// end.
func TestAnswersThatAreNone(t *testing.T) {
	for name, raw := range map[string]string{
		"another protocol":    "220 mail.example ESMTP\r\n",
		"nothing":             "",
		"half a line":         "HTTP/1.1 20",
		"half a header":       "HTTP/1.1 200 OK\r\nContent-Le",
		"endless header":      "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 12<<20),
		"two lengths":         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"negative length":     "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
		"broken chunks":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"informal for ever":   strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 5000),
		"switched protocols":  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"not modified":        "HTTP/1.1 304 Not Modified\r\n\r\n",
		"status out of range": "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 4096))
					_, _ = io.WriteString(conn, raw)
					conn.Close()
				}
			}()
			c := client(t, nil, hosts.Endpoint{Base: mustURL(t, "http://"+l.Addr().String()), Registry: "reg"})
			_, _, err = c.Manifest(t.Context(), image.Reference{Domain: "reg", Path: "app", Tag: "v1"})
			wantError(t, err, nil)
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// TestHelperThatFails: without credentials there is no guess that none are needed.
func TestHelperThatFails(t *testing.T) {
	s := faultregistry.New(t)
	s.WantBasic("ann", "secret")
	c := client(t, nil, placeAt(t, s))
	c.config.Credentials = brokenHelper{}
	wantError(t, c.Ping(t.Context(), s.Host), context.DeadlineExceeded, "read credentials for "+s.Host)
}

type brokenHelper struct{}

func (brokenHelper) Get(context.Context, string, string) (credentials.Auth, error) {
	return credentials.Auth{}, context.DeadlineExceeded
}
