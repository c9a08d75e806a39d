package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// memorySource is a registry in memory that counts what it is asked for.
type memorySource struct {
	mu        sync.Mutex
	manifests map[string][]byte
	types     map[string]string
	blobs     map[Digest][]byte
	// asked counts requests: "manifest NAME" and "blob DIGEST@OFFSET".
	asked map[string]int
	// open, when set, stands between a blob and its reader.
	open func(blob Descriptor, offset int64, r io.Reader) (io.Reader, error)
}

func newMemorySource() *memorySource {
	return &memorySource{manifests: map[string][]byte{}, types: map[string]string{}, blobs: map[Digest][]byte{}, asked: map[string]int{}}
}

func (m *memorySource) Manifest(_ context.Context, ref Reference) (Descriptor, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := ref.Tag
	if ref.Digest != "" {
		name = string(ref.Digest)
	}
	m.asked["manifest "+name]++
	b, ok := m.manifests[name]
	if !ok {
		return Descriptor{}, nil, fmt.Errorf("manifest %s unknown", name)
	}
	return Descriptor{MediaType: m.types[name], Digest: digestBytes(b), Size: int64(len(b))}, b, nil
}

func (m *memorySource) Blob(_ context.Context, _ Reference, blob Descriptor, offset int64) (io.ReadCloser, error) {
	m.mu.Lock()
	m.asked[fmt.Sprintf("blob %s", blob.Digest)]++
	b, ok := m.blobs[blob.Digest]
	m.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("blob %s unknown", blob.Digest)
	}
	var r io.Reader = bytes.NewReader(b[offset:])
	if m.open != nil {
		var err error
		if r, err = m.open(blob, offset, r); err != nil {
			return nil, err
		}
	}
	return io.NopCloser(r), nil
}

func (m *memorySource) count(what string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[what]
}

func (m *memorySource) blob(b []byte) Descriptor {
	d := digestBytes(b)
	m.blobs[d] = b
	return Descriptor{Digest: d, Size: int64(len(b))}
}

// document stores JSON as a manifest or index under its digest and a tag.
func (m *memorySource) document(t testing.TB, tag, mediaType string, v any) Descriptor {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d := digestBytes(b)
	for _, name := range []string{tag, string(d)} {
		m.manifests[name], m.types[name] = b, mediaType
	}
	return Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(b))}
}

// image makes an image of layers that are gzipped tars.
func (m *memorySource) image(t testing.TB, tag string, tars ...[]byte) Descriptor {
	t.Helper()
	config := ImageConfig{OS: "linux", Architecture: "amd64", RootFS: RootFS{Type: "layers"}, Config: Config{Cmd: []string{"sh"}}}
	manifest := Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest}
	for _, b := range tars {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digestBytes(b))
		layer := m.blob(gzipBytes(t, b))
		layer.MediaType = MediaTypeLayerGzip
		manifest.Layers = append(manifest.Layers, layer)
	}
	return m.finish(t, tag, manifest, config)
}

func (m *memorySource) finish(t testing.TB, tag string, manifest Manifest, config ImageConfig) Descriptor {
	t.Helper()
	c, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	manifest.Config = m.blob(c)
	manifest.Config.MediaType = MediaTypeConfig
	return m.document(t, tag, MediaTypeManifest, manifest)
}

func mustReference(t testing.TB, s string) Reference {
	t.Helper()
	r, err := ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustPull(t testing.TB, s *Store, src Source, ref string) Pulled {
	t.Helper()
	p, err := s.Pull(t.Context(), src, mustReference(t, ref), PullOptions{})
	if err != nil {
		t.Fatalf("pull %s: %v", ref, err)
	}
	return p
}

// threeLayers are tars of different sizes, the last without an entry.
func threeLayers(t testing.TB) [][]byte {
	return [][]byte{
		richTar(t), makeTar(t, dir("opt"), file("opt/big", strings.Repeat("0123456789abcdef\n", 100_000))), makeTar(t),
	}
}

func TestPull(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	want := src.image(t, "1", threeLayers(t)...)
	p := mustPull(t, s, src, "reg.example/team/app:1")
	if !p.New || p.Digest != want.Digest || p.Image.Manifest != want.Digest || len(p.Image.Layers) != 3 {
		t.Errorf("pulled %+v", p)
	}
	if b, err := os.ReadFile(p.Image.Layers[1] + "/opt/big"); err != nil || len(b) != 1_700_000 {
		t.Errorf("opt/big: %d bytes, %v", len(b), err)
	}
	checkStore(t, s, true)
	for _, query := range []string{"reg.example/team/app:1", "reg.example/team/app@" + string(want.Digest), string(p.Image.ID)} {
		if got, err := s.Resolve(query); err != nil || got.ID != p.Image.ID {
			t.Errorf("resolve %s: %+v, %v", query, got, err)
		}
	}
	for d := range src.blobs {
		if n := src.count("blob " + string(d)); n != 1 {
			t.Errorf("blob %s was fetched %d times", d, n)
		}
	}
	before, _ := os.Stat(s.indexPath())
	again := mustPull(t, s, src, "reg.example/team/app:1")
	after, _ := os.Stat(s.indexPath())
	if again.New || again.Image.ID != p.Image.ID || !os.SameFile(before, after) {
		t.Errorf("again: %+v", again)
	}
	left, err := os.ReadDir(s.fetchPath())
	if err != nil || len(left) != 0 {
		t.Errorf("left in %s: %v, %v", fetchDir, left, err)
	}
}

func TestPullMovesTheName(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	src.image(t, "latest", makeTar(t, file("a", "1")))
	old := mustPull(t, s, src, "app")
	src.image(t, "latest", makeTar(t, file("a", "2")))
	fresh := mustPull(t, s, src, "app")
	if !fresh.New || fresh.Image.ID == old.Image.ID {
		t.Errorf("pulled %+v after %+v", fresh, old)
	}
	images, err := s.List()
	if err != nil || len(images) != 2 || images[0].Ref != "docker.io/library/app@"+string(old.Digest) || images[0].ID != old.Image.ID || images[1].Ref != fresh.Image.Ref {
		t.Errorf("images: %+v, %v", images, err)
	}
	checkStore(t, s, true)
}

func TestPullGoesOn(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	src.image(t, "latest", threeLayers(t)...)
	var big Digest
	for d, b := range src.blobs {
		if big == "" || len(b) > len(src.blobs[big]) {
			big = d
		}
	}
	half := int64(len(src.blobs[big]) / 2)
	src.open = func(blob Descriptor, _ int64, r io.Reader) (io.Reader, error) {
		if blob.Digest == big {
			time.Sleep(300 * time.Millisecond) // The others are complete by then.
			return io.MultiReader(io.LimitReader(r, half), brokenReader{}), nil
		}
		return r, nil
	}
	if _, err := s.Pull(t.Context(), src, mustReference(t, "app"), PullOptions{}); err == nil || !strings.Contains(err.Error(), "cable cut") {
		t.Fatalf("a broken pull: %v", err)
	}
	if images, err := s.List(); err != nil || len(images) != 0 {
		t.Errorf("after a broken pull: %+v, %v", images, err)
	}
	var from int64
	src.open = func(blob Descriptor, offset int64, r io.Reader) (io.Reader, error) {
		if blob.Digest != big {
			return nil, fmt.Errorf("blob %s is complete", blob.Digest)
		}
		from = offset
		return r, nil
	}
	mustPull(t, s, src, "app")
	if from != half {
		t.Errorf("went on at %d, want %d", from, half)
	}
	for d := range src.blobs {
		want := 1
		if d == big {
			want = 2
		}
		if n := src.count("blob " + string(d)); n != want {
			t.Errorf("blob %s was fetched %d times", d, n)
		}
	}
	checkStore(t, s, true)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, fmt.Errorf("cable cut") }

// TestPullFormats: what a layer is packed in is told by its first bytes, whatever
// surrounds the tar.
func TestPullFormats(t *testing.T) {
	needRoot(t)
	content := makeTar(t, file("a", "A"), file(".no.prefetch.landmark", "\xf6"), file("stargz.index.json", "{}"))
	skippable := func(text string) []byte {
		return append(binary.LittleEndian.AppendUint32([]byte{0x53, 0x2a, 0x4d, 0x18}, uint32(len(text))), text...)
	}
	half := len(content) / 2
	long := makeTar(t, file("a", "A"), file("big", strings.Repeat("0123456789", 4<<20)))
	for name, tt := range map[string]struct {
		packed, content []byte
	}{
		"plain": {content, content}, "gzip": {gzipBytes(t, content), content}, "zstd": {zstdBytes(t, content), content},
		"several gzip members":    {slices.Concat(gzipBytes(t, content[:half]), gzipBytes(t, nil), gzipBytes(t, content[half:]), gzipBytes(t, nil)), content},
		"gzip with padding":       {append(gzipBytes(t, content), make([]byte, 700)...), content},
		"zstd:chunked":            {slices.Concat(skippable("first"), zstdBytes(t, content[:half]), zstdBytes(t, content[half:]), skippable("table of contents"), skippable("footer")), content},
		"zstd with a wide window": {zstdBytes(t, long, zstd.WithWindowSize(32<<20), zstd.WithSingleSegment(false)), long},
		"tar with much padding":   {gzipBytes(t, append(bytes.Clone(content), make([]byte, 100_000)...)), append(bytes.Clone(content), make([]byte, 100_000)...)},
	} {
		t.Run(name, func(t *testing.T) {
			s, src := testStore(t), newMemorySource()
			layer := src.blob(tt.packed)
			layer.MediaType = MediaTypeLayer
			src.finish(t, "latest", Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest, Layers: []Descriptor{layer}},
				ImageConfig{OS: "linux", Architecture: "amd64", RootFS: RootFS{DiffIDs: []Digest{digestBytes(tt.content)}}})
			p := mustPull(t, s, src, "app")
			if b, err := os.ReadFile(p.Image.Layers[0] + "/a"); err != nil || string(b) != "A" {
				t.Errorf("a = %q, %v", b, err)
			}
			// The table of contents of eStargz is a file like any other, as for docker.
			if _, err := os.Stat(p.Image.Layers[0] + "/stargz.index.json"); err != nil && len(tt.content) == len(content) {
				t.Error(err)
			}
			checkStore(t, s, true)
		})
	}
}

// TestPullTells follows the events of each blob.
func TestPullTells(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	big := make([]byte, 600_000)
	random := rand.NewChaCha8([32]byte{})
	random.Read(big)
	src.image(t, "latest", makeTar(t, file("a", string(big))), makeTar(t), makeTar(t))
	var mu sync.Mutex
	told := map[Digest][]Progress{}
	tell := func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		told[p.Blob] = append(told[p.Blob], p)
	}
	if _, err := s.Pull(t.Context(), src, mustReference(t, "app"), PullOptions{Progress: tell}); err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 {
		t.Errorf("told of %d blobs, the empty layer is there twice", len(told))
	}
	for d, list := range told {
		var done int64
		for i, p := range list {
			if i > 0 && p.Stage < list[i-1].Stage || p.Stage == StageDownloading && p.Done < done || p.Total != int64(len(src.blobs[d])) {
				t.Errorf("blob %s: %+v", d, list)
			}
			done = p.Done
		}
		if list[0].Stage != StageWaiting || list[len(list)-1].Stage != StageDone || len(list) > 8+len(src.blobs[d])/(64<<10) {
			t.Errorf("blob %s: %+v", d, list)
		}
	}
	src.image(t, "more", makeTar(t, file("a", string(big))), makeTar(t, file("b", "")))
	told = map[Digest][]Progress{}
	if _, err := s.Pull(t.Context(), src, mustReference(t, "app:more"), PullOptions{Progress: tell}); err != nil {
		t.Fatal(err)
	}
	for d, list := range told {
		if last := list[len(list)-1].Stage; len(src.blobs[d]) > 500_000 && last != StageExists {
			t.Errorf("blob %s: %+v", d, list)
		}
	}
}
