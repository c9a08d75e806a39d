package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

func mustSave(t testing.TB, s *Store, o SaveOptions, queries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.Save(t.Context(), &b, queries, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// entriesOf lists the names in a tar.
func entriesOf(t testing.TB, b []byte) []string {
	t.Helper()
	var names []string
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.ModTime.Unix() != 0 || h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s is of %s and of user %d %q", h.Name, h.ModTime, h.Uid, h.Uname)
		}
		names = append(names, h.Name)
	}
}

// TestSaveAndLoad holds that what is loaded is what was saved, to the digest of
// its manifest.
func TestSaveAndLoad(t *testing.T) {
	needRoot(t)
	from, src := testStore(t), newMemorySource()
	mustImport(t, from, "plain:1", file("x", "y"))
	src.image(t, "latest", threeLayers(t)...)
	mustPull(t, from, src, "reg.example/app")
	must(t, from.Tag(t.Context(), "reg.example/app", "reg.example/app:2"), from.Tag(t.Context(), "reg.example/app", "other"))
	nameless := mustImport(t, from, "", file("n", "n"))
	b := mustSave(t, from, SaveOptions{}, "plain:1", "reg.example/app", "other", string(nameless.ID))
	if again := mustSave(t, from, SaveOptions{}, "plain:1", "reg.example/app", "other", string(nameless.ID)); !bytes.Equal(b, again) {
		t.Error("the same images give other bytes")
	}
	names := entriesOf(t, b)
	if got := names[len(names)-3:]; !slices.Equal(got, []string{"index.json", "manifest.json", "oci-layout"}) {
		t.Errorf("the last entries are %q", got)
	}
	to := testStore(t)
	loaded := mustLoad(t, to, bytes.NewReader(b))
	var got []string
	for _, l := range loaded {
		got = append(got, familiar(l.Refs))
		have, err := to.Resolve(string(l.Image.ID))
		want, wantErr := from.Resolve(string(l.Image.ID))
		if err != nil || wantErr != nil || have.Manifest != want.Manifest || have.Digest != "" {
			t.Errorf("%+v, %v, want %+v, %v", have, err, want, wantErr)
		}
	}
	if want := []string{"plain:1", "other:latest reg.example/app:2 reg.example/app:latest", ""}; !slices.Equal(got, want) {
		t.Errorf("names: %q, want %q", got, want)
	}
	if again := mustSave(t, to, SaveOptions{}, "plain:1", "reg.example/app", "other", string(nameless.ID)); len(again) != len(b) {
		t.Errorf("saved again it has %d bytes, %d before", len(again), len(b))
	}
	mustBeClean(t, to, "after the load")

	layout := mustSave(t, from, SaveOptions{Layout: true}, "other")
	if slices.Contains(entriesOf(t, layout), "manifest.json") || !bytes.Contains(layout, []byte(`"org.opencontainers.image.ref.name":"docker.io/library/other:latest"`)) {
		t.Error("the layout is docker's")
	}
	if l := mustLoad(t, testStore(t), bytes.NewReader(layout)); len(l) != 1 || familiar(l[0].Refs) != "other:latest" {
		t.Errorf("loaded %+v", l)
	}
}

// TestLoadFolder loads a store's own layout from its folder.
func TestLoadFolder(t *testing.T) {
	needRoot(t)
	from, to := testStore(t), testStore(t)
	img := mustImport(t, from, "a:1", file("x", "y"))
	dir, err := os.Open(from.dirs.Image())
	must(t, err)
	defer dir.Close()
	if l := mustLoad(t, to, dir); len(l) != 1 || l[0].Image.ID != img.ID || familiar(l[0].Refs) != "a:1" {
		t.Errorf("loaded %+v", l)
	}
	// A link in place of a blob leads nowhere.
	blob := from.blobPath(blobOf(t, from, "a:1"))
	must(t, os.Rename(blob, t.TempDir()+"/blob"), os.Symlink("/etc/passwd", blob))
	if _, err := testStore(t).Load(t.Context(), dir, LoadOptions{}); err == nil || !strings.Contains(err.Error(), "archive has no file") {
		t.Errorf("a link: %v", err)
	}
}

func TestSaveRefuses(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	mustImport(t, s, "a:1", file("x", "y"))
	for query, want := range map[string]string{
		"zz":  "No such image: zz:latest",
		"a:2": "No such image: a:2",
		"":    "invalid reference format",
	} {
		var b bytes.Buffer
		if _, err := s.Save(t.Context(), &b, []string{"a:1", query}, SaveOptions{}); err == nil || err.Error() != want || b.Len() > 0 {
			t.Errorf("%q: %v, and %d bytes", query, err, b.Len())
		}
	}
	arm := SaveOptions{Platform: Platform{OS: "linux", Architecture: "riscv64"}}
	if _, err := s.Save(t.Context(), io.Discard, []string{"a:1"}, arm); err == nil || !strings.Contains(err.Error(), "image with reference a:1 was found but does not provide the specified platform (linux/riscv64)") {
		t.Errorf("%v", err)
	}
	// What is damaged is no archive, whatever of it has been written.
	flip(t, s.blobPath(blobOf(t, s, "a:1")))
	var b bytes.Buffer
	if _, err := s.Save(t.Context(), &b, []string{"a:1"}, SaveOptions{}); !errors.Is(err, ErrCorrupt) || bytes.Contains(b.Bytes(), []byte("manifest.json")) {
		t.Errorf("a flipped byte: %v", err)
	}
	must(t, os.Remove(s.blobPath(blobOf(t, s, "a:1"))))
	b.Reset()
	if _, err := s.Save(t.Context(), &b, []string{"a:1"}, SaveOptions{}); !errors.Is(err, ErrCorrupt) || b.Len() > 0 {
		t.Errorf("a missing blob: %v, and %d bytes", err, b.Len())
	}
}
