package cli

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// shellWords splits a command line as a shell does, as far as examples need it:
// single quotes, and $(…) as one word.
func shellWords(line string) []string {
	var words []string
	var word strings.Builder
	quoted, nested, any := false, 0, false
	for _, r := range line {
		switch {
		case r == '\'' && nested == 0:
			quoted, any = !quoted, true
			continue
		case !quoted && r == '(':
			nested++
		case !quoted && r == ')':
			nested--
		case r == ' ' && !quoted && nested == 0:
			if any {
				words = append(words, word.String())
			}
			word.Reset()
			any = false
			continue
		}
		any = true
		word.WriteRune(r)
	}
	if any {
		words = append(words, word.String())
	}
	return words
}

// berthOf returns berth's arguments in the pipeline of an example.
func berthOf(line string) []string {
	words := shellWords(line)
	at := slices.IndexFunc(words, func(w string) bool { return w == "berth" || strings.HasSuffix(w, "<(berth") })
	if at < 0 && strings.Contains(line, "<(berth ") {
		_, inner, _ := strings.Cut(line, "<(berth ")
		return shellWords(strings.TrimSuffix(inner, ")"))
	}
	if at < 0 {
		return nil
	}
	words = words[at+1:]
	if end := slices.IndexFunc(words, func(w string) bool { return w == "|" || w == ">" || w == "&&" }); end >= 0 {
		words = words[:end]
	}
	return words
}

// TestExamples reads the command line of every example with the command's own
// flags, so that none outlives a flag, and holds that every command has one.
func TestExamples(t *testing.T) {
	for _, c := range commands() {
		if len(c.examples) == 0 {
			t.Errorf("%s has no example for its man page", c.name)
		}
		for _, e := range c.examples {
			if !strings.HasSuffix(e.what, ".") {
				t.Errorf("%s: %q is no sentence", c.name, e.what)
			}
			words := berthOf(e.line)
			own := strings.Fields(c.name)
			if len(words) < len(own) || !slices.Equal(words[:len(own)], own) {
				t.Errorf("%s: the example %q is of another command: %q", c.name, e.line, words)
				continue
			}
			if c.manual == "" {
				readExample(t, c, e.line, words)
			}
		}
	}
}

// readExample has the flags and the number of words of an example checked.
func readExample(t *testing.T, c *command, line string, words []string) {
	t.Helper()
	s := newSession(Process{Args: []string{"berth"}, LookupEnv: func(string) (string, bool) { return "", false }})
	found, rest, err := s.find(words)
	if err != nil || found == nil {
		t.Errorf("%s: %q: %v", c.name, line, err)
		return
	}
	inv, err := s.invoke(found, rest)
	if err != nil {
		t.Errorf("%s: %q: %v", c.name, line, err)
		return
	}
	done := false
	inv.run = func(context.Context, []string) error { done = true; return nil }
	argv := append(append([]string{s.program, found.name}, inv.flags...), "--")
	if err := s.app(inv.urfave(s)).RunContext(t.Context(), append(argv, inv.words...)); err != nil || !done {
		t.Errorf("%s: %q: %v", c.name, line, err)
		return
	}
	if found.name == "explain" && len(inv.words) > 0 {
		readExample(t, c, line, append([]string{"run"}, inv.words[1:]...))
	}
}

// TestPages holds that each page has the sections of a manual page, and that a
// second name is one of a page that is there.
func TestPages(t *testing.T) {
	pages := map[string]Page{}
	for _, p := range Manual() {
		if _, twice := pages[p.Name]; twice {
			t.Errorf("two pages are called %s", p.Name)
		}
		pages[p.Name] = p
	}
	for _, p := range pages {
		if p.SameAs != "" {
			if pages[p.SameAs].Markdown == "" {
				t.Errorf("%s is a second name of %s, which is no page", p.Name, p.SameAs)
			}
			continue
		}
		rest := p.Markdown
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"} {
			_, after, found := strings.Cut(rest, "\n# "+section+"\n\n")
			if !found || strings.HasPrefix(after, "#") {
				t.Errorf("%s: no section %s, or not in its place", p.Name, section)
				continue
			}
			rest = after
		}
	}
	for _, name := range []string{"berth", "berth-run", "berth-container", "berth-container-run", "berth-container-ls", "berth-container-inspect", "berth-image-rm"} {
		if _, ok := pages[name]; !ok {
			t.Errorf("no page %s", name)
		}
	}
}
