package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestWrapText(t *testing.T) {
	long := strings.Repeat("word ", 12) + "end"
	for _, tt := range []struct {
		name, text string
		width      int
		want       []string
	}{
		{"short", "one two", 40, []string{"one two"}},
		{"empty", "", 40, []string{""}},
		{"just fits", strings.Repeat("a", 29) + " b", 32, []string{strings.Repeat("a", 29) + " b"}},
		{"one too long", "aaaa aaaa aaaa aaaa aaaa aaa bbbb", 33, []string{"aaaa aaaa aaaa aaaa aaaa", "aaa bbbb"}},
		{"several", long, 30, []string{"word word word word word", "word word word word word", "word word end"}},
		{"no space", strings.Repeat("a", 60), 30, []string{strings.Repeat("a", 60)}},
		{"narrow", long, leastText - 1, []string{long}},
		{"negative", long, -4, []string{long}},
	} {
		if got := wrapText(tt.text, tt.width); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
