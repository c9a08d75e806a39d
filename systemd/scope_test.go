package systemd

import (
	"errors"
	"path"
	"strings"
	"testing"
)

func TestParseScope(t *testing.T) {
	for _, x := range []struct{ in, unit, path string }{
		{"", "berth-abc.scope", "/system.slice/berth-abc.scope"},
		{":cri-containerd:id1", "cri-containerd-id1.scope", "/system.slice/cri-containerd-id1.scope"},
		{"kubepods-besteffort-pod1_2.slice:crio:id", "crio-id.scope", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/crio-id.scope"},
		{"-.slice:docker:x", "docker-x.scope", "/docker-x.scope"},
	} {
		s, err := ParseScope(x.in, "abc")
		if err != nil || s.Unit() != x.unit || s.Path() != x.path {
			t.Errorf("%q: %q at %q, %v; want %q at %q", x.in, s.Unit(), s.Path(), err, x.unit, x.path)
		}
	}
	for _, bad := range []string{
		"/a/b", "a:b", "a:b:c:d", "x.slice:p:n:", "noslice:p:n", ".slice:p:n", "a--b.slice:p:n", "-a.slice:p:n", "a-.slice:p:n",
		"a/b.slice:p:n", "../x.slice:p:n", "a.slice:p/q:n", "a.slice:p:../n", "a.slice:p:n\n", "a.slice:p:n.slice",
		"a.slice:p:" + strings.Repeat("n", 250), "a b.slice:p:n",
	} {
		if _, err := ParseScope(bad, "id"); !errors.Is(err, ErrName) || !strings.Contains(err.Error(), "linux.cgroupsPath") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseScope(f *testing.F) {
	for _, s := range []string{"", "a-b.slice:p:n", "../a.slice:p:n", "::", "-.slice:a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := ParseScope(in, "id")
		if err != nil {
			return
		}
		p := s.Path()
		if path.Clean(p) != p || !strings.HasPrefix(p, "/") || path.Base(p) != s.Unit() || strings.ContainsAny(p, "\x00\n ") {
			t.Errorf("%q gives %q", in, p)
		}
	})
}
