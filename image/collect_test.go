package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// TestCollectAmongWriters: what is being pulled, imported or committed is not
// collected, or is fetched again before anybody sees it.
func TestCollectAmongWriters(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	base := mustImport(t, s, "base", file("base", "1"))
	src := newMemorySource()
	const rounds = 6
	for i := range rounds {
		src.image(t, fmt.Sprint(i), makeTar(t, file("shared", "1")), makeTar(t, file("own", fmt.Sprint(i))))
	}
	done := make(chan struct{})
	var collector sync.WaitGroup
	collected := 0
	collector.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond): // the lock is for the others, too
			}
			removed, err := s.Collect(context.WithoutCancel(t.Context()), func(string) bool { return false })
			if err != nil {
				t.Errorf("collect: %v", err)
				return
			}
			collected += len(removed)
		}
	})
	var writers sync.WaitGroup
	whole := func(what string, img Image, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		for _, layer := range img.Layers {
			if _, err := os.Lstat(layer); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	writers.Go(func() {
		for i := range rounds {
			p, err := s.Pull(t.Context(), src, mustReference(t, fmt.Sprint("app:", i)), PullOptions{})
			whole("pull", p.Image, err)
		}
	})
	writers.Go(func() {
		for i := range rounds {
			img, err := s.Import(t.Context(), bytes.NewReader(makeTar(t, file("in", fmt.Sprint(i)))), ImportOptions{Ref: fmt.Sprint("in:", i)})
			whole("import", img, err)
		}
	})
	writers.Go(func() {
		for i := range rounds {
			layer := bytes.NewReader(makeTar(t, file("up", fmt.Sprint(i))))
			img, err := s.Commit(t.Context(), layer, CommitOptions{Ref: fmt.Sprint("up:", i), Parent: base.ID})
			whole("commit", img, err)
		}
	})
	writers.Wait()
	close(done)
	collector.Wait()
	t.Logf("%d trees went before they had a name", collected)
	if images, err := s.List(); err != nil || len(images) != 3*rounds+1 {
		t.Errorf("%d images, %v", len(images), err)
	}
	mustBeClean(t, s, "after")
	checkStore(t, s, true)
}

// TestCollectGrace: a blob without a name stays for an hour, and what a container
// stands on for ever.
func TestCollectGrace(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	img := mustImport(t, s, "a", file("x", "1"))
	tree := img.Layers[0]
	if _, _, err := s.Remove(t.Context(), "a", RemoveOptions{Force: true}, using(false)); err != nil {
		t.Fatal(err)
	}
	young, aged := s.blobPath(digestBytes([]byte("young"))), s.blobPath(digestBytes([]byte("aged")))
	must(t, os.WriteFile(young, []byte("young"), 0o600), os.WriteFile(aged, []byte("aged"), 0o600))
	past := time.Now().Add(-blobGrace - time.Minute)
	must(t, os.Chtimes(aged, past, past))
	removed, err := s.Collect(t.Context(), func(layer string) bool { return layer == tree })
	if err != nil || len(removed) != 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
	for path, stays := range map[string]bool{young: true, aged: false, tree: true, tree + ".json": true} {
		if _, err := os.Lstat(path); (err == nil) != stays {
			t.Errorf("%s: %v", path, err)
		}
	}
	if removed, err := s.Collect(t.Context(), func(string) bool { return false }); err != nil || len(removed) != 1 {
		t.Errorf("removed %v, %v", removed, err)
	}
	// Nothing is left of the layer, nor of one whose writer died before its tree
	// was in its place.
	must(t, os.WriteFile(tree+".json", nil, 0o600), os.Symlink("../x", s.dirs.Layer()+"/l/X"))
	if _, err := s.Collect(t.Context(), func(string) bool { return false }); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{s.dirs.Layer(), s.dirs.Layer() + "/l"} {
		if names, err := os.ReadDir(dir); err != nil || len(names) > 1 || len(names) == 1 && names[0].Name() != "l" {
			t.Errorf("%s holds %v, %v", dir, names, err)
		}
	}
}

// TestCreatorSeesRemoval: whoever puts a container on record and looks at State
// after it sees a removal that did not see the record.
func TestCreatorSeesRemoval(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	both := 0
	for round := range 40 {
		img := mustImport(t, s, "a", file("x", fmt.Sprint(round)))
		var mu sync.Mutex
		recorded := false
		users := func(Digest) []User {
			mu.Lock()
			defer mu.Unlock()
			if recorded {
				return []User{{Container: someContainer}}
			}
			return nil
		}
		before, err := s.State()
		must(t, err)
		var race sync.WaitGroup
		var removeErr error
		race.Go(func() { _, _, removeErr = s.Remove(t.Context(), "a", RemoveOptions{Force: true}, users) })
		time.Sleep(time.Duration(round%10) * 300 * time.Microsecond)
		mu.Lock()
		recorded = true
		mu.Unlock()
		now, err := s.State()
		must(t, err)
		confirmed := now == before
		race.Wait()
		must(t, removeErr)
		_, err = os.Lstat(img.Layers[0])
		if confirmed && err != nil {
			t.Fatalf("round %d: the container may run, and its layer has gone: %v", round, err)
		}
		if !confirmed {
			both++
			var missing *NoSuchImageError
			if _, err := s.Resolve(string(img.ID)); !errors.As(err, &missing) {
				t.Errorf("resolve: %v", err)
			}
		}
	}
	t.Logf("in %d of 40 rounds the removal was first", both)
}
