package teach

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quote returns s as a C string of at most limit bytes (0 is no limit). Dots
// behind the closing quote tell that it was cut.
func quote(s string, limit int) string {
	if limit <= 0 || len(s) <= limit {
		return strconv.Quote(s)
	}
	// Never cut a rune in half: its bytes would be shown as garbage.
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strconv.Quote(s[:limit]) + "..."
}

// clean makes text safe for a terminal and for one line: whatever is not
// printable is escaped. Image authors choose some of these strings, and an
// escape sequence in one could rewrite what the reader believes to see.
func clean(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if unprintable(r) || r == utf8.RuneError && n == 1 {
			q := strconv.Quote(s[:n])
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// unprintable reports whether a rune could do something else than be seen:
// control characters, but also marks that reverse the direction of text.
func unprintable(r rune) bool { return !unicode.IsPrint(r) }
