package cli

import (
	"strconv"
	"strings"
	"testing"
)

// screen is a terminal as far as transfers use one: text, line feeds, cursor up,
// and clearing. Like most of them it wraps lines anew when its width changes.
type screen struct {
	t             *testing.T
	width, height int
	// rows are all that was ever shown, the visible ones last.
	rows []screenRow
	// row and column are where the cursor is; a column of the width is the place
	// behind the last cell, from where the next letter wraps.
	row, column int
	bytes       int
}

type screenRow struct {
	text string
	// wrapped tells that the row goes on in the next one.
	wrapped bool
}

func newScreen(t *testing.T, width, height int) *screen {
	return &screen{t: t, width: width, height: height, rows: []screenRow{{}}}
}

func (s *screen) size() (width, height int) { return s.width, s.height }

// String is what the whole history shows, each row with a line feed.
func (s *screen) String() string {
	var b strings.Builder
	for _, row := range s.rows {
		b.WriteString(strings.TrimRight(row.text, " ") + "\n")
	}
	return b.String()
}

func (s *screen) Write(p []byte) (int, error) {
	s.bytes += len(p)
	text := string(p)
	for text != "" {
		switch c := text[0]; c {
		case '\x1b':
			text = text[s.escape(text):]
			continue
		case '\r':
			s.column = 0
		case '\n':
			s.rows[s.row].wrapped = false
			s.down()
			s.column = 0
		default:
			s.put(c)
		}
		text = text[1:]
	}
	return len(p), nil
}

func (s *screen) put(c byte) {
	if s.column == s.width {
		s.rows[s.row].wrapped = true
		s.down()
		s.column = 0
	}
	row := &s.rows[s.row]
	for len(row.text) <= s.column {
		row.text += " "
	}
	row.text = row.text[:s.column] + string(c) + row.text[s.column+1:]
	s.column++
}

func (s *screen) down() {
	if s.row++; s.row == len(s.rows) {
		s.rows = append(s.rows, screenRow{})
	}
}

// escape obeys a control sequence and returns its length.
func (s *screen) escape(text string) int {
	end := strings.IndexAny(text, "AJK")
	if end < 0 || !strings.HasPrefix(text, "\x1b[") {
		s.t.Fatalf("unknown control sequence %q", text[:min(len(text), 10)])
	}
	n, err := strconv.Atoi(text[2:end])
	if err != nil && end > 2 {
		s.t.Fatalf("unknown control sequence %q", text[:end+1])
	}
	switch text[end] {
	case 'A':
		top := max(0, len(s.rows)-s.height)
		s.row = max(top, s.row-n)
	case 'K':
		s.clearLine()
	case 'J':
		s.clearLine()
		s.rows = s.rows[:s.row+1]
	}
	return end + 1
}

// clearLine: behind the last cell, xterm and others clear that cell.
func (s *screen) clearLine() {
	row := &s.rows[s.row]
	row.text = row.text[:min(len(row.text), min(s.column, s.width-1))]
	row.wrapped = false
}

// resize wraps all lines anew; the cursor stays at its letter.
func (s *screen) resize(width, height int) {
	var rows []screenRow
	at := 0
	line := ""
	for i, row := range s.rows {
		if i == s.row {
			at = len(rows) + (len(line)+s.column)/width
		}
		line += row.text
		if row.wrapped {
			continue
		}
		for len(line) > width {
			rows = append(rows, screenRow{line[:width], true})
			line = line[width:]
		}
		rows = append(rows, screenRow{text: line})
		line = ""
	}
	s.rows, s.row, s.width, s.height = rows, at, width, height
}
