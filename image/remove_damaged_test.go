package image

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDamagedImage: what is damaged can be removed, and stands in nobody's way.
func TestDamagedImage(t *testing.T) {
	needRoot(t)
	for _, part := range []string{"config", "manifest", "layer"} {
		for _, by := range []string{"name", "digest"} {
			t.Run(part+" by "+by, func(t *testing.T) {
				s := testStore(t)
				mustImport(t, s, "broken", file("x", "1"))
				mustImport(t, s, "fine", file("y", "2"))
				mustImport(t, s, "other", file("y", "3"))
				parts := imageParts(t, s, "broken")
				flip(t, s.blobPath(parts[part]))
				images, err := s.List()
				if err != nil || len(images) != 3 || (images[0].Err == nil) != (part == "layer") || images[1].Err != nil {
					t.Errorf("list: %+v, %v", images, err)
				}
				if _, deleted, err := s.Remove(t.Context(), "other", RemoveOptions{}, nobody); err != nil || len(deleted) == 0 {
					t.Errorf("remove another: %q, %v", deleted, err)
				}
				if _, err := s.Collect(t.Context(), func(string) bool { return false }); part != "layer" && (err == nil || !strings.Contains(err.Error(), "broken")) {
					t.Errorf("collect: %v", err)
				}
				query := "broken"
				if by == "digest" {
					if query = string(parts["manifest"]); part == "layer" {
						query = string(parts["config"])
					}
				}
				untagged, deleted, err := s.Remove(t.Context(), query, RemoveOptions{}, nobody)
				if err != nil || !slices.Equal(untagged, []string{"broken:latest"}) || len(deleted) == 0 {
					t.Errorf("remove: %q, %q, %v", untagged, deleted, err)
				}
				old := time.Now().Add(-2 * blobGrace)
				blobs, _ := filepath.Glob(s.blobDir() + "/*")
				for _, b := range blobs {
					must(t, os.Chtimes(b, old, old))
				}
				if _, err := s.Collect(t.Context(), func(string) bool { return false }); err != nil {
					t.Error(err)
				}
				mustBeClean(t, s, "after")
				checkStore(t, s, true)
				if _, err := s.Resolve("fine"); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
