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
