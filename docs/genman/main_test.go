package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestPagesAreCurrent holds docs/man to the commands.
func TestPagesAreCurrent(t *testing.T) {
	wanted := pages()
	for name, text := range wanted {
		have, err := os.ReadFile(filepath.Join("..", "man", name))
		if err != nil {
			t.Errorf("%v: run make man", err)
			continue
		}
		if !bytes.Equal(have, text) {
			t.Errorf("docs/man/%s is not what the commands say: run make man", name)
		}
	}
	have, err := filepath.Glob(filepath.Join("..", "man", "*.[18]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range have {
		if wanted[filepath.Base(path)] == nil {
			t.Errorf("%s is the page of no command: run make man", path)
		}
	}
}

// TestCompletionIsCurrent holds docs/completion, which is installed, to the
// scripts that berth prints.
func TestCompletionIsCurrent(t *testing.T) {
	wanted := completions()
	for name, text := range wanted {
		if have, err := os.ReadFile(filepath.Join("..", "completion", name)); err != nil || !bytes.Equal(have, text) {
			t.Errorf("docs/completion/%s is not what berth completion prints (%v): run make man", name, err)
		}
	}
	have, err := os.ReadDir(filepath.Join("..", "completion"))
	if err != nil {
		t.Fatal(err)
	}
	if len(have) != len(wanted) {
		t.Errorf("docs/completion has %d files, want %d", len(have), len(wanted))
	}
}
