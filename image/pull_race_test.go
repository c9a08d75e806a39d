package image

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestParallelPulls: twenty pulls of images that share layers in another order
// fetch each blob once, and wait for each other to the end. A flock belongs to an
// open file, so that goroutines stand for processes.
func TestParallelPulls(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	var tars [][]byte
	for i := range 6 {
		tars = append(tars, makeTar(t, file(fmt.Sprint("f", i), strings.Repeat(fmt.Sprint(i), 200_000))))
	}
	src.image(t, "up", tars...)
	src.image(t, "down", tars[5], tars[4], tars[3], tars[2], tars[1], tars[0])
	src.open = func(_ Descriptor, _ int64, r io.Reader) (io.Reader, error) {
		time.Sleep(time.Millisecond)
		return r, nil
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			ref := "app:" + []string{"up", "down"}[i%2]
			if _, err := Open(s.dirs).Pull(t.Context(), src, mustReference(t, ref), PullOptions{}); err != nil {
				t.Errorf("pull %s: %v", ref, err)
			}
		})
	}
	wg.Wait()
	for d := range src.blobs {
		if n := src.count("blob " + string(d)); n != 1 {
			t.Errorf("blob %s was fetched %d times", d, n)
		}
	}
	checkStore(t, s, true)
	if images, err := s.List(); err != nil || len(images) != 2 {
		t.Errorf("%d images, %v", len(images), err)
	}
}

// TestPullRepairs: what others remove while it goes on, and what was damaged on
// disk, is there in the end.
func TestPullRepairs(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	first, second := makeTar(t, file("first", "1")), makeTar(t, file("second", strings.Repeat("2", 300_000)))
	src.image(t, "old", first)
	old := mustPull(t, s, src, "app:old")
	src.image(t, "new", first, second)
	src.open = func(blob Descriptor, _ int64, r io.Reader) (io.Reader, error) {
		if blob.Digest == digestBytes(gzipBytes(t, second)) {
			// The first layer was found and is counted on.
			if _, _, err := s.Remove(t.Context(), "app:old", RemoveOptions{}, nobody); err != nil && src.count("blob "+string(blob.Digest)) == 1 {
				t.Errorf("remove: %v", err)
			}
		}
		return r, nil
	}
	fresh := mustPull(t, s, src, "app:new")
	if b, err := os.ReadFile(fresh.Image.Layers[1] + "/first"); err != nil || string(b) != "1" {
		t.Errorf("first: %q, %v", b, err)
	}
	checkStore(t, s, true)
	src.open = nil

	if err := s.removeLayer(filepath.Base(old.Image.Layers[0])); err != nil {
		t.Fatal(err)
	}
	fetched := src.count("blob " + string(digestBytes(gzipBytes(t, first))))
	if p := mustPull(t, s, src, "app:new"); p.New {
		t.Error("a tree that was unpacked again made a new image")
	}
	if n := src.count("blob " + string(digestBytes(gzipBytes(t, first)))); n != fetched {
		t.Error("a stored blob was fetched to unpack it")
	}
	if err := s.removeLayer(filepath.Base(old.Image.Layers[0])); err != nil {
		t.Fatal(err)
	}
	path := s.blobPath(digestBytes(gzipBytes(t, first)))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	mustPull(t, s, src, "app:new")
	checkStore(t, s, true)
}

// TestDamagedPartial: what is left of an interrupted pull is not believed.
func TestDamagedPartial(t *testing.T) {
	needRoot(t)
	content := makeTar(t, file("a", strings.Repeat("content", 5000)))
	packed := gzipBytes(t, content)
	for name, left := range map[string][]byte{
		"garbage": []byte("garbage"), "as long as the blob": make([]byte, len(packed)), "longer": make([]byte, len(packed)+10), "right": packed[:50],
		"complete": packed, "empty": {},
	} {
		t.Run(name, func(t *testing.T) {
			s, src := testStore(t), newMemorySource()
			src.image(t, "latest", content)
			if err := s.ensure(); err != nil {
				t.Fatal(err)
			}
			d := digestBytes(packed)
			if err := os.WriteFile(s.fetchPath()+"/"+d.Hex(), left, 0o600); err != nil {
				t.Fatal(err)
			}
			mustPull(t, s, src, "app")
			checkStore(t, s, true)
			if n := src.count("blob " + string(d)); name == "complete" && n != 0 {
				t.Errorf("fetched %d times", n)
			}
		})
	}
}

func TestPullPlatforms(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	one := func(p Platform) Descriptor {
		content := makeTar(t, file(strings.ReplaceAll(p.String(), "/", "-"), ""))
		layer := src.blob(gzipBytes(t, content))
		layer.MediaType = MediaTypeLayerGzip
		d := src.finish(t, "part", Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest, Layers: []Descriptor{layer}},
			ImageConfig{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, RootFS: RootFS{Type: "layers", DiffIDs: []Digest{digestBytes(content)}}})
		d.Platform = &p
		return d
	}
	linux := func(arch, variant string) Platform {
		return Platform{OS: "linux", Architecture: arch, Variant: variant}
	}
	inner := src.document(t, "inner", MediaTypeIndex, Index{SchemaVersion: 2, MediaType: MediaTypeIndex, Manifests: []Descriptor{one(linux("s390x", ""))}})
	inner.Platform = &Platform{OS: "linux", Architecture: "s390x"}
	index := src.document(t, "latest", MediaTypeDockerList, Index{SchemaVersion: 2, MediaType: MediaTypeDockerList, Manifests: []Descriptor{
		one(linux("unknown", "")), one(linux("386", "")), one(linux("arm", "v6")), one(linux("amd64", "v2")), one(linux("amd64", "")),
		one(linux("arm64", "v8")), inner,
	}})
	for asked, want := range map[string]string{
		"linux/amd64": "linux-amd64", "linux/amd64/v3": "linux-amd64-v2", "linux/x86_64": "linux-amd64", "linux/386": "linux-386",
		"linux/arm64": "linux-arm64-v8", "linux/arm64/v8": "linux-arm64-v8", "linux/aarch64": "linux-arm64-v8", "linux/arm/v7": "linux-arm-v6",
		"linux/s390x": "linux-s390x",
	} {
		platform, err := ParsePlatform(asked)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Pull(t.Context(), src, mustReference(t, "app"), PullOptions{Platform: platform})
		if err != nil {
			t.Errorf("%s: %v", asked, err)
			continue
		}
		if _, err := os.Stat(p.Image.Layers[0] + "/" + want); err != nil || p.Digest != index.Digest {
			t.Errorf("%s: %+v, %v", asked, p, err)
		}
	}
	own := mustPull(t, s, src, "app")
	if own.Image.Architecture != runtime.GOARCH {
		t.Errorf("without a platform: %+v", own.Image)
	}
	pinned := "app@" + string(index.Digest)
	if img, err := s.Resolve(pinned); err != nil || img.ID != own.Image.ID {
		t.Errorf("resolve %s: %+v, %v", pinned, img, err)
	}
	if p := mustPull(t, s, src, pinned); p.New || p.Image.ID != own.Image.ID {
		t.Errorf("pull %s: %+v", pinned, p)
	}
	if p := mustPull(t, s, src, "other@"+string(index.Digest)); !p.New || p.Image.Ref != "docker.io/library/other@"+string(index.Digest) {
		t.Errorf("pull by digest: %+v", p)
	}
	if p := mustPull(t, s, src, "other"); !p.New {
		t.Errorf("a tag after the digest: %+v", p)
	}
	if _, _, err := s.Remove(t.Context(), "other:latest", RemoveOptions{}, nobody); err != nil {
		t.Error(err)
	}
	if _, err := s.Resolve("other@" + string(index.Digest)); err == nil {
		t.Error("the row of the digest is still there")
	}
}

// TestKilledPulls kills pulls at random moments. The store must be usable after
// each, and nothing that was complete is fetched again.
func TestKilledPulls(t *testing.T) {
	needRoot(t)
	s, layout := testStore(t), t.TempDir()
	src := newMemorySource()
	random := rand.New(rand.NewPCG(1, 2))
	var tars [][]byte
	for i := range 5 {
		var entries []*tarEntry
		for k := range 100 {
			entries = append(entries, file(fmt.Sprintf("d%d/f%d-%d", k%7, i, k), fmt.Sprint(strings.Repeat(fmt.Sprint(k), 500), random.Uint64())))
		}
		tars = append(tars, makeTar(t, entries...))
	}
	desc := src.image(t, "latest", tars...)
	if err := writeLayout(layout, src, desc); err != nil {
		t.Fatal(err)
	}
	log := layout + "/asked"
	start := time.Now()
	calibrate := testStore(t)
	if c, out := startChild(t, "pull", calibrate.dirs.Root, calibrate.dirs.Run, layout, "calibrate"); c.Wait() != nil {
		t.Fatal(out)
	}
	// Past the usual end, so that some die in the commit and some not at all.
	window, killed := time.Since(start)*5/4, 0
	for round := range 12 {
		complete, _ := filepath.Glob(s.blobDir() + "/*")
		os.Remove(log)
		c, out := startChild(t, "pull", s.dirs.Root, s.dirs.Run, layout, fmt.Sprint("r", round))
		time.Sleep(time.Duration(random.Int64N(int64(window))))
		_ = c.Process.Kill()
		if err := c.Wait(); err != nil {
			killed++
			if out.Len() > 0 {
				t.Fatalf("round %d: %s%v", round, out, err)
			}
		}
		asked, _ := os.ReadFile(log)
		for _, b := range complete {
			if strings.Contains(string(asked), filepath.Base(b)) {
				t.Errorf("round %d: complete blob %s was fetched again", round, filepath.Base(b))
			}
		}
		images, err := s.List()
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for _, img := range images {
			if img.Err != nil {
				t.Fatalf("round %d: %v", round, img.Err)
			}
		}
		if len(images) > 0 {
			// All of it is there: from the beginning again.
			if _, err := s.Collect(t.Context(), func(string) bool { return false }); err != nil {
				t.Fatal(err)
			}
			for _, img := range images {
				if _, _, err := s.Remove(t.Context(), string(img.ID), RemoveOptions{Force: true}, nobody); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	t.Logf("%d of 12 pulls were killed", killed)
	if killed == 0 {
		t.Error("no pull was killed in time: the test shows nothing")
	}
	if _, err := s.Pull(t.Context(), layoutSource{layout}, mustReference(t, "last"), PullOptions{}); err != nil {
		t.Fatal(err)
	}
	checkStore(t, s, true)
	if left, _ := os.ReadDir(s.fetchPath()); len(left) > 0 {
		t.Errorf("left in %s: %v", fetchDir, left)
	}
}

// writeLayout writes what a source has as an OCI layout.
func writeLayout(dir string, src *memorySource, desc Descriptor) error {
	blobs := dir + "/blobs/sha256/"
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	for d, b := range src.blobs {
		if err := os.WriteFile(blobs+d.Hex(), b, 0o600); err != nil {
			return err
		}
	}
	if err := os.WriteFile(blobs+desc.Digest.Hex(), src.manifests[string(desc.Digest)], 0o600); err != nil {
		return err
	}
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, desc.MediaType, desc.Digest, desc.Size)
	return os.WriteFile(dir+"/index.json", []byte(index), 0o600)
}

// pullChild is what a process of TestKilledPulls does.
func pullChild(ctx context.Context, s *Store, layout, name string) error {
	ref, err := ParseReference(name)
	if err != nil {
		return err
	}
	_, err = s.Pull(ctx, loggingSource{layoutSource{layout}}, ref, PullOptions{})
	return err
}

// loggingSource notes in the layout which blobs it is asked for.
type loggingSource struct{ layoutSource }

func (l loggingSource) Blob(ctx context.Context, ref Reference, blob Descriptor, offset int64) (io.ReadCloser, error) {
	f, err := os.OpenFile(l.dir+"/asked", os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, blob.Digest, offset); err != nil {
		return nil, err
	}
	return l.layoutSource.Blob(ctx, ref, blob, offset)
}
