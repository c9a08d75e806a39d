package style

import (
	"go/ast"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestPackageComments(t *testing.T) {
	documented, files := map[string]bool{}, map[string]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		files[s.dir] = s.path
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command "
		}
		if s.file.Doc == nil {
			continue
		}
		if documented[s.dir] {
			t.Errorf("%s: a second comment of package %s", s.path, s.file.Name.Name)
		}
		documented[s.dir] = true
		if !strings.HasPrefix(s.file.Doc.Text(), want) {
			t.Errorf("%s: the package comment must begin with %q", s.path, want)
		}
	}
	for dir, path := range files {
		if !documented[dir] {
			t.Errorf("%s: package in %s has no comment: say what it owns, what it guarantees, when not to use it", path, dir)
		}
	}
}

// TestErrorTexts reads the first argument of errors.New and fmt.Errorf. A text
// that clients match is kept as it is, with "docker's words" or "runc's words"
// in a comment on its line or the one above.
func TestErrorTexts(t *testing.T) {
	banned := regexp.MustCompile(`(?i)^(failed to|unable to|can't|could not|couldn't|error |an error )`)
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if f := dotted(call.Fun); f != "errors.New" && f != "fmt.Errorf" {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if banned.MatchString(text) && !quotes(s, s.line(lit)) {
				t.Errorf("%s:%d: %q: begin with the verb and its object; that it failed is known", s.path, s.line(lit), text)
			}
			return true
		})
	}
}

func quotes(s source, line int) bool {
	lines := strings.Split(string(s.text), "\n")
	near := strings.Join(lines[max(line-2, 0):line], "\n")
	return strings.Contains(near, "docker's words") || strings.Contains(near, "runc's words")
}

// TestNoPromises: what is not there yet belongs in an issue, not in the tree.
func TestNoPromises(t *testing.T) {
	banned := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b|(?i)not (yet )?implemented|unimplemented`)
	root := top(t)
	walk(t, func(path string) {
		switch filepath.Ext(path) {
		case ".go", ".c", ".h", ".sh", ".md", ".txtar", "":
		default:
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if path == "LICENSE" || len(text) > 1<<20 || path == "tests/style/words_test.go" {
			return
		}
		for i, line := range strings.Split(string(text), "\n") {
			if word := banned.FindString(line); word != "" {
				t.Errorf("%s:%d: %q", path, i+1, word)
			}
		}
	})
}

// TestCommitSubjects checks what can still be read of the history: a shallow
// clone has less of it.
func TestCommitSubjects(t *testing.T) {
	git := exec.Command("git", "log", "--no-merges", "--format=%h %s")
	git.Dir = top(t)
	out, err := git.Output()
	if err != nil {
		t.Skipf("no history here: %v", err)
	}
	form := regexp.MustCompile(`^[a-z0-9][a-z0-9/,. _-]*: [a-z0-9].*[^.]$`)
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		commit, subject, _ := strings.Cut(line, " ")
		if len(subject) > subjectLength {
			t.Errorf("commit %s: subject has %d bytes, at most %d: %s", commit, len(subject), subjectLength, subject)
		}
		if !form.MatchString(subject) {
			t.Errorf("commit %s: want \"area: imperative\", have %q", commit, subject)
		}
	}
}
