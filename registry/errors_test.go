package registry

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestErrorTexts(t *testing.T) {
	sentinels := []error{ErrNotFound, ErrUnauthorized, ErrDenied, ErrTooManyRequests, ErrUnsupported}
	for name, tt := range map[string]struct {
		status int
		body   string
		header []string
		want   string
		is     error
	}{
		"code and message":      {404, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}`, nil, "manifest unknown: manifest unknown", ErrNotFound},
		"code alone":            {404, `{"errors":[{"code":"BLOB_UNKNOWN"}]}`, nil, "blob unknown: blob unknown", ErrNotFound},
		"of several the first":  {404, `{"errors":[{"code":"NAME_UNKNOWN"},{"code":"DENIED"}]}`, nil, "name unknown: repository name not known to registry", ErrNotFound},
		"message alone":         {400, `{"errors":[{"message":"no good"}]}`, nil, "received unexpected HTTP status: 400 Bad Request: no good", nil},
		"empty list":            {403, `{"errors":[]}`, nil, "denied: requested access to the resource is denied", ErrDenied},
		"code of its own":       {400, `{"errors":[{"code":"MY_CODE","message":"text"}]}`, nil, "my code: text", nil},
		"details of docker hub": {401, `{"details":"incorrect username or password"}`, nil, "unauthorized: incorrect username or password", ErrUnauthorized},
		"message of a gateway":  {429, `{"message":"slow down"}`, nil, "toomanyrequests: slow down", ErrTooManyRequests},
		"oauth":                 {400, `{"error":"invalid_grant","error_description":"token expired"}`, nil, "received unexpected HTTP status: 400 Bad Request: token expired", nil},
		"challenge, denied":     {401, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, []string{"WWW-Authenticate", `Bearer realm="x",error="insufficient_scope"`}, "denied: requested access to the resource is denied", ErrDenied},
		"challenge, token":      {401, "", []string{"WWW-Authenticate", `Bearer realm="x",error="invalid_token",error_description="it is over"`}, "unauthorized: it is over", ErrUnauthorized},
		"challenge, no error":   {401, "", []string{"WWW-Authenticate", `Bearer realm="x"`}, "unauthorized: authentication required", ErrUnauthorized},
		"web page":              {502, "<html>\n<h1>Bad</h1>", nil, "received unexpected HTTP status: 502 Bad Gateway from https://h/v2/a", nil},
		"nothing, 404":          {404, "", nil, "received unexpected HTTP status: 404 Not Found from https://h/v2/a", ErrNotFound},
		"nothing, 405":          {405, "", nil, "received unexpected HTTP status: 405 Method Not Allowed from https://h/v2/a", ErrUnsupported},
		"wait":                  {429, "", []string{"Retry-After", "90"}, "toomanyrequests: too many requests (the registry asks to be left alone for 1m30s)", ErrTooManyRequests},
		"wait without reason":   {404, "", []string{"Retry-After", "90"}, "received unexpected HTTP status: 404 Not Found from https://h/v2/a", ErrNotFound},
		"escape sequences":      {400, `{"errors":[{"code":"A\u001b[2J","message":"one\ntwo\u001b]0;x\u0007\u202e"}]}`, nil, "a [2j: one two ]0;x", nil},
		"long":                  {400, `{"errors":[{"code":"A","message":"` + strings.Repeat("é", 5000) + `"}]}`, nil, "a: " + strings.Repeat("é", 500) + "...", nil},
		"endless":               {400, strings.Repeat("x", 1<<20), nil, "received unexpected HTTP status: 400 Bad Request from https://h/v2/a", nil},
	} {
		h := http.Header{}
		for i := 0; i+1 < len(tt.header); i += 2 {
			h.Add(tt.header[i], tt.header[i+1])
		}
		resp := &http.Response{
			StatusCode: tt.status, Header: h, Body: io.NopCloser(strings.NewReader(tt.body)), ContentLength: -1,
			Request: &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: "h", Path: "/v2/a", RawQuery: "sig=1", User: url.UserPassword("a", "b")}},
		}
		err := errorOf(resp)
		if strings.TrimSpace(err.Error()) != tt.want || err.Status != tt.status {
			t.Errorf("%s: %q, want %q", name, err, tt.want)
		}
		for _, s := range sentinels {
			if errors.Is(err, s) != (s == tt.is) {
				t.Errorf("%s: is %q: %v", name, s, errors.Is(err, s))
			}
		}
	}
}

func TestDiscardIsBounded(t *testing.T) {
	body := &counted{}
	discard(&http.Response{Body: body})
	if body.n > 1<<20 || !body.closed {
		t.Errorf("read %d bytes, closed %v", body.n, body.closed)
	}
}

// counted is a body without end.
type counted struct {
	n      int
	closed bool
}

func (c *counted) Read(p []byte) (int, error) { c.n += len(p); return len(p), nil }
func (c *counted) Close() error               { c.closed = true; return nil }

func TestDefaults(t *testing.T) {
	c := New(Config{})
	if c.config.UserAgent != "berth" || c.config.Idle != time.Minute || c.config.Retry != (Retry{5, 400 * time.Millisecond, time.Minute}) || c.config.Proxy == nil {
		t.Errorf("%+v", c.config)
	}
}
