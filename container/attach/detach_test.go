package attach

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestParseDetachKeys(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "\x10\x11"},
		{"ctrl-p,ctrl-q", "\x10\x11"},
		{"ctrl-@,ctrl-a,ctrl-z", "\x00\x01\x1a"},
		{`ctrl-[,ctrl-\,ctrl-],ctrl-^,ctrl-_`, "\x1b\x1c\x1d\x1e\x1f"},
		{"a", "a"},
		{"a,b,DEL", "ab\x7f"},
		{"ctrl-x,x", "\x18x"},
	} {
		got, err := ParseDetachKeys(c.in)
		if err != nil || string(got) != c.want {
			t.Errorf("%q: %q, %v", c.in, got, err)
		}
	}
	for _, bad := range []string{"ctrl-", "ctrl-A", "ctrl-1", "ab", "ctrl-p,", ",", "ctrl-`", "ctrl-é", "shift-a"} {
		_, err := ParseDetachKeys(bad)
		if err == nil || err.Error() != "Invalid detach keys ("+bad+") provided" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestScanner(t *testing.T) {
	for _, c := range []struct {
		name, keys, in, out, rest string
		found                     bool
	}{
		{"whole", "PQ", "abPQcd", "ab", "", true},
		{"first key twice", "PQ", "PPQ", "P", "", true},
		{"not completed", "PQ", "aPb", "aPb", "", false},
		{"held at the end", "PQ", "aP", "a", "P", false},
		{"overlap", "aab", "aaab", "a", "", true},
		{"longer overlap", "abab!", "ababab!", "ab", "", true},
		{"one key", "x", "axb", "a", "", true},
		{"no keys", "", "PQ", "PQ", "", false},
	} {
		s := newScanner([]byte(c.keys))
		out, found := s.scan(nil, []byte(c.in))
		if string(out) != c.out || found != c.found || string(s.rest()) != c.rest {
			t.Errorf("%s: %q, %v", c.name, out, found)
		}
	}
}

// TestScannerProperty compares with bytes.Index on random input of few
// different keys, cut anywhere.
func TestScannerProperty(t *testing.T) {
	letters := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[rand.IntN(2)]
		}
		return b
	}
	for range 20_000 {
		keys, in := letters(1+rand.IntN(6)), letters(rand.IntN(60))
		want, wantFound := in, false
		if i := bytes.Index(in, keys); i >= 0 {
			want, wantFound = in[:i], true
		}
		s := newScanner(keys)
		var got []byte
		found := false
		for rest := in; len(rest) > 0 && !found; {
			n := 1 + rand.IntN(len(rest))
			got, found = s.scan(got, rest[:n])
			rest = rest[n:]
		}
		if !found {
			got = append(got, s.rest()...)
		}
		if found != wantFound || !bytes.Equal(got, want) {
			t.Fatalf("keys %q in %q: %q, %v; want %q, %v", keys, in, got, found, want, wantFound)
		}
	}
}
