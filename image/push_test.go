package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

func mustRef(t testing.TB, s string) Reference {
	t.Helper()
	ref, err := ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// stages collects the stages of each blob.
type stages struct {
	mu   sync.Mutex
	seen map[Digest][]Progress
}

func (s *stages) add(p Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[Digest][]Progress{}
	}
	s.seen[p.Blob] = append(s.seen[p.Blob], p)
}

func (s *stages) last(d Digest) Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all := s.seen[d]; len(all) > 0 {
		return all[len(all)-1]
	}
	return Progress{Stage: -1}
}

func TestPush(t *testing.T) {
	needRoot(t)
	s, dst := testStore(t), newFakeTarget()
	img := mustImport(t, s, "reg:5000/a:1", file("f", "content"))
	layer := mustInspect(t, s, "reg:5000/a:1").Manifest.Layers[0]

	var told stages
	pushed, err := s.Push(t.Context(), dst, "reg:5000/a:1", mustRef(t, "reg:5000/a:1"), PushOptions{Progress: told.add})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(s.blobPath(img.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	if pushed != (Pushed{Digest: img.Manifest, Size: int64(len(stored))}) {
		t.Errorf("pushed %+v, want digest %s", pushed, img.Manifest)
	}
	if !bytes.Equal(dst.manifests["reg:5000/a:1"], stored) || dst.types["reg:5000/a:1"] != MediaTypeManifest {
		t.Errorf("manifest arrived as %q, type %q", dst.manifests["reg:5000/a:1"], dst.types["reg:5000/a:1"])
	}
	want := []string{"upload " + MediaTypeLayer, "upload " + MediaTypeConfig, "manifest reg:5000/a:1"}
	if !slices.Equal(dst.calls, want) {
		t.Errorf("calls %q, want %q", dst.calls, want)
	}
	if p := told.last(layer.Digest); p.Stage != StageDone || p.Done != layer.Size || p.Total != layer.Size {
		t.Errorf("last progress %+v", p)
	}
	if got := rowDigest(t, s, "reg:5000/a:1"); got != string(img.Manifest) {
		t.Errorf("the row remembers digest %q, want %s", got, img.Manifest)
	}

	// Once more: nothing but the manifest travels.
	dst.calls, told = nil, stages{}
	if _, err := s.Push(t.Context(), dst, "reg:5000/a:1", mustRef(t, "reg:5000/a:1"), PushOptions{Progress: told.add}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(dst.calls, want[2:]) || told.last(layer.Digest).Stage != StageExists {
		t.Errorf("second push: calls %q, stage %d", dst.calls, told.last(layer.Digest).Stage)
	}
}

// rowDigest is what the row of a name remembers of its registry.
func rowDigest(t *testing.T, s *Store, name string) string {
	t.Helper()
	index, err := s.readIndex()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range index.Manifests {
		if row.Annotations[annotationRefName] == name {
			return row.Annotations[annotationDigest]
		}
	}
	return "no row"
}

func mustInspect(t *testing.T, s *Store, ref string) Details {
	t.Helper()
	d, err := s.Inspect(ref)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPushMounts(t *testing.T) {
	needRoot(t)
	s, dst := testStore(t), newFakeTarget()
	mustImport(t, s, "reg:5000/a:1", file("f", "content"))
	layer := mustInspect(t, s, "reg:5000/a:1").Manifest.Layers[0]
	for _, name := range []string{"reg:5000/never/pushed:1", "other:5000/a:1", "reg:5000/b:1"} {
		if err := s.Tag(t.Context(), "reg:5000/a:1", name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"reg:5000/a:1", "other:5000/a:1"} {
		if _, err := s.Push(t.Context(), dst, name, mustRef(t, name), PushOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	dst.calls = nil
	var told stages
	if _, err := s.Push(t.Context(), dst, "reg:5000/b:1", mustRef(t, "reg:5000/b:1"), PushOptions{Progress: told.add}); err != nil {
		t.Fatal(err)
	}
	want := []string{"mount from a", "upload " + MediaTypeConfig, "manifest reg:5000/b:1"}
	if !slices.Equal(dst.calls, want) {
		t.Errorf("calls %q, want %q", dst.calls, want)
	}
	if p := told.last(layer.Digest); p.Stage != StageMounted || p.From != "a" {
		t.Errorf("last progress %+v, want a mount from a", p)
	}

	// What cannot be mounted is uploaded.
	clear(dst.blobs)
	dst.calls = nil
	if _, err := s.Push(t.Context(), dst, "reg:5000/a:1", mustRef(t, "reg:5000/c:1"), PushOptions{}); err != nil {
		t.Fatal(err)
	}
	want = []string{"mount from a", "mount from b", "upload " + MediaTypeLayer, "upload " + MediaTypeConfig, "manifest reg:5000/c:1"}
	if !slices.Equal(dst.calls, want) {
		t.Errorf("calls %q, want %q", dst.calls, want)
	}
}

// TestPushFromReadOnly: a store that cannot be written to is no obstacle.
func TestPushFromReadOnly(t *testing.T) {
	s, dst := testStore(t), newFakeTarget()
	manyLayers(t, s, "a:1", 2)
	// Root writes through any mode, but no lock can be taken in place of a folder.
	lock := s.dirs.Image() + "/.lock"
	if err := errors.Join(os.RemoveAll(lock), os.Mkdir(lock, 0o700)); err != nil {
		t.Fatal(err)
	}
	pushed, err := s.Push(t.Context(), dst, "a:1", mustRef(t, "a:1"), PushOptions{})
	if err != nil || pushed.Forgotten == nil || len(dst.manifests) != 1 {
		t.Errorf("error %v, forgotten %v, %d manifests", err, pushed.Forgotten, len(dst.manifests))
	}
}

func TestPushGoesOn(t *testing.T) {
	needRoot(t)
	s, dst := testStore(t), newFakeTarget()
	mustImport(t, s, "a:1", file("f", strings.Repeat("x", 5000)))
	dst.cut, dst.lose = 100, 10
	layer := mustInspect(t, s, "a:1").Manifest.Layers[0]
	var told stages
	if _, err := s.Push(t.Context(), dst, "a:1", mustRef(t, "a:1"), PushOptions{Progress: told.add}); err != nil {
		t.Fatal(err)
	}
	again := slices.IndexFunc(told.seen[layer.Digest], func(p Progress) bool { return p.Stage == StageRetrying })
	if again < 0 || told.seen[layer.Digest][again].Done != 90 {
		t.Errorf("progress %+v: no retry at 90", told.seen[layer.Digest])
	}

	// The next piece of one that did not break is no retry.
	dst, told = newFakeTarget(), stages{}
	dst.cut = 100
	if _, err := s.Push(t.Context(), dst, "a:1", mustRef(t, "a:1"), PushOptions{Progress: told.add}); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(told.seen[layer.Digest], func(p Progress) bool { return p.Stage == StageRetrying }) {
		t.Errorf("progress %+v has a retry", told.seen[layer.Digest])
	}
}

// TestPushConcurrency: several layers travel at once, none of them twice.
func TestPushConcurrency(t *testing.T) {
	s, dst := testStore(t), newFakeTarget()
	manyLayers(t, s, "many:1", 12)
	if _, err := s.Push(t.Context(), dst, "many:1", mustRef(t, "many:1"), PushOptions{Concurrency: 3}); err != nil {
		t.Fatal(err)
	}
	if dst.most < 1 || dst.most > 3 || len(dst.blobs) != 13 || len(dst.calls) != 14 {
		t.Errorf("%d uploads at once, %d blobs, calls %q", dst.most, len(dst.blobs), dst.calls)
	}
}

// manyLayers stores an image of n layers and one of them twice, as another tool
// would: push needs no trees.
func manyLayers(t *testing.T, s *Store, ref string, n int) Manifest {
	t.Helper()
	if err := s.ensure(); err != nil {
		t.Fatal(err)
	}
	m := Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest}
	var config ImageConfig
	config.OS, config.Architecture = "linux", "amd64"
	for i := range n + 1 {
		b := makeTar(t, file("f", fmt.Sprint(i%n)))
		d := mustWriteBlob(t, s, b)
		m.Layers = append(m.Layers, Descriptor{MediaType: MediaTypeLayer, Digest: d, Size: int64(len(b))})
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, d)
	}
	c, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	m.Config = Descriptor{MediaType: MediaTypeConfig, Digest: mustWriteBlob(t, s, c), Size: int64(len(c))}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	desc := Descriptor{MediaType: MediaTypeManifest, Digest: mustWriteBlob(t, s, b), Size: int64(len(b))}
	index, err := s.readIndex()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.writeIndex(withName(index, desc, mustRef(t, ref).String())); err != nil {
		t.Fatal(err)
	}
	return m
}

func mustWriteBlob(t *testing.T, s *Store, b []byte) Digest {
	t.Helper()
	d, err := s.writeBlob(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPushRefuses(t *testing.T) {
	flip := func(t *testing.T, s *Store, m Manifest) {
		path := s.blobPath(m.Layers[0].Digest)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[600] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		query  string
		damage func(t *testing.T, s *Store, m Manifest)
		o      PushOptions
		err    error
		want   error
		text   string
		sent   bool
	}{
		{name: "unknown", query: "nobody", text: "No such image: nobody:latest"},
		{name: "other platform", o: PushOptions{Platform: Platform{OS: "linux", Architecture: "s390x"}}, text: "does not match the specified platform: wanted linux/s390x, actual: linux/amd64"},
		{name: "layer is gone", want: fs.ErrNotExist, text: "is missing from the store", damage: func(t *testing.T, s *Store, m Manifest) {
			if err := os.Remove(s.blobPath(m.Layers[1].Digest)); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "layer is short", want: ErrCorrupt, damage: func(t *testing.T, s *Store, m Manifest) {
			if err := os.Truncate(s.blobPath(m.Layers[1].Digest), 10); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "layer has a flipped bit", want: ErrCorrupt, text: "content has digest", damage: flip, sent: true},
		{name: "registry fails", err: io.ErrUnexpectedEOF, want: io.ErrUnexpectedEOF, sent: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, dst := testStore(t), newFakeTarget()
			dst.err = c.err
			m := manyLayers(t, s, "a:1", 2)
			if c.damage != nil {
				c.damage(t, s, m)
			}
			if c.query == "" {
				c.query = "a:1"
			}
			_, err := s.Push(t.Context(), dst, c.query, mustRef(t, "a:1"), c.o)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %v and %q", err, c.want, c.text)
			}
			if len(dst.manifests) != 0 || !c.sent && len(dst.calls) != 0 {
				t.Errorf("calls %q after a refusal", dst.calls)
			}
			if got := rowDigest(t, s, "docker.io/library/a:1"); got != "" {
				t.Errorf("the row remembers %q", got)
			}
		})
	}
}

func TestPushCancelled(t *testing.T) {
	s, dst := testStore(t), newFakeTarget()
	manyLayers(t, s, "a:1", 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Push(ctx, dst, "a:1", mustRef(t, "a:1"), PushOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
