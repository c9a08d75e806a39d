package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// mirror is a source that has what a store had when it was made, and counts what
// it gives away.
type mirror struct {
	blobs map[Digest][]byte
	given map[Digest]int
}

func mirrorOf(t testing.TB, s *Store) *mirror {
	t.Helper()
	m := &mirror{blobs: map[Digest][]byte{}, given: map[Digest]int{}}
	names, err := os.ReadDir(s.blobDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(s.blobDir() + "/" + n.Name())
		if err != nil {
			t.Fatal(err)
		}
		m.blobs[Digest("sha256:"+n.Name())] = b
	}
	return m
}

func (m *mirror) Manifest(_ context.Context, ref Reference) (Descriptor, []byte, error) {
	b, ok := m.blobs[ref.Digest]
	if !ok {
		return Descriptor{}, nil, errors.New("manifest unknown")
	}
	m.given[ref.Digest]++
	return Descriptor{MediaType: MediaTypeManifest, Digest: ref.Digest, Size: int64(len(b))}, b, nil
}

func (m *mirror) Blob(_ context.Context, _ Reference, blob Descriptor, offset int64) (io.ReadCloser, error) {
	b, ok := m.blobs[blob.Digest]
	if !ok {
		return nil, errors.New("blob unknown")
	}
	m.given[blob.Digest]++
	return io.NopCloser(bytes.NewReader(b[offset:])), nil
}

// lying is a source of something else.
type lying struct{ *mirror }

func (l lying) Blob(_ context.Context, _ Reference, blob Descriptor, _ int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(strings.Repeat("x", int(blob.Size)))), nil
}

// checked runs Check and returns its findings as text.
func checked(t testing.TB, s *Store, o CheckOptions) []string {
	t.Helper()
	found, err := s.Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range found {
		line := strings.ReplaceAll(f.Object, s.dirs.Root, "") + ": " + strings.ReplaceAll(f.Problem, s.dirs.Root, "")
		if f.Reclaimable {
			line += " [reclaimable]"
		}
		if f.Repaired {
			line += " [repaired]"
		}
		if f.Err != nil {
			line += " [" + f.Err.Error() + "]"
		}
		lines = append(lines, line)
	}
	return lines
}

// mustBeClean fails unless Check finds nothing.
func mustBeClean(t testing.TB, s *Store, when string) {
	t.Helper()
	if lines := checked(t, s, CheckOptions{}); len(lines) > 0 {
		t.Errorf("%s:\n%s", when, strings.Join(lines, "\n"))
	}
}

// flip changes one byte in the middle of a file.
func flip(t testing.TB, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// imageParts are the digests of an image's blobs.
func imageParts(t testing.TB, s *Store, ref string) map[string]Digest {
	t.Helper()
	d, err := s.Inspect(ref)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Digest{"manifest": d.Image.Manifest, "config": d.ID, "layer": d.Manifest.Layers[0].Digest}
}

// TestCheckBlobs: whatever is wrong with a blob is named and isolated, and put
// right from a source, from nowhere else.
func TestCheckBlobs(t *testing.T) {
	needRoot(t)
	damages := map[string]func(t *testing.T, path string){
		"flip":     func(t *testing.T, path string) { flip(t, path) },
		"truncate": func(t *testing.T, path string) { must(t, os.Truncate(path, 10)) },
		"empty":    func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"longer": func(t *testing.T, path string) {
			b, _ := os.ReadFile(path)
			must(t, os.WriteFile(path, append(b, 'x'), 0o600))
		},
		"missing": func(t *testing.T, path string) { must(t, os.Remove(path)) },
		"link": func(t *testing.T, path string) {
			must(t, os.Rename(path, path+".away"), os.Symlink(path+".away", path))
			t.Cleanup(func() { os.Remove(path + ".away") })
		},
		"fifo": func(t *testing.T, path string) { must(t, os.Remove(path), unix.Mkfifo(path, 0o600)) },
		"device": func(t *testing.T, path string) {
			must(t, os.Remove(path), unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
		},
		"folder": func(t *testing.T, path string) { must(t, os.Remove(path), os.Mkdir(path, 0o700)) },
	}
	for damage, inflict := range damages {
		for _, part := range []string{"layer", "config", "manifest"} {
			t.Run(damage+" "+part, func(t *testing.T) {
				s := testStore(t)
				mustImport(t, s, "broken", file("x", "1"))
				mustImport(t, s, "fine", file("y", "2"))
				mustBeClean(t, s, "before")
				m := mirrorOf(t, s)
				d := imageParts(t, s, "broken")[part]
				inflict(t, s.blobPath(d))

				lines := checked(t, s, CheckOptions{})
				if damage == "link" {
					lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasSuffix(l, "is no blob") })
				}
				if len(lines) != 1 || !strings.HasPrefix(lines[0], "blob "+string(d)+": ") {
					t.Errorf("found %q", lines)
				}
				if found, _ := s.Check(t.Context(), CheckOptions{}); !slices.Equal(found[len(found)-1].Images, []string{"docker.io/library/broken:latest"}) &&
					!slices.Equal(found[0].Images, []string{"docker.io/library/broken:latest"}) {
					t.Errorf("concerned: %+v", found)
				}
				if _, err := s.Inspect("fine"); err != nil {
					t.Errorf("the other image: %v", err)
				}
				if lines := checked(t, s, CheckOptions{Repair: true, Source: lying{&mirror{}}}); !strings.Contains(strings.Join(lines, "\n"), "[fetch it from docker.io/library/broken: ") {
					t.Errorf("from a liar: %q", lines)
				}
				if damage == "folder" {
					must(t, os.Remove(s.blobPath(d)))
				}
				if lines := checked(t, s, CheckOptions{Repair: true, Source: m}); !strings.HasSuffix(lines[0], "[repaired]") && damage != "link" {
					t.Errorf("repair: %q", lines)
				}
				if m.given[d] != 1 || len(m.given) != 1 {
					t.Errorf("fetched %v", m.given)
				}
				os.Remove(s.blobPath(d) + ".away")
				mustBeClean(t, s, "after")
				checkStore(t, s, true)
			})
		}
	}
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestCheckUnnamedBlob: what no image names is verified, too, since the next pull
// would take it.
func TestCheckUnnamedBlob(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	mustImport(t, s, "a", file("x", "1"))
	good, bad := s.blobPath(digestBytes([]byte("good"))), s.blobPath(digestBytes([]byte("bad")))
	must(t, os.WriteFile(good, []byte("good"), 0o600), os.WriteFile(bad, []byte("worse"), 0o600))
	if lines := checked(t, s, CheckOptions{}); len(lines) != 1 || !strings.Contains(lines[0], filepath.Base(bad)) {
		t.Errorf("found %q", lines)
	}
	old := time.Now().Add(-2 * blobGrace)
	must(t, os.Chtimes(good, old, old))
	lines := checked(t, s, CheckOptions{Repair: true})
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "[repaired]") || !strings.HasSuffix(lines[1], "no image has it [reclaimable] [repaired]") {
		t.Errorf("repair: %q", lines)
	}
	checkStore(t, s, true)
}

// TestCheckLayers: whatever is wrong with a tree, its record or its short name is
// found and made again from the blob, but not below a running container.
func TestCheckLayers(t *testing.T) {
	needRoot(t)
	for name, inflict := range map[string]func(t *testing.T, s *Store, tree string){
		"missing":         func(t *testing.T, _ *Store, tree string) { must(t, os.RemoveAll(tree)) },
		"a file":          func(t *testing.T, _ *Store, tree string) { must(t, os.RemoveAll(tree), os.WriteFile(tree, nil, 0o600)) },
		"another content": func(t *testing.T, _ *Store, tree string) { flip(t, tree+"/d/x") },
		"one more file":   func(t *testing.T, _ *Store, tree string) { must(t, os.WriteFile(tree+"/d/y", nil, 0o600)) },
		"another mode":    func(t *testing.T, _ *Store, tree string) { must(t, os.Chmod(tree+"/d", 0o700)) },
		"another size": func(t *testing.T, _ *Store, tree string) {
			b, err := os.ReadFile(tree + ".json")
			must(t, err, os.WriteFile(tree+".json", bytes.Replace(b, []byte(`"size":1`), []byte(`"size":2`), 1), 0o600))
		},
		"no record":  func(t *testing.T, _ *Store, tree string) { must(t, os.Remove(tree+".json")) },
		"cut record": func(t *testing.T, _ *Store, tree string) { must(t, os.Truncate(tree+".json", 20)) },
		"other record": func(t *testing.T, _ *Store, tree string) {
			must(t, os.WriteFile(tree+".json", []byte(`{"version":1,"diffID":"sha256:x"}`), 0o600))
		},
		"no short name": func(t *testing.T, s *Store, tree string) { must(t, os.Remove(s.dirs.Layer()+"/"+LayerLink(tree))) },
		"other short name": func(t *testing.T, s *Store, tree string) {
			link := s.dirs.Layer() + "/" + LayerLink(tree)
			must(t, os.Remove(link), os.Symlink("../"+strings.Repeat("0", 64), link))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := testStore(t)
			img := mustImport(t, s, "a", dir("d/"), file("d/x", "1"))
			tree := img.Layers[0]
			inflict(t, s, tree)
			found, err := s.Check(t.Context(), CheckOptions{})
			if err != nil || len(found) != 1 || !slices.Equal(found[0].Images, []string{"docker.io/library/a:latest"}) {
				t.Fatalf("found %+v, %v", found, err)
			}
			users := func(context.Context) (map[string][]User, error) {
				return map[string][]User{tree: {{Container: someContainer, Running: true}}}, nil
			}
			found, err = s.Check(t.Context(), CheckOptions{Repair: true, Users: users})
			if err != nil || !slices.Equal(found[0].Containers, []string{someContainer}) {
				t.Errorf("found %+v, %v", found, err)
			}
			if !strings.Contains(name, "short name") && (found[0].Err == nil || !strings.Contains(found[0].Err.Error(), "runs on it")) {
				t.Errorf("below a running container: %+v", found[0])
			}
			checked(t, s, CheckOptions{Repair: true})
			mustBeClean(t, s, "after")
			if b, err := os.ReadFile(tree + "/d/x"); err != nil || string(b) != "1" {
				t.Errorf("%q, %v", b, err)
			}
			if left, _ := filepath.Glob(s.dirs.Layer() + "/.*"); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestCheckRich: a layer with everything in it is found as it was unpacked, from
// each form of blob.
func TestCheckRich(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	rich := richTar(t)
	for ref, content := range map[string][]byte{"plain": rich, "gzip": gzipBytes(t, rich)} {
		if _, err := s.Import(t.Context(), bytes.NewReader(content), ImportOptions{Ref: ref}); err != nil {
			t.Fatal(err)
		}
	}
	mustBeClean(t, s, "a rich layer")
}

// TestCheckIndex: an index that cannot be read is made again; what can be known
// of names stays.
func TestCheckIndex(t *testing.T) {
	needRoot(t)
	prepare := func(t *testing.T) (*Store, []byte) {
		s := testStore(t)
		mustImport(t, s, "first", file("x", "1"))
		mustImport(t, s, "second", file("y", "2"))
		text, err := os.ReadFile(s.indexPath())
		must(t, err)
		return s, text
	}
	s, text := prepare(t)
	broken := map[string][]byte{"empty": {}, "NUL": make([]byte, len(text)), "other": []byte("[1,2]"), "no version": []byte(`{"manifests":[]}`)}
	for i := 1; i < 64; i++ {
		broken[fmt.Sprintf("cut at %d/64", i)] = text[:len(text)*i/64]
	}
	for name, content := range broken {
		must(t, os.WriteFile(s.indexPath(), content, 0o600))
		if _, err := s.List(); err == nil || !strings.Contains(err.Error(), s.indexPath()) {
			t.Errorf("%s: List: %v", name, err)
		}
		lines := checked(t, s, CheckOptions{})
		if len(lines) != 1 || !strings.HasPrefix(lines[0], "file /image/index.json: ") {
			t.Errorf("%s: found %q", name, lines)
		}
		if lines = checked(t, s, CheckOptions{Repair: true}); len(lines) != 1 || !strings.HasSuffix(lines[0], "[repaired]") {
			t.Errorf("%s: repair %q", name, lines)
		}
		if images, err := s.List(); err != nil || len(images) != 2 {
			t.Errorf("%s: %d images, %v", name, len(images), err)
		}
		if kept, err := os.ReadFile(s.indexPath() + ".broken"); err != nil || !bytes.Equal(kept, content) {
			t.Errorf("%s: the broken one is %q, %v", name, kept, err)
		}
		mustBeClean(t, s, name)
	}
	// The first row can be read in one that is cut in the second.
	must(t, os.WriteFile(s.indexPath(), text[:len(text)-40], 0o600))
	checked(t, s, CheckOptions{Repair: true})
	if _, err := s.Resolve("first"); err != nil {
		t.Error(err)
	}
	must(t, os.Remove(s.indexPath()))
	if lines := checked(t, s, CheckOptions{Repair: true}); len(lines) != 1 || !strings.Contains(lines[0], "it is missing") {
		t.Errorf("a missing one: %q", lines)
	}
	must(t, os.WriteFile(s.indexPath(), []byte(`{"schemaVersion":3}`), 0o600))
	if lines := checked(t, s, CheckOptions{Repair: true}); len(lines) != 1 || strings.HasSuffix(lines[0], "[repaired]") {
		t.Errorf("one of the future: %q", lines)
	}
	if text, _ := os.ReadFile(s.indexPath()); string(text) != `{"schemaVersion":3}` {
		t.Errorf("one of the future became %s", text)
	}
}

// TestCheckLayout: the marker file is made again.
func TestCheckLayout(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	mustBeClean(t, s, "nothing")
	if _, err := os.Lstat(s.dirs.Root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a check makes the store: %v", err)
	}
	mustImport(t, s, "a", file("x", "1"))
	marker := s.dirs.Image() + "/oci-layout"
	for _, content := range []string{"", "{}", "x"} {
		must(t, os.WriteFile(marker, []byte(content), 0o600))
		if lines := checked(t, s, CheckOptions{Repair: true}); len(lines) != 1 || !strings.HasSuffix(lines[0], "[repaired]") {
			t.Errorf("%q: %q", content, lines)
		}
		mustBeClean(t, s, "after")
	}
	must(t, os.WriteFile(marker, []byte(`{"imageLayoutVersion":"2.0.0"}`), 0o600))
	if lines := checked(t, s, CheckOptions{Repair: true}); len(lines) != 1 || strings.HasSuffix(lines[0], "[repaired]") {
		t.Errorf("one of the future: %q", lines)
	}
}

// TestCheckUnused: what nobody uses is told apart from damage, and left alone
// while something cannot be read that may use it.
func TestCheckUnused(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	img := mustImport(t, s, "a", file("x", "1"))
	mustImport(t, s, "b", file("x", "2"))
	tree := img.Layers[0]
	if _, _, err := s.Remove(t.Context(), "a", RemoveOptions{Force: true}, using(false)); err != nil {
		t.Fatal(err)
	}
	users := func(context.Context) (map[string][]User, error) {
		return map[string][]User{tree: {{Container: someContainer}}}, nil
	}
	if lines := checked(t, s, CheckOptions{Repair: true, Users: users}); len(lines) > 0 {
		t.Errorf("used by a container: %q", lines)
	}
	unknown := func(context.Context) (map[string][]User, error) { return nil, errors.New("unreadable") }
	if lines := checked(t, s, CheckOptions{Repair: true, Users: unknown}); len(lines) > 0 {
		t.Errorf("users are not known: %q", lines)
	}
	if lines := checked(t, s, CheckOptions{}); len(lines) != 1 || !strings.HasSuffix(lines[0], "[reclaimable]") {
		t.Errorf("unused: %q", lines)
	}
	if lines := checked(t, s, CheckOptions{Repair: true}); len(lines) != 1 || !strings.HasSuffix(lines[0], "[reclaimable] [repaired]") {
		t.Errorf("repair: %q", lines)
	}
	mustBeClean(t, s, "after")
	checkStore(t, s, true)
}

// TestCheckBox: the image that is built in needs no registry to be whole again.
func TestCheckBox(t *testing.T) {
	needRoot(t)
	if boxDigest() == "" {
		t.Skip("by design: needs the embedbox build tag")
	}
	for _, how := range []string{"check", "use"} {
		for _, part := range []string{"layer", "config", "manifest"} {
			s := testStore(t)
			if _, err := s.EnsureBox(t.Context()); err != nil {
				t.Fatal(err)
			}
			flip(t, s.blobPath(imageParts(t, s, boxName)[part]))
			if how == "use" {
				if _, err := s.EnsureBox(t.Context()); err != nil {
					t.Errorf("%s: %v", part, err)
				}
			}
			if lines := checked(t, s, CheckOptions{Repair: true}); how == "check" && (len(lines) != 1 || !strings.HasSuffix(lines[0], "[repaired]")) {
				t.Errorf("%s: %q", part, lines)
			}
			mustBeClean(t, s, part)
		}
	}
}

// TestCheckWideWindows: what needs much memory is compared one at a time, and
// found to be right.
func TestCheckWideWindows(t *testing.T) {
	needRoot(t)
	s, src := testStore(t), newMemorySource()
	var layers []Descriptor
	var diffs []Digest
	for _, name := range []string{"a", "b", "c"} {
		content := makeTar(t, file(name, strings.Repeat("0123456789", 4<<20)))
		layer := src.blob(zstdBytes(t, content, zstd.WithWindowSize(32<<20), zstd.WithSingleSegment(false)))
		layer.MediaType = MediaTypeLayerZstd
		layers, diffs = append(layers, layer), append(diffs, digestBytes(content))
	}
	src.finish(t, "latest", Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest, Layers: layers},
		ImageConfig{OS: "linux", Architecture: "amd64", RootFS: RootFS{DiffIDs: diffs}})
	p := mustPull(t, s, src, "app")
	mustBeClean(t, s, "wide windows")
	flip(t, p.Image.Layers[1]+"/b")
	if lines := checked(t, s, CheckOptions{}); len(lines) != 1 || !strings.Contains(lines[0], "/b: ") {
		t.Errorf("damaged: %q", lines)
	}
}
