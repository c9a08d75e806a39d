package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/state"
	"berth/tests/ledger"
)

// childEnv tells a copy of the test binary what to do instead of testing:
// "import ROOT RUN TAR REF", "pull ROOT RUN LAYOUT REF", "load ROOT RUN TAR",
// "box ROOT RUN" or "resolve ROOT RUN REF".
const childEnv = "BERTH_IMAGE_TEST_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		if err := childJob(strings.Fields(job)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(ledger.Main(m))
}

func childJob(job []string) error {
	s := Open(state.Dirs{Root: job[1], Run: job[2]})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch job[0] {
	case "pull":
		return pullChild(ctx, s, job[3], job[4])
	case "box":
		img, err := s.EnsureBox(ctx)
		if err == nil {
			fmt.Println(img.ID)
		}
		return err
	case "resolve":
		start := time.Now()
		_, err := s.Resolve(job[3])
		fmt.Println(time.Since(start).Microseconds())
		return err
	}
	f, err := os.Open(job[3])
	if err != nil {
		return err
	}
	defer f.Close()
	if job[0] == "load" {
		loaded, err := s.Load(ctx, f, LoadOptions{})
		for _, l := range loaded {
			fmt.Println(l.Image.ID, l.Refs)
		}
		return err
	}
	img, err := s.Import(ctx, f, ImportOptions{Ref: job[4], Created: time.Unix(1, 0)})
	if err == nil {
		fmt.Println(img.ID)
	}
	return err
}

func startChild(t testing.TB, job ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), childEnv+"="+strings.Join(job, " "))
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, &out
}

// checkStore fails unless everything the index names is there and verified, and
// nothing else is.
func checkStore(t *testing.T, s *Store, unused bool) {
	t.Helper()
	images, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range images {
		if img.Err != nil {
			t.Errorf("image %s: %v", img.Ref, img.Err)
		}
	}
	for _, dir := range []string{s.dirs.Layer(), s.dirs.Image(), s.dirs.Image() + "/blobs/sha256", s.dirs.Cache()} {
		left, _ := filepath.Glob(dir + "/.[tr][me]*")
		if len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	index, err := s.readIndex()
	if err != nil {
		t.Fatal(err)
	}
	used, err := s.references(index)
	if err != nil {
		t.Fatal(err)
	}
	blobs, _ := os.ReadDir(s.dirs.Image() + "/blobs/sha256")
	for _, b := range blobs {
		d := Digest("sha256:" + b.Name())
		content, err := os.ReadFile(s.blobPath(d))
		if err != nil || digestBytes(content) != d {
			t.Errorf("blob %s is damaged: %v", d, err)
		}
		if unused && !used.blobs[d] {
			t.Errorf("blob %s is not used", d)
		}
	}
	if unused && len(blobs) != len(used.blobs) {
		t.Errorf("%d blobs, %d used", len(blobs), len(used.blobs))
	}
}

func TestParallelImports(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	archive := t.TempDir() + "/a.tar"
	os.WriteFile(archive, richTar(t), 0o600)
	var children []*exec.Cmd
	var outs []*bytes.Buffer
	for i := range 12 {
		// Same content everywhere, half of them under one name.
		ref := "same"
		if i%2 == 1 {
			ref = fmt.Sprint("own", i)
		}
		c, out := startChild(t, "import", s.dirs.Root, s.dirs.Run, archive, ref)
		children, outs = append(children, c), append(outs, out)
	}
	for i, c := range children {
		if err := c.Wait(); err != nil || outs[i].String() != outs[0].String() {
			t.Errorf("child %d: %s%v", i, outs[i], err)
		}
	}
	checkStore(t, s, true)
	images, err := s.List()
	if err != nil || len(images) != 7 {
		t.Errorf("%d images, %v", len(images), err)
	}
}

// TestSweptBlobs: a writer may die in each of the store's folders, and both
// who adds and who cleans up removes what it left.
func TestSweptBlobs(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	mustImport(t, s, "first", file("x", "1"))
	// No process has this pid: pid_max is at most 1<<22.
	left := []string{s.blobDir() + "/.tmp-999999999-1", s.dirs.Image() + "/.tmp-999999999-1", s.dirs.Layer() + "/.tmp-999999999-1"}
	clean := func(what string, f func()) {
		for _, p := range left {
			if err := os.WriteFile(p, []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f()
		for _, p := range left {
			if _, err := os.Lstat(p); err == nil {
				t.Errorf("%s left %s", what, p)
			}
		}
	}
	clean("import", func() { mustImport(t, s, "second", file("y", "2")) })
	clean("collect", func() {
		if _, err := s.Collect(t.Context(), func(string) bool { return false }); err != nil {
			t.Fatal(err)
		}
	})
	checkStore(t, s, true)
}

// TestKilledImports kills importers at random moments. The store must be usable
// after each, and clean after the next import.
func TestKilledImports(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	mustImport(t, s, "first", file("x", "1"))
	random := rand.New(rand.NewPCG(1, 2))
	var entries []*tarEntry
	for i := range 400 {
		entries = append(entries, file(fmt.Sprintf("d%d/f%d", i%7, i), strings.Repeat(fmt.Sprint(i), 500)))
	}
	calibrate := t.TempDir() + "/c.tar"
	os.WriteFile(calibrate, makeTar(t, entries...), 0o600)
	start := time.Now()
	c, out := startChild(t, "import", s.dirs.Root, s.dirs.Run, calibrate, "calibrate")
	if err := c.Wait(); err != nil {
		t.Fatalf("%s%v", out, err)
	}
	// Past the usual end, so that some die in the commit and some not at all.
	window := time.Since(start) * 5 / 4
	killed := 0
	for round := range 40 {
		archive := fmt.Sprintf("%s/%d.tar", t.TempDir(), round)
		os.WriteFile(archive, makeTar(t, append(entries, file("round", fmt.Sprint(round)))...), 0o600)
		c, _ := startChild(t, "import", s.dirs.Root, s.dirs.Run, archive, "victim")
		time.Sleep(time.Duration(random.Int64N(int64(window))))
		_ = c.Process.Kill()
		if c.Wait() != nil {
			killed++
		}
		if _, err := s.Resolve("first"); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if img, err := s.Resolve("victim"); err == nil {
			if b, err := os.ReadFile(img.Layers[0] + "/round"); err != nil {
				t.Fatalf("round %d: %q, %v", round, b, err)
			}
		} else if missing := new(NoSuchImageError); !errors.As(err, &missing) {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	t.Logf("%d of 40 importers were killed within %v", killed, window)
	if killed == 0 {
		t.Error("no importer was killed in time: the test shows nothing")
	}
	mustImport(t, s, "last", file("y", "2"))
	checkStore(t, s, false)
	old := time.Now().Add(-2 * blobGrace)
	blobs, _ := filepath.Glob(s.dirs.Image() + "/blobs/sha256/*")
	for _, b := range blobs {
		if err := os.Chtimes(b, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Collect(t.Context(), func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	checkStore(t, s, true)
}

func TestEnsureBox(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	if boxDigest() == "" {
		if _, err := s.EnsureBox(t.Context()); !errors.Is(err, ErrNoBox) {
			t.Errorf("without an embedded box: %v", err)
		}
		t.Skip("the rest needs the embedbox build tag")
	}
	var children []*exec.Cmd
	var outs []*bytes.Buffer
	for range 20 {
		c, out := startChild(t, "box", s.dirs.Root, s.dirs.Run)
		children, outs = append(children, c), append(outs, out)
	}
	for i, c := range children {
		if err := c.Wait(); err != nil || outs[i].String() != outs[0].String() {
			t.Errorf("child %d: %s%v", i, outs[i], err)
		}
	}
	checkStore(t, s, true)
	img, err := s.EnsureBox(t.Context())
	if err != nil || img.Box != boxDigest() || len(img.Config.Cmd) != 1 || img.Layers == nil {
		t.Fatalf("%+v, %v", img, err)
	}
	if string(img.Box) != "sha256:"+filepath.Base(img.Layers[0]) {
		t.Errorf("the archive says %s, its tar is %s", img.Box, img.Layers[0])
	}
	if out, err := exec.Command(img.Layers[0]+"/bin/sh", "-c", "echo hi; exit 3").CombinedOutput(); string(out) != "hi\n" {
		t.Errorf("box's shell: %q, %v", out, err)
	}
	// An older berth's box gives way; a user's own image under the name does not.
	index, err := s.readIndex()
	if err != nil {
		t.Fatal(err)
	}
	index.Manifests[0].Annotations[annotationBox] = "sha256:old"
	if err := s.writeIndex(index); err != nil {
		t.Fatal(err)
	}
	if img, err = s.EnsureBox(t.Context()); err != nil || img.Box != boxDigest() {
		t.Errorf("refreshed: %+v, %v", img, err)
	}
	own := mustImport(t, s, "box", file("mine", "x"))
	if img, err = s.EnsureBox(t.Context()); err != nil || img.ID != own.ID {
		t.Errorf("a user's own box: %+v, %v", img, err)
	}
}

// TestColdResolve holds the start path's share: a fresh process resolves within
// the budget, by the best of several tries on what may be a busy machine.
func TestColdResolve(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	mustImport(t, s, "demo", file("x", "1"))
	time.Sleep(60 * time.Millisecond)
	if _, err := s.Resolve("demo"); err != nil {
		t.Fatal(err)
	}
	best := 1 << 30
	for range 20 {
		c, out := startChild(t, "resolve", s.dirs.Root, s.dirs.Run, "demo")
		if err := c.Wait(); err != nil {
			t.Fatalf("%s%v", out, err)
		}
		var us int
		fmt.Sscan(out.String(), &us)
		best = min(best, us)
	}
	t.Logf("best cold resolve: %d µs", best)
	if best > 200 {
		t.Errorf("a cold resolve takes %d µs, want at most 200", best)
	}
}
