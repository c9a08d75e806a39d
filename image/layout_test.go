package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"

	"berth/state"
)

// layoutSource is an OCI layout on disk as a source: its one image goes by every
// name.
type layoutSource struct{ dir string }

func (l layoutSource) Manifest(_ context.Context, ref Reference) (Descriptor, []byte, error) {
	digest := ref.Digest
	if digest == "" {
		b, err := os.ReadFile(l.dir + "/index.json")
		if err != nil {
			return Descriptor{}, nil, err
		}
		var index Index
		if err := json.Unmarshal(b, &index); err != nil || len(index.Manifests) != 1 {
			return Descriptor{}, nil, fmt.Errorf("read %s: %d images, %w", l.dir, len(index.Manifests), err)
		}
		digest = index.Manifests[0].Digest
	}
	b, err := os.ReadFile(l.dir + "/blobs/sha256/" + digest.Hex())
	return Descriptor{Digest: digest, Size: int64(len(b))}, b, err
}

func (l layoutSource) Blob(_ context.Context, _ Reference, blob Descriptor, offset int64) (io.ReadCloser, error) {
	f, err := os.Open(l.dir + "/blobs/sha256/" + blob.Digest.Hex())
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	return f, err
}

// BenchmarkPull pulls the image in the OCI layout that BERTH_PULL_LAYOUT names,
// from disk: what a pull costs without a network.
func BenchmarkPull(b *testing.B) {
	needRoot(b)
	layout := os.Getenv("BERTH_PULL_LAYOUT")
	if layout == "" {
		b.Skip("needs BERTH_PULL_LAYOUT, an OCI layout with one image, as tests/fixture/images.sh makes them")
	}
	root, err := os.MkdirTemp(os.Getenv("BERTH_PULL_DIR"), "pull")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(root)
	for b.Loop() {
		s := Open(state.Dirs{Root: root + "/root", Run: root + "/run"})
		if _, err := s.Pull(b.Context(), layoutSource{layout}, Reference{Domain: "a.b", Path: "c", Tag: "d"}, PullOptions{}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := os.RemoveAll(root + "/root"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
