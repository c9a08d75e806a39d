package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/cli"
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

// TestPagesAreWellFormed has two formatters read the pages. A second name's page
// is one line that names another file.
func TestPagesAreWellFormed(t *testing.T) {
	all, files := pages(), []string(nil)
	for name, text := range all {
		if target, second := strings.CutPrefix(string(text), ".so man1/"); !second {
			files = append(files, filepath.Join("..", "man", name))
		} else if all[strings.TrimSpace(target)] == nil {
			t.Errorf("%s is a second name of %s, which is not there", name, target)
		}
	}
	slices.Sort(files)
	for _, tool := range [][]string{{"mandoc", "-Tlint", "-Wwarning"}, {"groff", "-man", "-Tutf8", "-ww", "-z"}} {
		if _, err := exec.LookPath(tool[0]); err != nil {
			if os.Getenv("CI") != "" {
				t.Errorf("%s is not installed: make setup", tool[0])
			}
			t.Logf("%s is not installed", tool[0])
			continue
		}
		run := exec.CommandContext(t.Context(), tool[0], append(tool[1:], files...)...)
		out, _ := run.CombinedOutput() // the status only repeats what the lines say
		for line := range strings.Lines(string(out)) {
			// With a date, pages that did not change would differ every day.
			if !strings.Contains(line, "missing date") {
				t.Errorf("%s: %s", tool[0], line)
			}
		}
	}
}

// TestReadmeListsCommands holds that no command is missing from the README.
func TestReadmeListsCommands(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(string(readme), func(r rune) bool { return strings.ContainsRune(" \n`,;", r) })
	for _, e := range cli.Catalog() {
		name := strings.Fields(e.Name)
		// Inspect in a group is inspect.
		if len(name) == 0 || name[len(name)-1] == "inspect" {
			continue
		}
		if !slices.Contains(words, name[0]) || len(name) > 1 && !bytes.Contains(readme, []byte("`"+e.Name+"`")) {
			t.Errorf("the README does not have the command %s", e.Name)
		}
	}
}
