package style

import (
	"bytes"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	fileLines     = 400 // more needs a comment that begins "Length:" and says why
	fileLinesHard = 600
	testFileLines = 1000
	funcLines     = 80
	executorLines = 500
	subjectLength = 72
)

func TestFileLength(t *testing.T) {
	for _, s := range sources(t) {
		n := bytes.Count(s.text, []byte("\n"))
		switch {
		case s.test && n > testFileLines:
			t.Errorf("%s: %d lines, a test file may have %d", s.path, n, testFileLines)
		case s.test || ast.IsGenerated(s.file):
		case n > fileLinesHard:
			t.Errorf("%s: %d lines, at most %d whatever the reason", s.path, n, fileLinesHard)
		case n > fileLines && !bytes.Contains(s.text, []byte("// Length: ")):
			t.Errorf("%s: %d lines, more than %d: split it by what it owns, or say why in a comment \"Length: …\"", s.path, n, fileLines)
		}
	}
}

// TestFunctionLength counts as a reader does, from "func" to the last brace.
// golangci-lint's cyclop holds the complexity.
func TestFunctionLength(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && !s.test && s.lines(f) > funcLines {
				t.Errorf("%s:%d: %s has %d lines, at most %d: make it a list of named steps", s.path, s.line(f), f.Name.Name, s.lines(f), funcLines)
			}
		}
	}
}

// TestOnlyNsenterIsC keeps the one piece of C in one place and small enough to
// be reviewed whole.
func TestOnlyNsenterIsC(t *testing.T) {
	root, total := top(t), 0
	walk(t, func(path string) {
		switch filepath.Ext(path) {
		case ".c", ".h", ".S", ".s", ".cc", ".cpp":
		default:
			return
		}
		dir := filepath.Dir(path)
		// Probes that test programs compile are no part of the product.
		if strings.Contains(path, "testdata/") {
			return
		}
		if dir != "nsenter" {
			t.Errorf("%s: C outside nsenter", path)
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		total += bytes.Count(text, []byte("\n"))
	})
	if total > executorLines {
		t.Errorf("nsenter has %d lines of C, at most %d", total, executorLines)
	}
	cgo := regexp.MustCompile(`(?m)^import "C"`)
	for _, s := range sources(t) {
		if s.dir != "nsenter" && cgo.Match(s.text) {
			t.Errorf("%s: cgo outside nsenter", s.path)
		}
	}
}
