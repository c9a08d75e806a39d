package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// TestPullRefuses: whatever is wrong with an image is said, nothing of it is to be
// seen, and nothing is left running.
func TestPullRefuses(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	good := newMemorySource()
	good.image(t, "latest", makeTar(t, file("x", "1")))
	mustPull(t, s, good, "good")
	before := tree(t, s.dirs.Root)
	for _, tt := range refusals(t) {
		t.Run(tt.name, func(t *testing.T) {
			src := newMemorySource()
			tt.make(t, src)
			goroutines := runtime.NumGoroutine()
			_, err := s.Pull(t.Context(), src, mustReference(t, "bad"), PullOptions{Platform: tt.platform, Limits: tt.limits})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			for range 100 {
				if runtime.NumGoroutine() <= goroutines {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if n := runtime.NumGoroutine(); n > goroutines {
				t.Errorf("%d goroutines, %d before", n, goroutines)
			}
			if images, err := s.List(); err != nil || len(images) != 1 || images[0].Err != nil {
				t.Errorf("%d images, %v", len(images), err)
			}
			stages, _ := os.ReadDir(s.dirs.Layer())
			for _, n := range stages {
				if strings.HasPrefix(n.Name(), ".") {
					t.Errorf("left behind: %s", n.Name())
				}
			}
		})
	}
	// Verified blobs of an image that was refused may stay for a while, and one that
	// ended too early, which the next pull would go on with.
	cut := "/image/.fetch/" + digestBytes(gzipBytes(t, refusedContent(t))).Hex()
	after := slices.DeleteFunc(tree(t, s.dirs.Root), func(p string) bool {
		return strings.HasPrefix(p, "/image/blobs/sha256/") && !slices.Contains(before, p) || p == cut
	})
	if !slices.Equal(before, after) {
		t.Errorf("store changed, %d paths before:\n%v", len(before), slices.DeleteFunc(after, func(p string) bool { return slices.Contains(before, p) }))
	}
}

type refusal struct {
	name     string
	make     func(t *testing.T, src *memorySource)
	platform Platform
	limits   Limits
	want     string
	is       error
}

func refusals(t *testing.T) []refusal {
	content := refusedContent(t)
	list := append(documentRefusals(content), blobRefusals(t, content)...)
	for _, h := range hostileTars() {
		list = append(list, refusal{
			name: "hostile " + h.name, want: fmt.Sprintf("unpack %q", h.blame)[:8+min(len(h.blame), 4)],
			make: func(t *testing.T, src *memorySource) { src.image(t, "latest", makeTar(t, h.entries...)) },
		})
	}
	return list
}

func refusedContent(t *testing.T) []byte {
	return makeTar(t, file("a", strings.Repeat("content", 1000)))
}

// spoil makes an image and changes its manifest and config.
func spoil(content []byte, change func(m *Manifest, c *ImageConfig)) func(*testing.T, *memorySource) {
	return func(t *testing.T, src *memorySource) {
		layer := src.blob(gzipBytes(t, content))
		layer.MediaType = MediaTypeLayerGzip
		m := Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest, Layers: []Descriptor{layer}}
		c := ImageConfig{OS: "linux", Architecture: "amd64", RootFS: RootFS{Type: "layers", DiffIDs: []Digest{digestBytes(content)}}}
		change(&m, &c)
		desc := src.finish(t, "latest", m, c)
		if m.Config.MediaType == "" {
			return
		}
		var full Manifest
		if err := json.Unmarshal(src.manifests[string(desc.Digest)], &full); err != nil {
			t.Fatal(err)
		}
		full.Config.MediaType = m.Config.MediaType
		src.document(t, "latest", MediaTypeManifest, full)
	}
}

func documentRefusals(content []byte) []refusal {
	arm := Platform{OS: "linux", Architecture: "arm64"}
	raw := func(mediaType, text string) func(*testing.T, *memorySource) {
		return func(_ *testing.T, src *memorySource) {
			src.manifests["latest"], src.types["latest"] = []byte(text), mediaType
		}
	}
	return []refusal{
		{name: "nothing there", make: func(*testing.T, *memorySource) {}, want: "manifest latest unknown"},
		{name: "no JSON", make: raw(MediaTypeManifest, "<html>"), want: "invalid character", is: ErrCorrupt},
		{name: "schema 1", make: raw("application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`), want: "schema 1 is not supported"},
		{name: "another type", make: raw("text/plain", `{"schemaVersion":2,"mediaType":"text/plain"}`), want: "unsupported media type text/plain"},
		{name: "sent as an index", make: raw(MediaTypeIndex, `{"schemaVersion":2,"mediaType":"`+MediaTypeManifest+`"}`), want: "was sent as", is: ErrCorrupt},
		{name: "manifest and index", make: raw(MediaTypeManifest, `{"schemaVersion":2,"manifests":[],"layers":[]}`), want: "both manifest and index", is: ErrCorrupt},
		{name: "index and manifest", make: raw(MediaTypeIndex, `{"schemaVersion":2,"manifests":[],"layers":[]}`), want: "both manifest and index", is: ErrCorrupt},
		{name: "huge", make: raw(MediaTypeManifest, `{"a":"`+strings.Repeat("x", maxMetadata)+`"}`), want: "more than"},
		{name: "artifact", want: "unsupported media type application/vnd.example+json", make: spoil(content, func(m *Manifest, _ *ImageConfig) {
			m.Config.MediaType = "application/vnd.example+json"
		})},
		{name: "foreign layer", want: "foreign layers are not supported", make: spoil(content, func(m *Manifest, _ *ImageConfig) {
			m.Layers[0].URLs = []string{"https://example.com"}
		})},
		{name: "encrypted layer", want: "encrypted layers are not supported", make: spoil(content, func(m *Manifest, _ *ImageConfig) {
			m.Layers[0].MediaType += "+encrypted"
		})},
		{name: "no layer", want: "unsupported media type application/json", make: spoil(content, func(m *Manifest, _ *ImageConfig) {
			m.Layers[0].MediaType = "application/json"
		})},
		{name: "digest that is a path", want: "parse digest", make: spoil(content, func(m *Manifest, _ *ImageConfig) {
			m.Layers[0].Digest = "sha256:../../../../etc/passwd"
		})},
		{name: "negative size", want: "out of range", make: spoil(content, func(m *Manifest, _ *ImageConfig) { m.Layers[0].Size = -1 })},
		{name: "huge size", want: "out of range", make: spoil(content, func(m *Manifest, _ *ImageConfig) { m.Layers[0].Size = 1 << 60 })},
		{name: "two sizes", want: "sizes", is: ErrCorrupt, make: spoil(content, func(m *Manifest, _ *ImageConfig) {
			other := m.Layers[0]
			other.Size++
			m.Layers = append(m.Layers, other)
		})},
		{name: "too many layers", want: "more than 500", make: spoil(content, func(m *Manifest, _ *ImageConfig) {
			m.Layers = slices.Repeat(m.Layers, 501)
		})},
		{name: "too few diff ids", want: "0 diff ids for 1 layers", is: ErrCorrupt, make: spoil(content, func(_ *Manifest, c *ImageConfig) { c.RootFS.DiffIDs = nil })},
		{name: "windows", want: `image operating system "windows" cannot be used`, make: spoil(content, func(_ *Manifest, c *ImageConfig) { c.OS = "windows" })},
		{name: "one image of another platform", platform: arm, make: spoil(content, func(*Manifest, *ImageConfig) {}),
			want: "image with reference bad:latest was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64"},
		{name: "no image for the platform", platform: arm, want: "no matching manifest for linux/arm64 in the manifest list entries", make: func(t *testing.T, src *memorySource) {
			one := src.image(t, "one", content)
			one.Platform = &Platform{OS: "linux", Architecture: "amd64"}
			src.document(t, "latest", MediaTypeIndex, Index{SchemaVersion: 2, MediaType: MediaTypeIndex, Manifests: []Descriptor{one}})
		}},
		{name: "indexes without end", want: "more than 4 manifest lists", make: func(t *testing.T, src *memorySource) {
			inner := src.image(t, "one", content)
			for range 5 {
				inner.Platform = &Platform{OS: "linux", Architecture: runtime.GOARCH}
				inner = src.document(t, "latest", MediaTypeIndex, Index{SchemaVersion: 2, MediaType: MediaTypeIndex, Manifests: []Descriptor{inner}})
			}
		}},
		{name: "index with a wrong size", want: "is not", is: ErrCorrupt, make: func(t *testing.T, src *memorySource) {
			one := src.image(t, "one", content)
			one.Platform, one.Size = &Platform{OS: "linux", Architecture: runtime.GOARCH}, one.Size+1
			src.document(t, "latest", MediaTypeIndex, Index{SchemaVersion: 2, MediaType: MediaTypeIndex, Manifests: []Descriptor{one}})
		}},
	}
}

func blobRefusals(t *testing.T, content []byte) []refusal {
	packed := gzipBytes(t, content)
	serve := func(change func([]byte) io.Reader) func(*testing.T, *memorySource) {
		return func(t *testing.T, src *memorySource) {
			src.image(t, "latest", content)
			src.open = func(blob Descriptor, offset int64, r io.Reader) (io.Reader, error) {
				if blob.Digest != digestBytes(packed) {
					return r, nil
				}
				return change(bytes.Clone(packed[offset:])), nil
			}
		}
	}
	bomb := zstdBytes(t, make([]byte, 8<<20))
	return []refusal{
		{name: "flipped byte", want: "content has digest", is: ErrCorrupt, make: serve(func(b []byte) io.Reader { b[len(b)/2] ^= 1; return bytes.NewReader(b) })},
		{name: "byte too many", want: "more than", is: ErrCorrupt, make: serve(func(b []byte) io.Reader { return bytes.NewReader(append(b, 0)) })},
		{name: "byte too few", want: "ended after", make: serve(func(b []byte) io.Reader { return bytes.NewReader(b[:len(b)-1]) })},
		{name: "nothing", want: "ended after", make: serve(func([]byte) io.Reader { return bytes.NewReader(nil) })},
		{name: "another tar", want: "the image says", is: ErrCorrupt, make: spoil(content, func(_ *Manifest, c *ImageConfig) {
			c.RootFS.DiffIDs[0] = digestBytes([]byte("another"))
		})},
		{name: "config that is cut", want: "is not", is: ErrCorrupt, make: func(t *testing.T, src *memorySource) {
			d := src.image(t, "latest", makeTar(t, file("another", "")))
			var m Manifest
			if err := json.Unmarshal(src.manifests[string(d.Digest)], &m); err != nil {
				t.Fatal(err)
			}
			src.blobs[m.Config.Digest] = src.blobs[m.Config.Digest][:20]
		}},
		{name: "too many bytes", want: "exceeds its limits", is: ErrLayerTooBig, limits: Limits{Bytes: 1 << 20}, make: func(t *testing.T, src *memorySource) {
			src.image(t, "latest", makeTar(t, file("big", strings.Repeat("x", 2<<20))))
		}},
		{name: "too many entries", want: "more than 2 entries", is: ErrLayerTooBig, limits: Limits{Entries: 2}, make: func(t *testing.T, src *memorySource) {
			src.image(t, "latest", makeTar(t, file("a", ""), file("b", ""), file("c", "")))
		}},
		{name: "bomb", want: "expand to more than", is: ErrLayerTooBig, limits: Limits{RatioAfter: 1 << 20}, make: func(t *testing.T, src *memorySource) {
			layer := src.blob(bomb)
			layer.MediaType = MediaTypeLayerZstd
			src.finish(t, "latest", Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest, Layers: []Descriptor{layer}},
				ImageConfig{OS: "linux", Architecture: "amd64", RootFS: RootFS{DiffIDs: []Digest{digestBytes(bomb)}}})
		}},
	}
}

func zstdBytes(t testing.TB, b []byte, options ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func TestPullCancelled(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	src.image(t, "latest", threeLayers(t)...)
	ctx, cancel := context.WithCancel(t.Context())
	src.open = func(blob Descriptor, _ int64, r io.Reader) (io.Reader, error) {
		if blob.MediaType == MediaTypeConfig {
			return r, nil
		}
		return io.MultiReader(io.LimitReader(r, 100), waitingReader{ctx}), nil
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := s.Pull(ctx, src, mustReference(t, "app"), PullOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// One that waits for another's blob ends as well.
	src.open = nil
	var held []*partial
	for d := range src.blobs {
		part, err := s.openPartial(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, part)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Pull(ctx, src, mustReference(t, "app"), PullOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while others fetch: %v", err)
	}
	for _, part := range held {
		part.close()
	}
	mustPull(t, s, src, "app")
	checkStore(t, s, true)
}

// waitingReader blocks until its context ends, as a silent connection does.
type waitingReader struct{ ctx context.Context } //nolint:containedctx // it stands for a connection

func (w waitingReader) Read([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}
