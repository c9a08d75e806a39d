package teach

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Trace writes the plan as it ran: for each step when it began, counted from
// the first one, how many microseconds it took, and what came of it. The
// results are those of [nsenter.Run.Results]; steps without one count as not
// reached. The order is the plan's: host and child work at the same time, so
// the times of the two sides interleave. Errors are those of w.
func Trace(w io.Writer, p *nsenter.Plan, results []nsenter.Result, opts Options) error {
	d := &decoder{plan: p, full: opts.Full}
	t := newTiming(p, results)
	idWidth := max(len(strconv.Itoa(len(p.Steps))), len("step"))
	widths := []int{idWidth, timeWidth, timeWidth, whoWidth}
	rest := opts.columns() - idWidth - 2*timeWidth - whoWidth - len(widths)
	cell := func(s string) []string { return []string{s} }

	var b strings.Builder
	columns(&b, widths, cell(fmt.Sprintf("%*s", idWidth, "step")), cell(right("at ms")), cell(right("took µs")),
		cell("who"), cell("what"))
	for i := range p.Steps {
		s, r := &p.Steps[i], t.results[i]
		at, took := "", ""
		if r.Start != 0 {
			at = right(fmt.Sprintf("%.3f", float64(r.Start-t.first)/1e6))
		}
		if ns, ok := elapsed(r); ok {
			took = right(fmt.Sprintf("%.1f", float64(ns)/1e3))
		}
		columns(&b, widths, cell(fmt.Sprintf("%*d", idWidth, i+1)), cell(at), cell(took),
			cell(s.Who.String()), wrap(d.describeResult(s, r, t), rest, 2))
	}
	columns(&b, nil, wrap(t.summary(), opts.columns(), 2))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write trace: %w", err)
	}
	return nil
}

// timeWidth fits "12345.678".
const timeWidth = 9

// right aligns a time in its column.
func right(s string) string { return strings.Repeat(" ", max(0, timeWidth-width(s))) + s }

// describeResult returns a step with its result, as strace writes it.
func (d *decoder) describeResult(s *nsenter.Step, r nsenter.Result, t *timing) string {
	text := d.acting(s)
	call := s.Op == nsenter.OpCall && s.Func == nil
	switch r.State {
	case nsenter.Done:
		switch {
		case call || s.Op == nsenter.OpFork || s.Op == nsenter.OpInit:
			text += " = " + strconv.FormatInt(r.Value, 10)
			if s.Out != nsenter.NoSlot {
				text += d.slot(s.Out)
			}
		case s.Op != nsenter.OpExit:
			text += ": done"
		}
	case nsenter.Running:
		text += " = ? " + running(s)
	case nsenter.Tolerated:
		text += " = " + errnoName(r.Errno()) + ", which is fine"
	case nsenter.Failed:
		text += failure(s, r.Errno())
	case nsenter.Skipped:
		text += ": skipped" + d.empty(s, t)
	default:
		text += ": not reached"
	}
	return text
}

// running says why a step never returned.
func running(s *nsenter.Step) string {
	if isExec(s) {
		return "became the payload"
	}
	return "never returned"
}

// isExec reports whether a step replaces the process's program.
func isExec(s *nsenter.Step) bool {
	return s.Op == nsenter.OpCall && s.Func == nil && (s.Call == unix.SYS_EXECVE || s.Call == unix.SYS_EXECVEAT)
}

// failure returns the error of a step and its likely cause.
func failure(s *nsenter.Step, errno unix.Errno) string {
	if errno == 0 {
		return ": failed"
	}
	text := " = " + errnoName(errno) + ": " + errno.Error()
	if hint := Hint(s, errno); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

// empty names the slots that made a step be skipped.
func (d *decoder) empty(s *nsenter.Step, t *timing) string {
	for _, a := range s.Args {
		if a.Kind() == nsenter.KindSlot && t.empty[a.Slot()] {
			return ", as " + d.slot(a.Slot()) + " is empty"
		}
	}
	return ""
}

// timing is what the results say about the run as a whole.
type timing struct {
	results []nsenter.Result
	// first and last are the times of the first start and the last end.
	first, last uint64
	// spent is the time inside steps, by side.
	spent map[nsenter.Who]uint64
	state map[nsenter.State]int
	// empty has the slots that a tolerated or skipped step left empty.
	empty map[nsenter.Slot]bool
}

// newTiming adds up results; it makes one for each step.
func newTiming(p *nsenter.Plan, results []nsenter.Result) *timing {
	t := &timing{
		results: make([]nsenter.Result, len(p.Steps)),
		spent:   map[nsenter.Who]uint64{},
		state:   map[nsenter.State]int{},
		empty:   map[nsenter.Slot]bool{},
	}
	copy(t.results, results)
	for i, r := range t.results {
		s := &p.Steps[i]
		t.state[r.State]++
		if r.Start != 0 && (t.first == 0 || r.Start < t.first) {
			t.first = r.Start
		}
		t.last = max(t.last, r.Start, r.End)
		if ns, ok := elapsed(r); ok {
			t.spent[s.Who] += ns
		}
		if s.Out != nsenter.NoSlot && (r.State == nsenter.Tolerated || r.State == nsenter.Skipped) {
			t.empty[s.Out] = true
		}
	}
	return t
}

// elapsed returns how long a step took; ok is false for one that did not end.
func elapsed(r nsenter.Result) (ns uint64, ok bool) {
	if r.Start == 0 || r.End < r.Start {
		return 0, false
	}
	return r.End - r.Start, true
}

// summary is the last line of a trace.
func (t *timing) summary() string {
	text, sep := count(len(t.results), "step"), ": "
	for _, state := range []nsenter.State{
		nsenter.Done, nsenter.Running, nsenter.Tolerated, nsenter.Skipped, nsenter.Failed, nsenter.Pending,
	} {
		if n := t.state[state]; n > 0 {
			text += fmt.Sprintf("%s%d %s", sep, n, stateName(state))
			sep = ", "
		}
	}
	ms := func(ns uint64) float64 { return float64(ns) / 1e6 }
	return fmt.Sprintf("%s; %.3f ms in all; inside steps: host %.3f ms, child %.3f ms", text,
		ms(t.last-t.first), ms(t.spent[nsenter.Host]), ms(t.spent[nsenter.Child]))
}

// stateName returns the word for a state in traces and JSON.
func stateName(s nsenter.State) string {
	switch s {
	case nsenter.Running:
		return "running"
	case nsenter.Done:
		return "done"
	case nsenter.Tolerated:
		return "tolerated"
	case nsenter.Skipped:
		return "skipped"
	case nsenter.Failed:
		return "failed"
	}
	return "pending"
}
