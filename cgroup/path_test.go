package cgroup

import (
	"errors"
	"path"
	"slices"
	"strings"
	"testing"
)

// wantError checks what an error wraps and says.
func wantError(t *testing.T, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v, want one that wraps %q and names %q", err, want, text)
	}
}

func TestCheckPath(t *testing.T) {
	for _, ok := range []string{"/a", "/berth/0123", "/user.slice/user@0.service/x y", "/" + strings.Repeat("a", 255)} {
		if err := CheckPath(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{
		"", "/", "a", "a/b", "//a", "/a/", "/a//b", "/..", "/a/../b", "/.", "/a/./b", "/a\x00", "/a\nb", "/a:b",
		"/cgroup.kill", "/" + strings.Repeat("a", 256), strings.Repeat("/aa", 2000),
	} {
		wantError(t, CheckPath(bad), ErrPath, "")
	}
}

func TestLevels(t *testing.T) {
	for in, want := range map[string][]string{"": nil, "/": nil, "/a": {"/a"}, "/a/b/c": {"/a", "/a/b", "/a/b/c"}} {
		if got := levels(in); !slices.Equal(got, want) {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzCheckPath(f *testing.F) {
	for _, s := range []string{"/berth/x", "/../x", "/a/..", "//", "/a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if CheckPath(s) != nil {
			return
		}
		const mount = "/sys/fs/cgroup/memory"
		if full := mount + s; path.Clean(full) != full || !strings.HasPrefix(full, mount+"/") || strings.ContainsAny(s, "\x00\n") {
			t.Errorf("%q leads to %q", s, path.Clean(full))
		}
		if parent, name := split(s); parent+"/"+name != s {
			t.Errorf("split %q", s)
		}
	})
}
