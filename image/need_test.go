package image

import (
	"os"
	"testing"
)

// TestNeedsAreKept: what a pull counts on outlasts the image that it belonged to,
// until the pull has ended, however it has.
func TestNeedsAreKept(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	src.image(t, "latest", threeLayers(t)...)
	p := mustPull(t, s, src, "app")
	img, err := s.Inspect("app")
	if err != nil {
		t.Fatal(err)
	}
	var all []Digest
	for _, l := range img.Manifest.Layers {
		all = append(all, l.Digest)
	}
	rely, err := s.declare(t.Context(), append(all, chainIDs(img.Config.RootFS.DiffIDs)...))
	if err != nil {
		t.Fatal(err)
	}
	nobody := func(Digest) []User { return nil }
	if _, _, err := s.Remove(t.Context(), "app", RemoveOptions{}, nobody); err != nil {
		t.Fatal(err)
	}
	unused := func(string) bool { return false }
	if gone, err := s.Collect(t.Context(), unused); err != nil || len(gone) > 0 {
		t.Errorf("collected %v, %v", gone, err)
	}
	for _, d := range all {
		if _, err := os.Lstat(s.blobPath(d)); err != nil {
			t.Error(err)
		}
	}
	for _, tree := range p.Image.Layers {
		if _, err := os.Lstat(tree); err != nil {
			t.Error(err)
		}
	}
	// As by SIGKILL: the lock goes, the file stays.
	if err := rely.lock.Close(); err != nil {
		t.Fatal(err)
	}
	if gone, err := s.Collect(t.Context(), unused); err != nil || len(gone) != len(p.Image.Layers) {
		t.Errorf("collected %v, %v", gone, err)
	}
	if left, err := os.ReadDir(s.fetchPath()); err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v, %v", fetchDir, left, err)
	}
}
