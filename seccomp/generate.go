package seccomp

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (linux/seccomp.h). Both machines are little
// endian: the lower half of an argument comes first.
const (
	offsetNumber    = 0
	offsetArch      = 4
	offsetArguments = 16
)

// maxJump is how far a conditional jump reaches; its offsets are bytes.
const maxJump = 255

// label is a place in the program, as its distance from the program's end:
// code is generated back to front, so that every jump's target is known.
type label int

// generator holds the program in reverse order.
type generator struct {
	code   []bpf.RawInstruction
	leaves []leaf
	places []label // of leaves, 0 when not generated yet
}

// generate returns the code of a collection.
func generate(c *collection) []unix.SockFilter {
	g := &generator{
		code:   make([]bpf.RawInstruction, 0, 512),
		leaves: c.leaves,
		places: make([]label, len(c.leaves)),
	}
	next := g.verdict(unix.SECCOMP_RET_KILL_THREAD) // unlisted architecture
	for _, m := range slices.Backward(c.machines) {
		body := g.search(m.segments)
		if body == g.here() {
			body = g.load(offsetNumber)
		} // else every number has one leaf, generated earlier
		next = g.branch(bpf.JumpEqual, m.arch, body, next)
	}
	g.load(offsetArch)

	out := make([]unix.SockFilter, len(g.code))
	for i, in := range g.code {
		out[len(out)-1-i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return out
}

func (g *generator) here() label { return label(len(g.code)) }

// emit takes the result of an Assemble method.
func (g *generator) emit(raw bpf.RawInstruction, err error) label {
	if err != nil {
		panic(err) // an instruction this file cannot produce
	}
	g.code = append(g.code, raw)
	return g.here()
}

func (g *generator) load(offset uint32) label {
	return g.emit(bpf.LoadAbsolute{Off: offset, Size: 4}.Assemble())
}

func (g *generator) verdict(ret uint32) label {
	return g.emit(bpf.RetConstant{Val: ret}.Assemble())
}

// distance is the jump offset of an instruction emitted now.
func (g *generator) distance(l label) int { return len(g.code) - int(l) }

// near returns a label for the same place that a jump emitted after one more
// instruction still reaches. A verdict is copied; other code gets a long jump.
func (g *generator) near(l label) label {
	if g.distance(l) < maxJump {
		return l
	}
	target := g.code[l-1]
	if target.Op == unix.BPF_RET|unix.BPF_K {
		g.code = append(g.code, target)
		return g.here()
	}
	return g.emit(bpf.Jump{Skip: uint32(g.distance(l))}.Assemble())
}

// branch emits a comparison of A with a constant.
func (g *generator) branch(test bpf.JumpTest, k uint32, yes, no label) label {
	yes = g.near(yes)
	no = g.near(no)
	return g.emit(bpf.JumpIf{
		Cond: test, Val: k,
		SkipTrue: uint8(g.distance(yes)), SkipFalse: uint8(g.distance(no)),
	}.Assemble())
}

// search emits a binary search for the number in A.
func (g *generator) search(s []segment) label {
	if len(s) == 1 {
		return g.leaf(s[0].leaf)
	}
	if len(s) == 3 && s[0].leaf == s[2].leaf && s[2].start == s[1].start+1 {
		// One call unlike its neighbours: a single comparison.
		no, yes := g.leaf(s[0].leaf), g.leaf(s[1].leaf)
		return g.branch(bpf.JumpEqual, s[1].start, yes, no)
	}
	mid := len(s) / 2
	yes := g.search(s[mid:])
	no := g.search(s[:mid])
	return g.branch(bpf.JumpGreaterOrEqual, s[mid].start, yes, no)
}

// leaf emits a leaf, or returns the place where it already is.
func (g *generator) leaf(i int) label {
	l := &g.leaves[i]
	if at := g.places[i]; at != 0 && (len(l.rules) > 0 || g.distance(at) < maxJump/2) {
		return at
	}
	at := g.verdict(l.ret)
	for _, r := range slices.Backward(l.rules) {
		no := at
		at = g.verdict(r.ret)
		for _, c := range slices.Backward(r.conditions) {
			at = g.condition(c, at, no)
		}
	}
	g.places[i] = at
	return at
}

// condition emits one comparison of an argument.
func (g *generator) condition(c condition, yes, no label) label {
	if yes == no {
		return no // a later condition of the rule can never hold
	}
	switch c.op {
	case specs.OpNotEqual:
		return g.compare(c, bpf.JumpEqual, no, yes)
	case specs.OpLessThan:
		return g.compare(c, bpf.JumpGreaterOrEqual, no, yes)
	case specs.OpLessEqual:
		return g.compare(c, bpf.JumpGreaterThan, no, yes)
	case specs.OpGreaterEqual:
		return g.compare(c, bpf.JumpGreaterOrEqual, yes, no)
	case specs.OpGreaterThan:
		return g.compare(c, bpf.JumpGreaterThan, yes, no)
	case specs.OpMaskedEqual:
		return g.masked(c, yes, no)
	default:
		return g.compare(c, bpf.JumpEqual, yes, no)
	}
}

// compare emits a 64-bit comparison: the upper halves decide unless they are
// equal. With a narrow argument the upper half is zero, so that a larger
// constant settles the matter.
func (g *generator) compare(c condition, test bpf.JumpTest, yes, no label) label {
	offset := offsetArguments + 8*uint32(c.index)
	high, low := uint32(c.value>>32), uint32(c.value)
	if c.narrow && high != 0 {
		return no
	}
	g.branch(test, low, yes, no)
	at := g.load(offset)
	if c.narrow {
		return at
	}
	at = g.branch(bpf.JumpEqual, high, at, no)
	if test != bpf.JumpEqual {
		g.branch(bpf.JumpGreaterThan, high, yes, at)
	}
	return g.load(offset + 4)
}

// masked emits (argument & value) == valueTwo, a half at a time; a half
// without mask bits needs no code.
func (g *generator) masked(c condition, yes, no label) label {
	offset := offsetArguments + 8*uint32(c.index)
	at := yes
	if mask := uint32(c.value); mask != 0 {
		at = g.maskedHalf(offset, mask, uint32(c.valueTwo), at, no)
	}
	mask, want := uint32(c.value>>32), uint32(c.valueTwo>>32)
	switch {
	case mask == 0:
		return at
	case c.narrow && want != 0:
		return no
	case c.narrow:
		return at
	default:
		return g.maskedHalf(offset+4, mask, want, at, no)
	}
}

func (g *generator) maskedHalf(offset, mask, want uint32, yes, no label) label {
	if want == 0 {
		g.branch(bpf.JumpBitsSet, mask, no, yes)
		return g.load(offset)
	}
	g.branch(bpf.JumpEqual, want, yes, no)
	if mask != 1<<32-1 {
		g.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask}.Assemble())
	}
	return g.load(offset)
}
