package image

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// bigArchive is one of three images with many files, in a file.
func bigArchive(t testing.TB) string {
	t.Helper()
	s := testStore(t)
	names := []string{"one", "two", "three"}
	for i, name := range names {
		var entries []*tarEntry
		for k := range 60 {
			entries = append(entries, file(fmt.Sprintf("%s%d/f%d", name, k%7, k), strings.Repeat(fmt.Sprint(i*k), 500)))
		}
		mustImport(t, s, name, entries...)
	}
	path := t.TempDir() + "/archive"
	must(t, os.WriteFile(path, mustSave(t, s, SaveOptions{}, names...), 0o600))
	return path
}

// TestParallelLoads holds that processes that load the same archive do not
// disturb each other.
func TestParallelLoads(t *testing.T) {
	needRoot(t)
	s, archive := testStore(t), bigArchive(t)
	var children []*exec.Cmd
	var outs []*bytes.Buffer
	for range 6 {
		c, out := startChild(t, "load", s.dirs.Root, s.dirs.Run, archive)
		children, outs = append(children, c), append(outs, out)
	}
	for i, c := range children {
		if err := c.Wait(); err != nil || outs[i].String() != outs[0].String() || strings.Count(outs[i].String(), "\n") != 3 {
			t.Errorf("child %d: %s%v", i, outs[i], err)
		}
	}
	checkStore(t, s, true)
	mustBeClean(t, s, "after the loads")
}

// TestKilledLoads kills loads at random moments: all images are there, or none,
// and the next load succeeds.
func TestKilledLoads(t *testing.T) {
	needRoot(t)
	s, archive := testStore(t), bigArchive(t)
	random := rand.New(rand.NewPCG(3, 4))
	start := time.Now()
	c, out := startChild(t, "load", testStore(t).dirs.Root, s.dirs.Run, archive)
	if err := c.Wait(); err != nil {
		t.Fatalf("%s%v", out, err)
	}
	window := time.Since(start)
	counts := []int{}
	for range 8 {
		c, _ := startChild(t, "load", s.dirs.Root, s.dirs.Run, archive)
		time.Sleep(time.Duration(random.Int64N(int64(window))))
		_ = c.Process.Kill()
		if c.Wait() == nil {
			window = window / 2 // It had ended: others are to die earlier.
		}
		images, err := s.List()
		if err != nil || len(images) != 0 && len(images) != 3 {
			t.Fatalf("%d images, %v", len(images), err)
		}
		counts = append(counts, len(images))
		for _, img := range images {
			if _, _, err := s.Remove(t.Context(), img.Ref, RemoveOptions{}, nobody); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("images after each kill: %v", counts)
	if !slices.Contains(counts, 0) {
		t.Error("no load was killed in time: the test shows nothing")
	}
	f, err := os.Open(archive)
	must(t, err)
	defer f.Close()
	if loaded := mustLoad(t, s, f); len(loaded) != 3 {
		t.Errorf("loaded %+v", loaded)
	}
	checkStore(t, s, false)
	mustBeClean(t, s, "after the last load")
}
