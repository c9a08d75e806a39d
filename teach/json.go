package teach

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"berth/nsenter"
)

// entry is one step in JSON. The order of the fields is the order of the keys,
// and part of the format; docs/plan.md describes it.
type entry struct {
	ID        int      `json:"id"`
	Who       string   `json:"who"`
	Call      string   `json:"call"`
	Params    []string `json:"params"`
	Args      []string `json:"args"`
	Raw       []*int64 `json:"raw"`
	Out       string   `json:"out"`
	Tolerates []string `json:"tolerates"`
	Target    string   `json:"target"`
	From      string   `json:"from"`
	Why       string   `json:"why"`
	Text      string   `json:"text"`
	Result    *result  `json:"result,omitempty"`
}

// result is what became of a step.
type result struct {
	State string `json:"state"`
	Value int64  `json:"value"`
	Errno string `json:"errno"`
	Hint  string `json:"hint"`
	// At is the start in nanoseconds after the first step's, Took the
	// duration; both are null where they are not known.
	At   *uint64 `json:"at_ns"`
	Took *uint64 `json:"took_ns"`
}

// ExplainJSON writes the plan as a JSON array, one object per line and step. It
// shows everything in full, whatever the options. Errors are those of w.
func ExplainJSON(w io.Writer, p *nsenter.Plan, _ Options) error {
	return writeEntries(w, entries(p))
}

// TraceJSON writes the plan as ExplainJSON does, each object with what became
// of the step. Errors are those of w.
func TraceJSON(w io.Writer, p *nsenter.Plan, results []nsenter.Result, _ Options) error {
	list := entries(p)
	t := newTiming(p, results)
	for i := range list {
		list[i].Result = newResult(&p.Steps[i], t.results[i], t.first)
	}
	return writeEntries(w, list)
}

// entries returns the plan's steps with all that a listing knows.
func entries(p *nsenter.Plan) []entry {
	d := &decoder{plan: p, full: true}
	list := make([]entry, len(p.Steps))
	for i := range p.Steps {
		s := &p.Steps[i]
		e := entry{
			ID: i + 1, Who: s.Who.String(), Call: callName(s),
			Params: []string{}, Args: []string{}, Raw: []*int64{},
			Tolerates: errnoNames(s.OK), Target: clean(s.Target), From: clean(s.From), Why: clean(s.Why),
			Text: d.action(s),
		}
		if s.Out != nsenter.NoSlot {
			e.Out = clean(p.SlotName(s.Out))
		}
		switch {
		case s.Op == nsenter.OpCall && s.Func == nil:
			e.Params, e.Args, e.Raw = d.names(s), d.args(s), raw(s)
		case s.Op != nsenter.OpCall && len(s.Args) > 0:
			e.Params, e.Args, e.Raw = d.controlArgs(s)
		}
		list[i] = e
	}
	return list
}

// controlArgs returns the arguments of a control step.
func (d *decoder) controlArgs(s *nsenter.Step) (names, args []string, numbers []*int64) {
	forms := []param{{"flags", "clone"}, {"cgroup", "fd"}}
	if s.Op == nsenter.OpExit {
		forms = []param{{"status", "int"}}
	}
	for i := range s.Args {
		if i == len(forms) {
			break
		}
		names = append(names, forms[i].name)
		args = append(args, d.arg(s, i, forms[i].form))
	}
	return names, args, raw(s)[:len(names)]
}

// raw returns the arguments that are numbers as such, and null for the rest.
func raw(s *nsenter.Step) []*int64 {
	list := make([]*int64, len(s.Args))
	for i, a := range s.Args {
		if a.Kind() == nsenter.KindValue {
			v := int64(a.Value())
			list[i] = &v
		}
	}
	return list
}

// newResult returns a result as JSON shows it.
func newResult(s *nsenter.Step, r nsenter.Result, first uint64) *result {
	out := &result{State: stateName(r.State), Value: r.Value}
	if errno := r.Errno(); errno != 0 {
		out.Errno = errnoName(errno)
		if r.State == nsenter.Failed {
			out.Hint = Hint(s, errno)
		}
	}
	if r.Start != 0 {
		at := r.Start - first
		out.At = &at
	}
	if ns, ok := elapsed(r); ok {
		out.Took = &ns
	}
	return out
}

// writeEntries writes a JSON array with one object per line, which line tools
// can take apart, too.
func writeEntries(w io.Writer, list []entry) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	// Arrows and ampersands in a plan are no HTML.
	encoder.SetEscapeHTML(false)
	b.WriteByte('[')
	for i := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		if err := encoder.Encode(&list[i]); err != nil {
			return fmt.Errorf("encode step %d: %w", list[i].ID, err)
		}
		// The encoder ends every value with a newline.
		b.Truncate(b.Len() - 1)
	}
	if len(list) > 0 {
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write listing: %w", err)
	}
	return nil
}
