package attach

import (
	"fmt"
	"strings"
)

// DefaultDetachKeys is docker's default.
const DefaultDetachKeys = "ctrl-p,ctrl-q"

// invalidKeys are docker's words.
const invalidKeys = "Invalid detach keys (%s) provided"

// ParseDetachKeys reads docker's --detach-keys: keys separated by commas, each
// a single character, ctrl- and one of a-z @ [ \ ] ^ _, or DEL. The empty
// string stands for the default.
func ParseDetachKeys(s string) ([]byte, error) {
	if s == "" {
		s = DefaultDetachKeys
	}
	var keys []byte
	for key := range strings.SplitSeq(s, ",") {
		b, ok := parseKey(key)
		if !ok {
			return nil, fmt.Errorf(invalidKeys, s) //nolint:staticcheck // docker's words, capital and all
		}
		keys = append(keys, b)
	}
	return keys, nil
}

// parseKey reads one key.
func parseKey(key string) (byte, bool) {
	if len(key) == 1 {
		return key[0], true
	}
	if key == "DEL" {
		return 0x7f, true
	}
	name, ok := strings.CutPrefix(key, "ctrl-")
	if !ok || len(name) != 1 {
		return 0, false
	}
	// A control character is its letter without bits 5 and 6 (ascii(7)).
	switch c := name[0]; {
	case 'a' <= c && c <= 'z':
		return c & 0x1f, true
	case c == '@', '[' <= c && c <= '_':
		return c & 0x1f, true
	}
	return 0, false
}

// scanner finds the detach keys in a stream, wherever its reads cut it. Keys
// that may be the start of the sequence are held back until that is known, and
// none are lost: ctrl-p ctrl-p ctrl-q is a ctrl-p and then the default
// sequence.
type scanner struct {
	keys []byte
	// shorter[n] is the length of the longest start of keys that keys[:n] also
	// ends in, n itself excepted (Knuth, Morris and Pratt).
	shorter []int
	held    int // keys[:held] are held back
}

// newScanner makes a scanner; without keys it lets everything pass.
func newScanner(keys []byte) *scanner {
	s := &scanner{keys: keys, shorter: make([]int, len(keys)+1)}
	for n := 2; n <= len(keys); n++ {
		k := s.shorter[n-1]
		for k > 0 && keys[k] != keys[n-1] {
			k = s.shorter[k]
		}
		if keys[k] == keys[n-1] {
			k++
		}
		s.shorter[n] = k
	}
	return s
}

// scan appends to dst what of p, and of what was held back, is to be passed
// on. found means that the sequence is complete; what follows it is dropped.
func (s *scanner) scan(dst, p []byte) (out []byte, found bool) {
	if len(s.keys) == 0 {
		return append(dst, p...), false
	}
	for _, b := range p {
		for s.held > 0 && s.keys[s.held] != b {
			keep := s.shorter[s.held]
			dst = append(dst, s.keys[:s.held-keep]...)
			s.held = keep
		}
		if s.keys[s.held] != b {
			dst = append(dst, b)
			continue
		}
		if s.held++; s.held == len(s.keys) {
			s.held = 0
			return dst, true
		}
	}
	return dst, false
}

// rest gives up what is held back, at the end of the stream.
func (s *scanner) rest() []byte {
	b := s.keys[:s.held]
	s.held = 0
	return b
}
