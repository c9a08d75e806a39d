package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// marked waits for a mark.
func marked(t *testing.T, w *Watch) {
	t.Helper()
	select {
	case <-w.Changed:
	case <-time.After(5 * time.Second):
		t.Fatal("no mark")
	}
}

// TestPolling is what happens without inotify.
func TestPolling(t *testing.T) {
	w := Folder(filepath.Join(t.TempDir(), "missing folder"))
	defer w.Close()
	if w.file != nil {
		t.Fatal("watches a folder that is not there")
	}
	marked(t, w)
}

func TestChanges(t *testing.T) {
	dir := t.TempDir()
	name, other := filepath.Join(dir, "log"), filepath.Join(dir, "log.1")
	w := Folder(dir)
	defer w.Close()
	if w.file == nil {
		t.Fatal("polls")
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	marked(t, w)
	for _, change := range []struct {
		name string
		do   func() error
	}{
		{"write", func() error { _, err := f.WriteString("x"); return err }},
		{"rename", func() error { return os.Rename(name, other) }},
		{"remove", func() error { return os.Remove(other) }},
	} {
		if err := change.do(); err != nil {
			t.Fatal(err)
		}
		t.Log(change.name)
		marked(t, w)
	}
}
