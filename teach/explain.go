package teach

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"berth/nsenter"
)

// Options say how a listing looks.
type Options struct {
	// Width is the number of columns of the terminal; 0 means that the output
	// is none, and gives lines of defaultWidth.
	Width int
	// Headings puts a line above every group of steps.
	Headings bool
	// Full shows every constant with its prefix, and strings and lists to
	// their end.
	Full bool
}

const (
	defaultWidth = 120
	minWidth     = 40
	// whoWidth is the width of "child".
	whoWidth = 5
)

// columns returns the width to lay out for.
func (o Options) columns() int {
	if o.Width <= 0 {
		return defaultWidth
	}
	return max(o.Width, minWidth)
}

// Explain writes the plan as a numbered list: who makes the step, what it is,
// which flag or field asked for it, and why. Errors are those of w.
func Explain(w io.Writer, p *nsenter.Plan, opts Options) error {
	d := &decoder{plan: p, full: opts.Full}
	texts := make([]string, len(p.Steps))
	longest := 0
	for i := range p.Steps {
		texts[i] = d.describe(&p.Steps[i])
		longest = max(longest, width(texts[i]))
	}
	idWidth := len(strconv.Itoa(len(p.Steps)))
	rest := opts.columns() - idWidth - whoWidth - 4
	// The call needs more room than the reason, but not so much that the
	// reason becomes a tower.
	callWidth := min(longest, rest*3/5)
	noteWidth := rest - callWidth

	var b strings.Builder
	for i := range p.Steps {
		s := &p.Steps[i]
		if opts.Headings {
			heading(&b, p, i)
		}
		columns(&b, []int{idWidth, whoWidth, callWidth + 1},
			[]string{fmt.Sprintf("%*d", idWidth, i+1)}, []string{s.Who.String()},
			wrap(texts[i], callWidth, 2), wrap(ditto(p, i), noteWidth, 2))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write listing: %w", err)
	}
	return nil
}

// ditto returns the note of step i, or a ditto mark where it is the one above:
// a plan drops some thirty capabilities for one reason.
func ditto(p *nsenter.Plan, i int) string {
	text := note(&p.Steps[i])
	if i > 0 && text != "" && text == note(&p.Steps[i-1]) && p.Steps[i].Who == p.Steps[i-1].Who {
		return `"`
	}
	return text
}

// note returns the right column of a listing: what asked for the step, why it
// is there, and which errors do not matter.
func note(s *nsenter.Step) string {
	var parts []string
	for _, part := range []string{clean(s.From), clean(s.Why), tolerance(s)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

// tolerance returns the errnos that do not end the plan, in words.
func tolerance(s *nsenter.Step) string {
	switch names := errnoNames(s.OK); len(names) {
	case 0:
		return ""
	case 1:
		return names[0] + " is fine"
	default:
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " are fine"
	}
}

// heading writes a line above step i if a group begins there: a group is what
// one side does without the other.
func heading(b *strings.Builder, p *nsenter.Plan, i int) {
	who := p.Steps[i].Who
	if i > 0 && p.Steps[i-1].Who == who && p.Steps[i-1].Op != nsenter.OpSpawn {
		return
	}
	last, spawned := i, false
	for j := range i {
		spawned = spawned || p.Steps[j].Op == nsenter.OpSpawn
	}
	for last+1 < len(p.Steps) && p.Steps[last+1].Who == who && p.Steps[last].Op != nsenter.OpSpawn {
		last++
	}
	text := "The host prepares, before any process exists"
	switch {
	case who == nsenter.Child:
		text = "The child, which becomes the payload"
	case spawned:
		text = "The host, while the child works"
	}
	steps := "step " + strconv.Itoa(i+1)
	if last > i {
		steps = "steps " + strconv.Itoa(i+1) + " to " + strconv.Itoa(last+1)
	}
	if i > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "%s (%s)\n", text, steps)
}
