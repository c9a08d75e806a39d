package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/state"
)

// needRoot skips a test that makes devices and foreign owners.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("must run as root in CI")
	}
	t.Skip("needs root: layers hold devices and other users' files")
}

// need skips a test whose peer tool is not installed.
func need(t testing.TB, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s must be installed in CI", tool)
	}
	t.Skipf("needs %s", tool)
}

func testStore(t testing.TB) *Store {
	t.Helper()
	dir := t.TempDir()
	return Open(state.Dirs{Root: dir + "/root", Run: dir + "/run"})
}

// file is a regular file of a test tar.
func file(name, content string) *tarEntry {
	return &tarEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, data: content}
}

func dir(name string) *tarEntry {
	return &tarEntry{Header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}}
}

func link(kind byte, name, target string) *tarEntry {
	return &tarEntry{Header: tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o777}}
}

type tarEntry struct {
	tar.Header
	data string
}

func makeTar(t testing.TB, entries ...*tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.data))
		if e.ModTime.IsZero() {
			e.ModTime = time.Unix(1_700_000_000, 0)
		}
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatalf("write header %q: %v", e.Name, err)
		}
		if _, err := w.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipBytes(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func mustImport(t testing.TB, s *Store, ref string, entries ...*tarEntry) Image {
	t.Helper()
	img, err := s.Import(t.Context(), bytes.NewReader(makeTar(t, entries...)), ImportOptions{Ref: ref})
	if err != nil {
		t.Fatalf("import %s: %v", ref, err)
	}
	return img
}

func nobody(Digest) []User { return nil }

func TestImportResolve(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	opts := ImportOptions{
		Ref:     "demo",
		Changes: []string{`CMD ["sh","-c","echo \"hi\""]`, "ENV A=1 B='two words'", "LABEL x=\"a\nb\"", "EXPOSE 80 53/udp", "USER 1:2", "VOLUME /data"},
		Message: "made here",
	}
	content := makeTar(t, dir("./"), file("bin/x", "hello"), file("y", strings.Repeat("z", 3000)))
	img, err := s.Import(t.Context(), bytes.NewReader(gzipBytes(t, content)), opts)
	if err != nil {
		t.Fatal(err)
	}
	if img.Size != 3005 || img.Ref != "docker.io/library/demo:latest" || len(img.Layers) != 1 {
		t.Errorf("imported %+v", img)
	}
	if b, err := os.ReadFile(img.Layers[0] + "/bin/x"); err != nil || string(b) != "hello" {
		t.Errorf("bin/x = %q, %v", b, err)
	}
	if fi, err := os.Stat(filepath.Dir(img.Layers[0]) + "/" + LayerLink(img.Layers[0]) + "/bin/x"); err != nil || fi.Size() != 5 {
		t.Errorf("through the short name: %v, %v", fi, err)
	}
	// The same answer from the layout, from the layout again, and from the record.
	time.Sleep(60 * time.Millisecond)
	for _, query := range []string{"demo", "demo", "docker.io/library/demo:latest", string(img.ID), img.ID.Hex()[:6], "demo@" + string(img.Manifest), img.ID.Hex()} {
		got, err := s.Resolve(query)
		if err != nil || !reflect.DeepEqual(got, img) {
			t.Errorf("resolve %q:\n got %+v, %v\nwant %+v", query, got, err, img)
		}
	}
	if _, err := os.Stat(s.dirs.Cache() + "/image-demo"); err != nil {
		t.Errorf("no record was kept: %v", err)
	}
	if left, _ := filepath.Glob(s.dirs.Layer() + "/.*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestResolveSeesEveryChange(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	for i := range 30 {
		img := mustImport(t, s, "demo", file("n", strings.Repeat("x", i)))
		for range 2 {
			got, err := s.Resolve("demo")
			if err != nil || got.ID != img.ID {
				t.Fatalf("round %d: resolved %s, want %s: %v", i, got.ID, img.ID, err)
			}
		}
	}
	images, err := s.List()
	if err != nil || len(images) != 30 {
		t.Errorf("list: %d images, %v", len(images), err)
	}
}

func TestResolveErrors(t *testing.T) {
	s := testStore(t)
	tests := map[string]string{
		"x":                                 "No such image: x:latest",
		"a/b:1":                             "No such image: a/b:1",
		"abc":                               "No such image: abc:latest",
		"sha256:" + strings.Repeat("0", 64): "No such image: sha256:" + strings.Repeat("0", 64),
		"":                                  "invalid reference format",
		"A":                                 "invalid reference format: repository name (library/A) must be lowercase",
	}
	for query, want := range tests {
		if _, err := s.Resolve(query); err == nil || err.Error() != want {
			t.Errorf("resolve %q: %v, want %s", query, err, want)
		}
	}
}

func TestCompressions(t *testing.T) {
	needRoot(t)
	content := makeTar(t, dir("etc"), file("etc/os", "x\n"))
	var first Image
	for _, kind := range []struct{ name, tool, mediaType string }{
		{"plain", "cat", MediaTypeLayer}, {"gzip", "gzip", MediaTypeLayerGzip},
		{"zstd", "zstd", MediaTypeLayerZstd}, {"bzip2", "bzip2", MediaTypeLayer},
	} {
		t.Run(kind.name, func(t *testing.T) {
			need(t, kind.tool)
			s := testStore(t)
			c := exec.Command(kind.tool)
			c.Stdin = bytes.NewReader(content)
			b, err := c.Output()
			if err != nil {
				t.Fatal(err)
			}
			img, err := s.Import(t.Context(), bytes.NewReader(b), ImportOptions{Ref: "c", Created: time.Unix(1, 0)})
			if err != nil {
				t.Fatal(err)
			}
			if first.ID == "" {
				first = img
			}
			if img.ID != first.ID {
				t.Errorf("id %s depends on the compression", img.ID)
			}
			d, err := s.Inspect("c")
			if err != nil || d.Manifest.Layers[0].MediaType != kind.mediaType || d.LayerSizes[0] != 2 {
				t.Errorf("inspect: %+v, %v", d, err)
			}
		})
	}
	if _, err := testStore(t).Import(t.Context(), strings.NewReader("\xfd7zXZ\x00rest"), ImportOptions{}); err == nil || !strings.Contains(err.Error(), "xz is not supported") {
		t.Errorf("xz: %v", err)
	}
}

func TestOtherToolsReadTheLayout(t *testing.T) {
	needRoot(t)
	need(t, "skopeo")
	need(t, "umoci")
	s := testStore(t)
	img := mustImport(t, s, "example.com:5000/a/demo:v1", dir("./"), file("x", "1"))
	layout := s.dirs.Image()
	out, err := exec.Command("skopeo", "inspect", "--config", "oci:"+layout+":"+img.Ref).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(img.Layers[0][len(img.Layers[0])-64:])) {
		t.Errorf("skopeo: %s%v", out, err)
	}
	out, err = exec.Command("umoci", "ls", "--layout", layout).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != img.Ref {
		t.Errorf("umoci ls: %q, %v", out, err)
	}
	// Another tool's writes are seen, and its garbage collection leaves berth's
	// files and images alone.
	if out, err := exec.Command("skopeo", "copy", "-q", "oci:"+layout+":"+img.Ref, "oci:"+layout+":docker.io/library/copied:2").CombinedOutput(); err != nil {
		t.Fatalf("skopeo copy: %s%v", out, err)
	}
	if got, err := s.Resolve("copied:2"); err != nil || got.ID != img.ID {
		t.Errorf("resolve what skopeo wrote: %+v, %v", got, err)
	}
	if out, err := exec.Command("umoci", "gc", "--layout", layout).CombinedOutput(); err != nil {
		t.Errorf("umoci gc: %s%v", out, err)
	}
	if got, err := s.Resolve(img.Ref); err != nil || got.ID != img.ID {
		t.Errorf("after umoci gc: %+v, %v", got, err)
	}
	mustImport(t, s, "after", file("y", "2"))
}

func TestMaterialize(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	img := mustImport(t, s, "demo", file("x", "content"))
	if err := s.removeLayer(filepath.Base(img.Layers[0])); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(s.dirs.Cache())
	if _, err := s.Resolve("demo"); !errors.Is(err, ErrNotUnpacked) {
		t.Fatalf("resolve without the tree: %v", err)
	}
	if err := s.Materialize(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Resolve("demo"); err != nil || !reflect.DeepEqual(got, img) {
		t.Errorf("resolve: %+v, %v", got, err)
	}
	// A flipped byte in the blob is found, and nothing of it stays.
	if err := s.removeLayer(filepath.Base(img.Layers[0])); err != nil {
		t.Fatal(err)
	}
	d := blobOf(t, s, "demo")
	b, _ := os.ReadFile(s.blobPath(d))
	b[600] ^= 1
	os.WriteFile(s.blobPath(d), b, 0o600)
	if err := s.Materialize(t.Context(), "demo"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("materialize a damaged blob: %v", err)
	}
	if _, err := os.Stat(img.Layers[0]); !os.IsNotExist(err) {
		t.Errorf("the damaged layer is there: %v", err)
	}
}

func blobOf(t *testing.T, s *Store, ref string) Digest {
	t.Helper()
	index, err := s.readIndex()
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.find(index, ref)
	if err != nil {
		t.Fatal(err)
	}
	return e.manifest.Layers[0].Digest
}

func TestDamage(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	good := mustImport(t, s, "good", file("x", "1"))
	bad := mustImport(t, s, "bad", file("y", "2"))
	if err := os.WriteFile(s.blobPath(bad.ID), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	images, err := s.List()
	if err != nil || len(images) != 2 {
		t.Fatalf("list: %+v, %v", images, err)
	}
	if images[0].Err != nil || images[0].ID != good.ID {
		t.Errorf("good: %+v", images[0])
	}
	if !errors.Is(images[1].Err, ErrCorrupt) || images[1].Ref != bad.Ref {
		t.Errorf("bad: %+v", images[1])
	}
	if _, err := s.Resolve("good"); err != nil {
		t.Errorf("resolve good: %v", err)
	}
	if _, err := s.Resolve("bad"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("resolve bad: %v", err)
	}
	// A blob that is a link out of the store is not followed.
	os.Remove(s.blobPath(bad.ID))
	os.Symlink("/etc/passwd", s.blobPath(bad.ID))
	if _, err := s.Resolve("bad"); err == nil {
		t.Error("a linked blob was read")
	}
	if err := os.WriteFile(s.indexPath(), []byte("{\"schema"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(); !errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), "index.json") {
		t.Errorf("corrupt index: %v", err)
	}
}

func TestFailedImportLeavesNothing(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	mustImport(t, s, "good", file("x", "1"))
	before := tree(t, s.dirs.Root)
	cut := makeTar(t, file("a", strings.Repeat("q", 5000)))[:3000]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, try := range map[string]func() error{
		"cut": func() error {
			_, err := s.Import(t.Context(), bytes.NewReader(cut), ImportOptions{Ref: "x"})
			return err
		},
		"not a tar": func() error {
			_, err := s.Import(t.Context(), strings.NewReader(strings.Repeat("garbage", 200)), ImportOptions{})
			return err
		},
		"cancelled": func() error {
			_, err := s.Import(ctx, bytes.NewReader(makeTar(t, file("a", "b"))), ImportOptions{})
			return err
		},
		"bad ref": func() error {
			_, err := s.Import(t.Context(), strings.NewReader(""), ImportOptions{Ref: "A"})
			return err
		},
		"bad change": func() error {
			_, err := s.Import(t.Context(), strings.NewReader(""), ImportOptions{Changes: []string{"RUN x"}})
			return err
		},
	} {
		if err := try(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if after := tree(t, s.dirs.Root); !slices.Equal(before, after) {
		t.Errorf("store changed:\n%v\n%v", before, after)
	}
}

// tree lists every path below dir.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
		// Ensure notes when it last checked the folders.
		if p = strings.TrimPrefix(p, dir); p != "/cache/layout" {
			paths = append(paths, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func BenchmarkResolve(b *testing.B) {
	needRoot(b)
	s := testStore(b)
	mustImport(b, s, "demo", file("x", "1"))
	time.Sleep(60 * time.Millisecond)
	if _, err := s.Resolve("demo"); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		if _, err := s.Resolve("demo"); err != nil {
			b.Fatal(err)
		}
	}
}
