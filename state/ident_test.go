package state

import (
	"regexp"
	"strings"
	"testing"
)

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		id := newID(t)
		if !ValidID(id) || seen[id] {
			t.Fatalf("bad or repeated ID %q", id)
		}
		if strings.Trim(id[:12], "0123456789") == "" {
			t.Fatalf("short ID %s is a number", id[:12])
		}
		seen[id] = true
	}
}

func TestValidID(t *testing.T) {
	good := strings.Repeat("0a", 32)
	for s, want := range map[string]bool{
		good: true, "": false, good[:63]: false, good + "0": false,
		strings.ToUpper(good): false, good[:63] + "g": false, good[:63] + "/": false, "../" + good[:61]: false,
	} {
		if ValidID(s) != want {
			t.Errorf("ValidID(%q) = %v", s, !want)
		}
	}
}

func TestValidName(t *testing.T) {
	for s, want := range map[string]bool{
		"ab": true, "a1": true, "0-": true, "A_.-z": true, "a..": true, strings.Repeat("n", 255): true,
		"": false, "a": false, ".a": false, "..": false, "-a": false, "_a": false, "a/b": false, "/ab": false,
		"a b": false, "a\n": false, "a\x00": false, "é1": false, "aé": false, "a@": false, "a[": false, "a`": false, "a{": false,
		strings.Repeat("n", 256): false,
	} {
		if ValidName(s) != want {
			t.Errorf("ValidName(%q) = %v", s, !want)
		}
	}
}

func FuzzValidName(f *testing.F) {
	rule := regexp.MustCompile(`\A[a-zA-Z0-9][a-zA-Z0-9_.-]+\z`)
	for _, s := range []string{"", "a", "ab", "..", "a/b", "a\x00b", "[x", "a\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := ValidName(s), rule.MatchString(s) && len(s) <= 255; got != want {
			t.Errorf("ValidName(%q) = %v", s, got)
		}
	})
}

func TestRandomName(t *testing.T) {
	id := newID(t)
	if first, again := RandomName(id, 0), RandomName(id, 0); first != again {
		t.Error("the same ID gives two names")
	}
	tries := map[string]bool{}
	for n := range 20 {
		name := RandomName(id, n)
		if !ValidName(name) || !strings.Contains(name, "_") {
			t.Errorf("bad name %q", name)
		}
		tries[name] = true
	}
	if len(tries) < 19 {
		t.Errorf("20 attempts gave %d names", len(tries))
	}
	// Four attempts of 1,000 containers must seldom all collide.
	taken := map[string]bool{}
	numbered := 0
	for range 1000 {
		id := newID(t)
		n := 0
		for taken[RandomName(id, n)] {
			n++
		}
		if n > 3 {
			numbered++
		}
		taken[RandomName(id, n)] = true
	}
	if numbered > 5 {
		t.Errorf("%d of 1000 containers needed a number", numbered)
	}
}

func TestWordsAreUnique(t *testing.T) {
	for _, list := range []string{adjectives, nouns} {
		seen := map[string]bool{}
		for _, w := range strings.Fields(list) {
			if seen[w] {
				t.Errorf("%s is listed twice", w)
			}
			seen[w] = true
		}
	}
}
