package image

import (
	"errors"
	"strings"
	"testing"
)

func TestParseReference(t *testing.T) {
	sha := "sha256:" + strings.Repeat("0a", 32)
	tests := []struct{ in, full, familiar string }{
		{"box", "docker.io/library/box:latest", "box:latest"},
		{"box:1", "docker.io/library/box:1", "box:1"},
		{"library/box", "docker.io/library/box:latest", "box:latest"},
		{"docker.io/box", "docker.io/library/box:latest", "box:latest"},
		{"index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"},
		{"docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
		{"user/repo", "docker.io/user/repo:latest", "user/repo:latest"},
		{"localhost/x", "localhost/x:latest", "localhost/x:latest"},
		{"localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"},
		{"host:5000/x:v1", "host:5000/x:v1", "host:5000/x:v1"},
		{"host.com/a/b/c", "host.com/a/b/c:latest", "host.com/a/b/c:latest"},
		{"HOST/x", "HOST/x:latest", "HOST/x:latest"},
		{"[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"},
		{"[2001:db8::1]/x", "[2001:db8::1]/x:latest", "[2001:db8::1]/x:latest"},
		{"box@" + sha, "docker.io/library/box@" + sha, "box@" + sha},
		{"box:1@" + sha, "docker.io/library/box:1@" + sha, "box:1@" + sha},
		{"a/b.c_d__e-f---g", "docker.io/a/b.c_d__e-f---g:latest", "a/b.c_d__e-f---g:latest"},
		{"x:_T.a-9", "docker.io/library/x:_T.a-9", "x:_T.a-9"},
		{"x:" + strings.Repeat("t", 128), "docker.io/library/x:" + strings.Repeat("t", 128), "x:" + strings.Repeat("t", 128)},
		{strings.Repeat("a", 63), "docker.io/library/" + strings.Repeat("a", 63) + ":latest", strings.Repeat("a", 63) + ":latest"},
		{"h.io/" + strings.Repeat("a", 255), "h.io/" + strings.Repeat("a", 255) + ":latest", "h.io/" + strings.Repeat("a", 255) + ":latest"},
	}
	for _, tt := range tests {
		r, err := ParseReference(tt.in)
		if err != nil || r.String() != tt.full || r.Familiar() != tt.familiar {
			t.Errorf("%q: %q, %q, %v; want %q, %q", tt.in, r.String(), r.Familiar(), err, tt.full, tt.familiar)
		}
	}
}

func TestInvalidReferences(t *testing.T) {
	tests := map[string]string{
		"":                              "invalid reference format",
		"Box":                           "repository name (library/Box) must be lowercase",
		"a/Box":                         "repository name (a/Box) must be lowercase",
		strings.Repeat("a1", 32):        "64 hexadecimal characters",
		"a:":                            "tag",
		":tag":                          "at least one component",
		"a:b:c":                         "component",
		"a:-b":                          "tag",
		"a:" + strings.Repeat("t", 129): "tag",
		"a@sha256:00":                   "64 lower-case",
		"a@md5:00":                      "unsupported digest algorithm",
		"a@" + "sha256:" + strings.Repeat("A", 64): "lower-case",
		"a//b": "component", "/a": "component", "a/": "component", "a..b": "component", "a.-b": "component", "a___b": "component",
		"-a": "component", "a-": "component", "a b": "component", "a\nb": "component", "a/../b": "component", "./a": "registry",
		"host:port/a": "registry", "host:/a": "registry", "-host.com/a": "registry", "ho..st/a": "registry", "[::1/a": "registry",
		"[::1]x/a": "registry", "[]:1/a": "registry", "h.com/": "at least one component", "h.io/" + strings.Repeat("a", 256): "255 characters",
	}
	for in, want := range tests {
		_, err := ParseReference(in)
		if !errors.Is(err, ErrInvalidReference) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
		if err != nil && !strings.HasPrefix(err.Error()+": ", "invalid reference format: ") {
			t.Errorf("%q: %v does not start like docker's", in, err)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"box", "host:5000/a/b:t@sha256:" + strings.Repeat("0", 64), "[::1]:5/x", "a__b", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if err != nil {
			if !errors.Is(err, ErrInvalidReference) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		// Both forms mean the same again, and neither can leave a folder.
		for _, form := range []string{r.String(), r.Familiar()} {
			again, err := ParseReference(form)
			if err != nil || again != r {
				t.Errorf("%q: %q gives %+v, %v, want %+v", s, form, again, err, r)
			}
		}
		if strings.Contains(r.String(), "..") && !strings.Contains(r.Tag, "..") {
			t.Errorf("%q: %q has two dots", s, r.String())
		}
		if strings.ContainsAny(r.String(), "! \n\x00") {
			t.Errorf("%q: %q", s, r.String())
		}
	})
}
