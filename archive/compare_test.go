package archive

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// plant makes files below root: "name/" is a directory, "name -> target" a
// symbolic link, "name=text" a file. All have the same times.
func plant(t testing.TB, root string, files ...string) {
	t.Helper()
	for _, f := range files {
		name, text, isFile := strings.Cut(f, "=")
		link, target, isLink := strings.Cut(f, " -> ")
		var err error
		switch {
		case isFile:
			err = errors.Join(os.MkdirAll(filepath.Dir(root+"/"+name), 0o755), os.WriteFile(root+"/"+name, []byte(text), 0o644))
			err = errors.Join(err, os.Chtimes(root+"/"+name, time.Unix(1, 0), time.Unix(1, 0)))
		case isLink:
			err = errors.Join(os.MkdirAll(filepath.Dir(root+"/"+link), 0o755), os.Symlink(target, root+"/"+link))
		default:
			err = os.MkdirAll(root+"/"+f, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// folder opens a folder as the root of a tree.
func folder(t testing.TB, dir string) *os.File {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func tree(t testing.TB, files ...string) *os.File {
	t.Helper()
	dir := t.TempDir()
	plant(t, dir, files...)
	return folder(t, dir)
}

func TestCompare(t *testing.T) {
	tests := []struct {
		name            string
		old, now, upper []string
		want            string
	}{
		{"nothing", []string{"a/b=1"}, []string{"a/b=1"}, nil, ""},
		{"same file written again", []string{"a/b=1"}, []string{"a/b=1"}, []string{"a/b=1"}, ""},
		{"content", []string{"a/b=1"}, []string{"a/b=22"}, []string{"a/b=22"}, "C /a,C /a/b"},
		{"not in the upper layer", []string{"a/b=1"}, []string{"a/b=22"}, []string{"c/"}, ""},
		{"new tree", []string{"a/"}, []string{"a/", "n/m/o=1"}, []string{"n/m/o=1"}, "A /n,A /n/m,A /n/m/o"},
		{"new in old", []string{"a/b/c=1"}, []string{"a/b/c=1", "a/b/d=1"}, []string{"a/b/d=1"}, "C /a,C /a/b,A /a/b/d"},
		{"deleted tree", []string{"a/b/c=1"}, []string{"a/"}, []string{"a/b=whiteout"}, "C /a,D /a/b"},
		{"opaque folder", []string{"a/b=1", "a/c=1"}, []string{"a/n=1"}, []string{"a/n=1"}, "C /a,D /a/b,D /a/c,A /a/n"},
		{"folder to file", []string{"a/b=1"}, []string{"a=1"}, []string{"a=1"}, "C /a,D /a/b"},
		{"file to folder", []string{"a=1"}, []string{"a/b=1"}, []string{"a/b=1"}, "C /a,A /a/b"},
		{"folder to link", []string{"a/b=1"}, []string{"a -> /etc"}, []string{"a -> /etc"}, "C /a,D /a/b"},
		{"the order of folders", []string{"a/x=1", "a.b=1", "a-c=1"}, []string{"a/x=22", "a.b=22", "a-c=22"},
			[]string{"a/x=22", "a.b=22", "a-c=22"}, "C /a,C /a/x,C /a-c,C /a.b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := Compare(t.Context(), tree(t, tt.old...), tree(t, tt.now...), tree(t, tt.upper...))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range list {
				got = append(got, c.String())
			}
			want := strings.FieldsFunc(tt.want, func(r rune) bool { return r == ',' })
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestCompareAttributes(t *testing.T) {
	tests := map[string]struct {
		change func(path string) error
		want   bool
	}{
		"mode":     {func(p string) error { return os.Chmod(p, 0o600) }, true},
		"time":     {func(p string) error { return os.Chtimes(p, time.Unix(1, 0), time.Unix(1, 1)) }, true},
		"read":     {func(p string) error { return os.Chtimes(p, time.Unix(2, 0), time.Unix(1, 0)) }, false},
		"new link": {func(p string) error { return os.Link(p, p+"2") }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			now := tree(t, "f=1")
			if err := tt.change(now.Name() + "/f"); err != nil {
				t.Fatal(err)
			}
			list, err := Compare(t.Context(), tree(t, "f=1"), now, tree(t, "f=1"))
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Contains(list, Change{Modified, "/f"}); got != tt.want {
				t.Errorf("changed: %v, list %v", got, list)
			}
		})
	}
}

func TestCompareEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Compare(ctx, tree(t), tree(t, "a=1"), tree(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
