package style

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"berth/tests/fixture"
)

// source is one Go file of the module.
type source struct {
	path string // below the repository, with slashes
	dir  string
	test bool
	text []byte
	file *ast.File
	fset *token.FileSet
}

func (s source) line(n ast.Node) int { return s.fset.Position(n.Pos()).Line }

func (s source) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

// top is the repository's folder.
func top(t *testing.T) string {
	t.Helper()
	dir, err := fixture.Top()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// walk calls visit with every file of the repository that belongs to it: not
// what is built, hidden or part of another module.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	root := top(t)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == root:
			return nil
		case d.IsDir() && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.Type().IsRegular():
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			visit(rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// scripts matches programs that "go run" starts by file name: they belong to no
// package.
var scripts = regexp.MustCompile(`(?m)^//go:build ignore$`)

// sources parses the module's Go files, nested modules left out.
func sources(t *testing.T) []source {
	t.Helper()
	root := top(t)
	var all []source
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || nested(root, filepath.Dir(path)) {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if scripts.Match(text) {
			return
		}
		all = append(all, source{
			path: path, dir: filepath.Dir(path), test: strings.HasSuffix(path, "_test.go"),
			text: text, file: file, fset: fset,
		})
	})
	if len(all) == 0 {
		t.Fatal("no Go files found")
	}
	return all
}

// nested tells whether dir lies in a module of its own.
func nested(root, dir string) bool {
	for ; dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err == nil {
			return true
		}
	}
	return false
}
