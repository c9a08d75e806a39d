package teach

import (
	"strings"
	"unicode/utf8"
)

// width returns how many columns a string takes. It counts runes: the few wide
// ones that a path may have shift the column behind them, and nothing else.
func width(s string) int { return utf8.RuneCountInString(s) }

// pad fills s up to n columns.
func pad(s string, n int) string {
	if w := width(s); w < n {
		return s + strings.Repeat(" ", n-w)
	}
	return s
}

// wrap breaks s into lines of at most n columns (n is at least 8): after a
// space or between flags if it can, else anywhere. Lines after the first are
// indented by the given number of columns.
func wrap(s string, n, indent int) []string {
	var lines []string
	prefix := ""
	for {
		room := n - width(prefix)
		if width(s) <= room {
			return append(lines, prefix+s)
		}
		at := breakAt(s, room)
		lines = append(lines, prefix+strings.TrimRight(s[:at], " "))
		s = strings.TrimLeft(s[at:], " ")
		prefix = strings.Repeat(" ", indent)
	}
}

// breakAt returns the byte offset at which a string that is wider than room is
// best cut: the last good place in its first room columns, if that does not
// leave a line nearly empty.
func breakAt(s string, room int) int {
	best, column, before := 0, 0, ' '
	for i, r := range s {
		if column == room {
			// A space right behind the line is a good place as well.
			if best == 0 || r == ' ' {
				return i
			}
			return best
		}
		column++
		// A slash ends a part of a path; the first one begins it.
		slash := r == '/' && !strings.ContainsRune(" \"<", before)
		if (r == ' ' || r == '|' || slash) && column > room/3 {
			best = i + 1
		}
		before = r
	}
	return len(s)
}

// columns puts cells side by side under each other: each cell is a list of
// lines; widths has the width of all but the last.
func columns(b *strings.Builder, widths []int, cells ...[]string) {
	height := 0
	for _, c := range cells {
		height = max(height, len(c))
	}
	for row := range height {
		line := ""
		for i, c := range cells {
			text := ""
			if row < len(c) {
				text = c[row]
			}
			if i < len(widths) {
				text = pad(text, widths[i]) + " "
			}
			line += text
		}
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
}
