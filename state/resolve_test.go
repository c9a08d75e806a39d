package state

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	d, me := newDirs(t), self(t)
	id := func(prefix string) string { return prefix + strings.Repeat("0", 64-len(prefix)) }
	a, b, c, pending := id("abc1"), id("abd2"), id("fff3"), id("eee4")
	stop(t, d, a)
	stop(t, d, b)
	must(t, MakeDir(d.RunContainer(b)))
	must(t, MakeDir(d.RunContainer(c)))
	must(t, Claim(d, "web", a, me))
	must(t, Claim(d, "fff", a, me)) // a name that is another's ID prefix
	must(t, Claim(d, b, c, me))     // a name that is another's full ID
	must(t, Claim(d, "pending", pending, me))
	must(t, os.Symlink("junk", d.Name("damaged")))
	must(t, os.Symlink("junk", d.Name("fff3")))
	must(t, os.Mkdir(d.Containers()+"/.removing-1-2", 0o700))

	tests := []struct{ ref, want, err string }{
		{a, a, ""},
		{"web", a, ""},
		{"/web", a, ""},
		{"fff", a, ""},
		{b, b, ""},
		{"abc", a, ""},
		{"abd", b, ""},
		{"f", c, ""},
		{"fff3", c, ""}, // the damaged claim of that name is no obstacle
		{"ab", "", "Multiple IDs found with provided prefix: ab"},
		{"a", "", "Multiple IDs found with provided prefix: a"},
		{"9", "", "No such container: 9"},
		{"0", "", "No such container: 0"},
		{"pending", "", "No such container: pending"},
		{"damaged", "", "No such container: damaged"},
		{"", "", "No such container: "},
		{"/", "", "No such container: /"},
		{"ABC", "", "No such container: ABC"},
		{"../container", "", "No such container: ../container"},
		{".removing-1-2", "", "No such container: .removing-1-2"},
		{a + "0", "", "No such container: " + a + "0"},
		{pending, "", "No such container: " + pending},
	}
	for _, tt := range tests {
		t.Run(tt.ref, func(t *testing.T) {
			got, err := Resolve(d, tt.ref)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			var many *AmbiguousError
			if err != nil && !errors.As(err, &many) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%T is not fs.ErrNotExist", err)
			}
		})
	}
	got, err := List(d)
	must(t, err)
	if want := []string{a, b, c}; !slices.Equal(got, want) {
		t.Errorf("list %v, want %v", got, want)
	}
}

func TestListWithoutFolders(t *testing.T) {
	tmp := t.TempDir()
	got, err := List(Dirs{Root: tmp + "/a", Run: tmp + "/b"})
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"", "a", "../x", "/", "\x00", strings.Repeat("a", 300)} {
		f.Add(s)
	}
	d := newDirs(f)
	must(f, MakeDir(d.Container(strings.Repeat("ab", 32))))
	f.Fuzz(func(t *testing.T, ref string) {
		id, err := Resolve(d, ref)
		if err == nil && (!ValidID(id) || !strings.HasPrefix(id, ref)) {
			t.Errorf("%q gave %q", ref, id)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", ref, err)
		}
	})
}

func BenchmarkList1000(b *testing.B) {
	d := newDirs(b)
	for range 1000 {
		stop(b, d, newID(b))
	}
	for b.Loop() {
		_, err := List(d)
		must(b, err)
	}
}
