package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// archiveParts are the files of an archive of one image of two layers, as docker
// wrote them before it wrote layouts, and its names.
type archiveParts struct {
	config []byte
	id     Digest
	layers [][]byte
	item   dockerItem
}

func newArchive(t testing.TB, names ...string) *archiveParts {
	t.Helper()
	a := &archiveParts{layers: [][]byte{makeTar(t, file("a", "1")), makeTar(t, file("b", "22"))}}
	a.item = dockerItem{RepoTags: names, Layers: []string{"one/layer.tar", "two/layer.tar"}}
	c := ImageConfig{OS: "linux", Architecture: hostPlatform().Architecture, RootFS: RootFS{Type: "layers"}, Config: Config{Cmd: []string{"sh"}}}
	for _, l := range a.layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digestBytes(l))
	}
	a.setConfig(t, c)
	return a
}

func (a *archiveParts) setConfig(t testing.TB, c any) {
	t.Helper()
	var err error
	if a.config, err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	a.id = digestBytes(a.config)
	a.item.Config = a.id.Hex() + ".json"
}

// files are the entries of the archive, manifest.json the last one.
func (a *archiveParts) files(t testing.TB) []*tarEntry {
	t.Helper()
	b, err := json.Marshal([]dockerItem{a.item})
	if err != nil {
		t.Fatal(err)
	}
	return []*tarEntry{
		file(a.item.Config, string(a.config)), dir("one/"), file("one/layer.tar", string(a.layers[0])),
		file("two/layer.tar", string(a.layers[1])), file("manifest.json", string(b)),
	}
}

// stream hides what a reader can do besides.
type stream struct{ io.Reader }

func mustLoad(t testing.TB, s *Store, r io.Reader) []Loaded {
	t.Helper()
	loaded, err := s.Load(t.Context(), r, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// onDisk is an archive in a file.
func onDisk(t testing.TB, b []byte) *os.File {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/archive")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLoadDocker(t *testing.T) {
	needRoot(t)
	archive := newArchive(t, "a:1", "reg.example/b:2")
	whole := makeTar(t, archive.files(t)...)
	linked := archive.files(t)
	linked[3] = link(tar.TypeSymlink, "two/layer.tar", "../layers/deep/../2.tar")
	linked = append([]*tarEntry{link(tar.TypeLink, "layers/2.tar", "real.tar"), file("real.tar", string(archive.layers[1]))}, linked...)
	packed := archive.files(t)
	packed[2] = file("./one/layer.tar", string(gzipBytes(t, archive.layers[0])))
	for name, r := range map[string]io.Reader{
		"stream":            stream{bytes.NewReader(whole)},
		"file":              onDisk(t, whole),
		"compressed":        bytes.NewReader(gzipBytes(t, whole)),
		"compressed file":   onDisk(t, gzipBytes(t, whole)),
		"links":             bytes.NewReader(makeTar(t, linked...)),
		"compressed layers": onDisk(t, makeTar(t, packed...)),
		"more than the tar": bytes.NewReader(append(bytes.Clone(whole), make([]byte, 1<<20)...)),
	} {
		t.Run(name, func(t *testing.T) {
			s := testStore(t)
			loaded := mustLoad(t, s, r)
			if len(loaded) != 1 || loaded[0].Image.ID != archive.id || familiar(loaded[0].Refs) != "a:1 reg.example/b:2" || len(loaded[0].Moved) != 0 {
				t.Fatalf("loaded %+v", loaded)
			}
			img, err := s.Resolve("reg.example/b:2")
			if err != nil || img.ID != archive.id || img.Digest != "" {
				t.Errorf("%+v, %v", img, err)
			}
			if b, err := os.ReadFile(img.Layers[0] + "/b"); err != nil || string(b) != "22" {
				t.Errorf("%q, %v", b, err)
			}
			checkStore(t, s, true)
			mustBeClean(t, s, "after the load")
		})
	}
}

// TestLoadKeepsWhatIsThere holds that an image that the store has under another
// manifest is not stored twice, that names move, and that they keep the digest of
// their registry.
func TestLoadKeepsWhatIsThere(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	old := mustImport(t, s, "moved:1", file("x", "y"))
	archive := newArchive(t, "moved:1", "app:latest")
	var config ImageConfig
	if err := json.Unmarshal(archive.config, &config); err != nil {
		t.Fatal(err)
	}
	m := Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest}
	for _, l := range archive.layers {
		layer := src.blob(gzipBytes(t, l))
		layer.MediaType = MediaTypeLayerGzip
		m.Layers = append(m.Layers, layer)
	}
	src.finish(t, "latest", m, config)
	before := mustPull(t, s, src, "app")
	if before.Image.ID != archive.id {
		t.Fatalf("the pulled image has id %s", before.Image.ID)
	}
	blobs, _ := os.ReadDir(s.blobDir())
	loaded := mustLoad(t, s, bytes.NewReader(makeTar(t, archive.files(t)...)))
	if got := loaded[0].Moved; len(got) != 1 || got["docker.io/library/moved:1"] != old.ID {
		t.Errorf("moved: %v", got)
	}
	if after, _ := os.ReadDir(s.blobDir()); len(after) != len(blobs) {
		t.Errorf("%d blobs, %d before", len(after), len(blobs))
	}
	for name, digest := range map[string]Digest{"app": before.Digest, "moved:1": ""} {
		if img, err := s.Resolve(name); err != nil || img.Manifest != before.Image.Manifest || img.Digest != digest {
			t.Errorf("%s: %+v, %v", name, img, err)
		}
	}
	if img, err := s.Resolve(string(old.ID)); err != nil || img.Ref != "" {
		t.Errorf("the image that lost its name: %+v, %v", img, err)
	}
}

// layoutOf is a layout with an index above the images of two platforms.
func layoutOf(t testing.TB, annotations map[string]string, platforms ...string) []*tarEntry {
	t.Helper()
	src := newMemorySource()
	index := Index{SchemaVersion: 2, MediaType: MediaTypeIndex}
	for _, p := range platforms {
		platform, err := ParsePlatform(p)
		if err != nil {
			t.Fatal(err)
		}
		layer := src.blob(makeTar(t, file("platform", p)))
		layer.MediaType = MediaTypeLayer
		desc := src.finish(t, p, Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest, Layers: []Descriptor{layer}},
			ImageConfig{OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant, RootFS: RootFS{Type: "layers", DiffIDs: []Digest{layer.Digest}}})
		desc.Platform = &platform
		index.Manifests = append(index.Manifests, desc)
	}
	top := src.document(t, "index", MediaTypeIndex, index)
	top.Annotations = annotations
	var entries []*tarEntry
	for name, b := range src.manifests {
		if d, err := ParseDigest(name); err == nil {
			entries = append(entries, file(blobName(d), string(b)))
		}
	}
	for d, b := range src.blobs {
		entries = append(entries, file(blobName(d), string(b)))
	}
	b, err := json.Marshal(Index{SchemaVersion: 2, Manifests: []Descriptor{top}})
	if err != nil {
		t.Fatal(err)
	}
	return append(entries, file("index.json", string(b)), file("oci-layout", layoutMarker))
}

func TestLoadPlatforms(t *testing.T) {
	needRoot(t)
	b := makeTar(t, layoutOf(t, map[string]string{annotationRefName: "multi:1"}, "linux/s390x", "linux/amd64", "linux/arm64")...)
	for asked, want := range map[string]string{"": hostPlatform().Architecture, "linux/s390x": "s390x", "linux/arm64/v8": "arm64"} {
		s := testStore(t)
		o := LoadOptions{}
		if asked != "" {
			var err error
			if o.Platform, err = ParsePlatform(asked); err != nil {
				t.Fatal(err)
			}
		}
		loaded, err := s.Load(t.Context(), bytes.NewReader(b), o)
		if err != nil || len(loaded) != 1 || loaded[0].Image.Architecture != want || familiar(loaded[0].Refs) != "multi:1" {
			t.Errorf("%q: %+v, %v", asked, loaded, err)
		}
	}
	_, err := testStore(t).Load(t.Context(), bytes.NewReader(b), LoadOptions{Platform: Platform{OS: "linux", Architecture: "riscv64"}})
	if err == nil || !strings.Contains(err.Error(), "no matching manifest for linux/riscv64") {
		t.Errorf("riscv64: %v", err)
	}
	docker := makeTar(t, newArchive(t, "a:1").files(t)...)
	_, err = testStore(t).Load(t.Context(), bytes.NewReader(docker), LoadOptions{Platform: Platform{OS: "linux", Architecture: "riscv64"}})
	if err == nil || !strings.Contains(err.Error(), "image with reference a:1 was found but does not match the specified platform: wanted linux/riscv64") {
		t.Errorf("docker's archive: %v", err)
	}
}

// hostileCase is an archive that must be refused, as a change of a good one.
type hostileCase struct {
	name  string
	files func(a *archiveParts) []*tarEntry
	want  string
}

func hostileCases(t testing.TB) []hostileCase {
	with := func(more ...*tarEntry) func(a *archiveParts) []*tarEntry {
		return func(a *archiveParts) []*tarEntry { return append(a.files(t), more...) }
	}
	item := func(change func(a *archiveParts)) func(a *archiveParts) []*tarEntry {
		return func(a *archiveParts) []*tarEntry {
			files := a.files(t)
			change(a)
			return append(files[:4], a.files(t)[4])
		}
	}
	return []hostileCase{
		{"entry that leads out", with(file("../escaped", "x")), `entry "../escaped" leads out of it`},
		{"entry that leads out inside", with(file("a/../../escaped", "x")), `entry "a/../../escaped" leads out of it`},
		{"two manifests", with(file("./manifest.json", "[]")), `entry "manifest.json" is there twice`},
		{"link and file", with(link(tar.TypeSymlink, "one/layer.tar", "/etc/passwd")), `entry "one/layer.tar" is there twice`},
		{"link to the host", func(a *archiveParts) []*tarEntry {
			files := a.files(t)
			files[2] = link(tar.TypeSymlink, "one/layer.tar", "../../../../etc/passwd")
			return files
		}, `leads out of it`},
		{"absolute link", func(a *archiveParts) []*tarEntry {
			files := a.files(t)
			files[2] = link(tar.TypeSymlink, "one/layer.tar", "/etc/passwd")
			return files
		}, `archive has no file one/etc/passwd`},
		{"links in a circle", func(a *archiveParts) []*tarEntry {
			files := a.files(t)
			files[2], files[3] = link(tar.TypeSymlink, "one/layer.tar", "../two/layer.tar"), link(tar.TypeSymlink, "two/layer.tar", "../one/layer.tar")
			return files
		}, `lead nowhere`},
		{"config of the host", item(func(a *archiveParts) { a.item.Config = "/etc/hostname" }), `"/etc/hostname" leads out of it`},
		{"layer of the host", item(func(a *archiveParts) { a.item.Layers[1] = "../../etc/passwd" }), `"../../etc/passwd" leads out of it`},
		{"missing layer", item(func(a *archiveParts) { a.item.Layers[1] = "three/layer.tar" }), "archive has no file three/layer.tar"},
		{"too few layers", item(func(a *archiveParts) { a.item.Layers = a.item.Layers[:1] }), "1 layers for 2 diff ids"},
		{"layers swapped", item(func(a *archiveParts) { slices.Reverse(a.item.Layers) }), "damaged"},
		{"bad name", item(func(a *archiveParts) { a.item.RepoTags = []string{"UPPER:1"} }), "invalid reference format"},
		{"name without tag", item(func(a *archiveParts) { a.item.RepoTags = []string{"a"} }), `invalid tag "a"`},
		{"no image", item(func(a *archiveParts) { a.item.Config = "one" }), "archive has no file one"},
		{"config that is none", func(a *archiveParts) []*tarEntry {
			a.config = []byte("[]")
			return a.files(t)
		}, "damaged"},
		{"diff ids that are paths", func(a *archiveParts) []*tarEntry {
			a.setConfig(t, map[string]any{"rootfs": map[string]any{"diff_ids": []string{"sha256:../x", "../../y"}}})
			return a.files(t)
		}, "parse digest"},
		{"hostile layer", func(a *archiveParts) []*tarEntry {
			a.layers[1] = makeTar(t, file("../../escaped", "x"))
			a.setConfig(t, ImageConfig{OS: "linux", RootFS: RootFS{DiffIDs: []Digest{digestBytes(a.layers[0]), digestBytes(a.layers[1])}}})
			return a.files(t)
		}, `"../../escaped"`},
		{"windows", func(a *archiveParts) []*tarEntry {
			a.setConfig(t, ImageConfig{OS: "windows", RootFS: RootFS{DiffIDs: []Digest{digestBytes(a.layers[0]), digestBytes(a.layers[1])}}})
			return a.files(t)
		}, `load a:1: image operating system "windows" cannot be used on this platform`},
		{"sparse file", with(&tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: "s", Mode: 0o644, PAXRecords: map[string]string{"VENDOR.x": "y"}}}), ""},
		{"old archive", func(*archiveParts) []*tarEntry { return []*tarEntry{file("repositories", "{}")} }, "older than 1.10"},
		{"file system", func(*archiveParts) []*tarEntry { return []*tarEntry{file("etc/passwd", "")} }, "holds no images"},
	}
}

// TestLoadRefuses holds that of an archive that is refused the store keeps no
// image, and that nothing of it is written anywhere else.
func TestLoadRefuses(t *testing.T) {
	needRoot(t)
	for _, tt := range hostileCases(t) {
		t.Run(tt.name, func(t *testing.T) {
			s := testStore(t)
			b := makeTar(t, tt.files(newArchive(t, "a:1"))...)
			loaded, err := s.Load(t.Context(), bytes.NewReader(b), LoadOptions{})
			if tt.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || loaded != nil {
				t.Errorf("%v, want %q in it", err, tt.want)
			}
			if images, err := s.List(); err != nil || len(images) != 0 {
				t.Errorf("the store has %v, %v", images, err)
			}
			mustBeClean(t, s, "after the refusal")
			if left, _ := os.ReadDir(s.dirs.Root); !slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name() == "image" }) || len(left) > 10 {
				t.Errorf("the root has %v", left)
			}
		})
	}
}

func TestLoadRefusesLayouts(t *testing.T) {
	needRoot(t)
	change := func(from, to string) func([]*tarEntry) []*tarEntry {
		return func(files []*tarEntry) []*tarEntry {
			for _, f := range files {
				f.data = strings.Replace(f.data, from, to, 1)
			}
			return files
		}
	}
	for _, tt := range []struct {
		name   string
		change func([]*tarEntry) []*tarEntry
		want   string
	}{
		{"digest that is a path", change(`"digest":"sha256:`, `"digest":"sha256:../../`), "parse digest"},
		{"other algorithm", change(`"digest":"sha256:`, `"digest":"sha512:`), "parse digest"},
		{"both index and manifest", change(`{"schemaVersion":2,"manifests"`, `{"schemaVersion":2,"layers":[],"manifests"`), "both manifest and index"},
		{"no rows", change(`"manifests":[`, `"manifests":null,"x":[`), "damaged"},
		{"content that is another", func(files []*tarEntry) []*tarEntry {
			for _, f := range files {
				if strings.HasPrefix(f.Name, "blobs/") && strings.Contains(f.data, "platform") && !strings.Contains(f.data, "schemaVersion") && !strings.HasPrefix(f.data, "{") {
					f.data = strings.Replace(f.data, "linux/amd64", "linux/AMD64", 1)
				}
			}
			return files
		}, "content has digest"},
		{"blob that is a link", func(files []*tarEntry) []*tarEntry {
			for i, f := range files {
				if strings.HasPrefix(f.Name, "blobs/") && !strings.HasPrefix(f.data, "{") {
					files[i] = link(tar.TypeSymlink, f.Name, "/etc/passwd")
				}
			}
			return files
		}, "archive has no file"},
		{"another docker manifest", func(files []*tarEntry) []*tarEntry {
			other := newArchive(t, "multi:1")
			return append(files, other.files(t)...)
		}, "index.json does not have the image"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := testStore(t)
			src := layoutOf(t, map[string]string{annotationRefName: "multi:1"}, hostPlatform().String())
			if tt.name == "another docker manifest" {
				// Of an index docker may mean another platform.
				src = flat(t, src)
			}
			_, err := s.Load(t.Context(), bytes.NewReader(makeTar(t, tt.change(src)...)), LoadOptions{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q in it", err, tt.want)
			}
			if images, err := s.List(); err != nil || len(images) != 0 {
				t.Errorf("the store has %v, %v", images, err)
			}
		})
	}
}

// flat replaces the index above a layout's only image by the image.
func flat(t testing.TB, files []*tarEntry) []*tarEntry {
	t.Helper()
	for _, f := range files {
		var index Index
		if !strings.HasPrefix(f.Name, "blobs/") || json.Unmarshal([]byte(f.data), &index) != nil || len(index.Manifests) == 0 {
			continue
		}
		for _, g := range files {
			if g.Name == "index.json" {
				g.data = f.data
			}
		}
	}
	return files
}

// TestLoadBombs holds that an archive that expands without end is given up.
func TestLoadBombs(t *testing.T) {
	needRoot(t)
	limits := Limits{Bytes: 64 << 20, Ratio: 10, RatioAfter: 1 << 20}
	zeros := gzipBytes(t, makeTar(t, file("zeros", string(make([]byte, 8<<20)))))
	if _, err := testStore(t).Load(t.Context(), bytes.NewReader(zeros), LoadOptions{Limits: limits}); !errors.Is(err, ErrLayerTooBig) {
		t.Errorf("%v", err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range maxBundleFiles + 1 {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := testStore(t).Load(t.Context(), &b, LoadOptions{}); !errors.Is(err, ErrHostileEntry) {
		t.Errorf("%v", err)
	}
}

// TestLoadCut holds that an archive that ends anywhere is refused, or whole.
func TestLoadCut(t *testing.T) {
	needRoot(t)
	whole := makeTar(t, newArchive(t, "a:1").files(t)...)
	for _, n := range []int{0, 1, 511, 512, 513, 2048, 4096, len(whole) - 1537} {
		for name, r := range map[string]io.Reader{"file": onDisk(t, whole[:n]), "stream": bytes.NewReader(whole[:n])} {
			s := testStore(t)
			if _, err := s.Load(t.Context(), r, LoadOptions{}); err == nil {
				t.Errorf("%s of %d bytes of %d: accepted", name, n, len(whole))
			}
			if images, err := s.List(); err != nil || len(images) != 0 {
				t.Errorf("the store has %v, %v", images, err)
			}
		}
	}
}

// FuzzLoad gives the bytes of an archive to what finds out which images are in
// it: it may refuse them, but must not panic, and what it finds can be stored.
func FuzzLoad(f *testing.F) {
	needRoot(f)
	f.Add(makeTar(f, newArchive(f, "a:1").files(f)...))
	f.Add(makeTar(f, layoutOf(f, map[string]string{annotationRefName: "a:1"}, hostPlatform().String())...))
	s := testStore(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		l := newLoad(s, LoadOptions{Limits: Limits{Bytes: 1 << 20}})
		memory, err := unix.MemfdCreate("spooled", unix.MFD_CLOEXEC)
		must(t, err)
		spooled := os.NewFile(uintptr(memory), "spooled")
		defer spooled.Close()
		l.bundle, err = openBundle(t.Context(), bytes.NewReader(b), l.Limits, func() (*os.File, error) { return spooled, nil })
		if err != nil || l.read(t.Context()) != nil {
			return
		}
		if len(l.items) == 0 {
			t.Error("an archive without images is accepted")
		}
		for _, item := range l.items {
			for _, d := range append(item.pull.manifest.Layers, item.pull.manifest.Config, item.pull.desc) {
				if err := d.Digest.Validate(); err != nil {
					t.Error(err)
				}
			}
			for _, ref := range item.refs {
				if again, err := ParseReference(ref.String()); err != nil || again != ref {
					t.Errorf("name %q: %v", ref, err)
				}
			}
		}
	})
}
