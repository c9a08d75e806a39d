package cli

import (
	"bytes"
	"fmt"
	"strings"

	units "github.com/docker/go-units"

	"berth/image"
)

// Limits of a bar, in cells.
const (
	barLength    = 50
	barLeastUse  = 8
	beforeLength = 2 // brackets

	unlimitedWidth = 1 << 16
)

// painter draws the rows of a transfer on a terminal, each picture over the one
// before it. It never leaves the cursor anywhere but at the beginning of the line
// below the rows, so that nothing has to be put right when the process ends.
type painter struct {
	width, height int
	// drawn are the lengths of the rows of the last picture, in cells.
	drawn []int
	// left counts the rows that are finished and have gone up with what was
	// printed before: they are not drawn again.
	left int
}

// paint returns one picture: said are new lines above the rows, last tells that
// no other follows.
func (p *painter) paint(words transferWords, said []string, rows []transferRow, width, height int, last bool) []byte {
	const up, clearLine, clearBelow = "\x1b[%dA", "\x1b[K", "\x1b[J"
	var out bytes.Buffer
	out.WriteByte('\r')
	if n := p.reach(width, height); n > 0 {
		fmt.Fprintf(&out, up, n)
	}
	for _, row := range p.leaving(rows, height-1, last) {
		if row.finished() {
			said = append(said, row.text(words, unlimitedWidth))
			continue
		}
		said = append(said, row.text(words, width-1))
	}
	if len(said) > 0 {
		// A line that stays may be longer than the terminal is wide; what it runs
		// over is cleared before it.
		out.WriteString(clearBelow)
		for _, line := range said {
			out.WriteString(line + "\n")
		}
	}
	p.drawn = p.drawn[:0]
	for _, line := range visible(words, rows[p.left:], width-1, height-1) {
		out.WriteString(line + clearLine + "\n")
		p.drawn = append(p.drawn, len(line))
	}
	out.WriteString(clearBelow)
	p.width, p.height = width, height
	return out.Bytes()
}

// reach counts the lines from the cursor up to the first row of the last picture.
// A terminal that has become narrower since has wrapped rows that were too long.
func (p *painter) reach(width, height int) int {
	lines := 0
	for _, length := range p.drawn {
		lines += max(1, (length+width-1)/width)
	}
	return min(lines, height-1)
}

// leaving returns the rows that are drawn for the last time, as lines that stay:
// as many finished ones from the top as there is no room for, and in the end all.
func (p *painter) leaving(rows []transferRow, room int, last bool) []transferRow {
	from := p.left
	for p.left < len(rows) && (last || len(rows)-p.left > room && rows[p.left].finished()) {
		p.left++
	}
	return rows[from:p.left]
}

// visible are the rows as lines of at most width cells. Where there is no room
// for all, those that something happens to go before the others, and the last
// line counts what is left out.
func visible(words transferWords, rows []transferRow, width, room int) []string {
	show := make([]bool, len(rows))
	left := room
	if len(rows) > room {
		left--
	}
	for _, want := range []func(transferRow) bool{transferRow.moves, func(transferRow) bool { return true }} {
		for i, row := range rows {
			if left > 0 && !show[i] && want(row) {
				show[i], left = true, left-1
			}
		}
	}
	lines := make([]string, 0, room)
	var hidden, finished int
	for i, row := range rows {
		switch {
		case show[i]:
			lines = append(lines, row.text(words, width))
		case row.finished():
			finished++
			fallthrough
		default:
			hidden++
		}
	}
	if hidden > 0 {
		lines = append(lines, cut(fmt.Sprintf("%d more: %d to do, %d finished", hidden, hidden-finished, finished), width))
	}
	return lines
}

// moves tells of a blob that something happens to right now.
func (r transferRow) moves() bool { return r.Stage != image.StageWaiting && !r.finished() }

// text is the row as docker's client draws it, with a bar that fits.
func (r transferRow) text(words transferWords, width int) string {
	text := r.Blob.Short() + ": " + plain(r.status(words))
	counts := ""
	if r.moves() {
		counts = r.counts()
	}
	if counts == "" {
		return cut(text, width)
	}
	if room := width - len(text) - len(counts) - beforeLength - len("  "); r.Total > 0 && room >= barLeastUse {
		text += " " + bar(r.Done, r.Total, min(room, barLength+1))
	}
	return cut(text+" "+counts, width)
}

// counts are the bytes that are done and those there are; empty when neither is
// known.
func (r transferRow) counts() string {
	switch {
	case r.Done <= 0 && r.Total <= 0:
		return ""
	case r.Total <= 0 || r.Done > r.Total:
		return fmt.Sprintf("%8s", units.HumanSize(float64(r.Done)))
	}
	return fmt.Sprintf("%8s/%s", units.HumanSize(float64(r.Done)), units.HumanSize(float64(r.Total)))
}

// bar is a bar of length cells between its brackets.
func bar(done, total int64, length int) string {
	full := int(float64(min(done, total)) / float64(total) * float64(length-1))
	return "[" + strings.Repeat("=", full) + ">" + strings.Repeat(" ", length-1-full) + "]"
}

// cut shortens a line of single cells.
func cut(line string, width int) string {
	if len(line) > width {
		return line[:max(width, 0)]
	}
	return line
}
