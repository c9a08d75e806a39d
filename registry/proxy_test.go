package registry

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"berth/image"
	"berth/registry/credentials"
	"berth/registry/hosts"
	"berth/tests/faultregistry"
)

func TestProxyFromEnvironment(t *testing.T) {
	for name, tt := range map[string]struct {
		env    string
		server string
		want   string
	}{
		"none":                        {"", "https://h", ""},
		"https":                       {"HTTPS_PROXY=http://p:3128", "https://h", "http://p:3128"},
		"https, lower case":           {"https_proxy=http://p:3128", "https://h", "http://p:3128"},
		"https is not for http":       {"HTTPS_PROXY=http://p:3128", "http://h", ""},
		"http":                        {"HTTP_PROXY=http://p", "http://h", "http://p"},
		"http is not for https":       {"HTTP_PROXY=http://p", "https://h", ""},
		"http, from a web server":     {"HTTP_PROXY=http://evil REQUEST_METHOD=GET", "http://h", ""},
		"without a scheme":            {"HTTPS_PROXY=p:3128", "https://h", "http://p:3128"},
		"with a password":             {"HTTPS_PROXY=http://a:b@p", "https://h", "http://a:b@p"},
		"all":                         {"ALL_PROXY=socks5://p:1080", "https://h", "socks5://p:1080"},
		"all, for http":               {"all_proxy=socks5h://p:1080", "http://h", "socks5h://p:1080"},
		"one before all":              {"ALL_PROXY=socks5://p HTTPS_PROXY=http://q", "https://h", "http://q"},
		"this machine":                {"ALL_PROXY=http://p", "http://127.0.0.1:5000", ""},
		"this machine by name":        {"ALL_PROXY=http://p", "http://localhost:5000", ""},
		"this machine, IPv6":          {"ALL_PROXY=http://p", "http://[::1]:5000", ""},
		"excepted":                    {"ALL_PROXY=http://p NO_PROXY=a.example,h.example", "https://h.example", ""},
		"excepted, lower case":        {"ALL_PROXY=http://p no_proxy=h.example", "https://H.Example.", ""},
		"excepted with all below":     {"ALL_PROXY=http://p NO_PROXY=example", "https://h.example", ""},
		"excepted: below, by dot":     {"ALL_PROXY=http://p NO_PROXY=.example", "https://h.example", ""},
		"excepted: below, by star":    {"ALL_PROXY=http://p NO_PROXY=*.example", "https://h.example", ""},
		"name that only ends so":      {"ALL_PROXY=http://p NO_PROXY=ample", "https://h.example", "http://p"},
		"everything is excepted":      {"ALL_PROXY=http://p NO_PROXY=x,*", "https://h", ""},
		"excepted address":            {"ALL_PROXY=http://p NO_PROXY=10.0.0.1", "https://10.0.0.1:5000", ""},
		"excepted range":              {"ALL_PROXY=http://p NO_PROXY=10.0.0.0/8", "https://10.1.2.3", ""},
		"other range":                 {"ALL_PROXY=http://p NO_PROXY=10.0.0.0/8", "https://11.1.2.3", "http://p"},
		"range says nothing of names": {"ALL_PROXY=http://p NO_PROXY=0.0.0.0/0", "https://h", "http://p"},
		"excepted port":               {"ALL_PROXY=http://p NO_PROXY=h:5000", "https://h:5000", ""},
		"other port":                  {"ALL_PROXY=http://p NO_PROXY=h:5000", "https://h", "http://p"},
		"scheme's own port":           {"ALL_PROXY=http://p NO_PROXY=h:443", "https://h", ""},
		"excepted IPv6":               {"ALL_PROXY=http://p NO_PROXY=2001:db8::1", "https://[2001:db8::1]", ""},
		"excepted IPv6 and port":      {"ALL_PROXY=http://p NO_PROXY=[2001:db8::1]:5000", "https://[2001:db8::1]:5000", ""},
		"address is no domain":        {"ALL_PROXY=http://p NO_PROXY=0.0.1", "https://10.0.0.1", "http://p"},
		"empty entries":               {"ALL_PROXY=http://p NO_PROXY=,,.,*.", "https://h", "http://p"},
	} {
		env := map[string]string{}
		for pair := range strings.FieldsSeq(tt.env) {
			key, value, _ := strings.Cut(pair, "=")
			env[key] = value
		}
		got, err := proxyFrom(func(key string) string { return env[key] }, mustURL(t, tt.server))
		if err != nil || got == nil && tt.want != "" || got != nil && got.String() != tt.want {
			t.Errorf("%s: %v, %v, want %q", name, got, err, tt.want)
		}
	}
	for _, value := range []string{"ftp://p", "http://", "http://a:secret@[::1", "http://a:secret@p:x"} {
		got, err := proxyFrom(func(key string) string {
			if key == "HTTPS_PROXY" {
				return value
			}
			return ""
		}, mustURL(t, "https://h"))
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v", value, got, err)
		}
	}
}

// TestRequestsByProxy: names are the proxy's to look up, and other hosts that a
// registry names are reached by it as well.
func TestRequestsByProxy(t *testing.T) {
	s := faultregistry.New(t)
	layer := noise(1000)
	made := s.Put(t, "app", "v1", layer)
	var mu sync.Mutex
	var seen []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.URL.Host+" "+r.Header.Get("Authorization"))
		mu.Unlock()
		if r.URL.Host == "registry.example" && strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, "http://storage.example"+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		r.URL.Host, r.RequestURI = s.Host, ""
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer proxy.Close()
	s.WantBasic("ann", "secret")
	e := hosts.Endpoint{Base: mustURL(t, "http://registry.example"), Registry: "registry.example"}
	c := client(t, known("registry.example", credentials.Auth{Username: "ann", Password: "secret"}), e)
	c.config.Proxy = func(*url.URL) (*url.URL, error) { return url.Parse(proxy.URL) }
	ref := image.Reference{Domain: "registry.example", Path: "app", Tag: "v1"}
	if _, _, err := c.Manifest(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	s.Open()
	got, err := fetch(t, c, ref, made.Layers[0], 0)
	if err != nil || !bytes.Equal(got, layer) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, line := range seen {
		if strings.HasPrefix(line, "storage") && line != "storage.example " {
			t.Errorf("the proxy saw %q", line)
		}
	}
	if len(seen) != 4 {
		t.Errorf("the proxy saw %q", seen)
	}
}

func TestBrokenProxy(t *testing.T) {
	e := hosts.Endpoint{Base: mustURL(t, "https://registry.example")}
	c := client(t, nil, e)
	c.config.Proxy = func(u *url.URL) (*url.URL, error) {
		return proxyFrom(func(string) string { return "ftp://p" }, u)
	}
	_, _, err := c.Manifest(t.Context(), image.Reference{Domain: "registry.example", Path: "app", Tag: "v1"})
	wantError(t, err, nil, `scheme "ftp": want http, https, socks5 or socks5h`)
}
