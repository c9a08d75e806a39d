package seccomp

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// condition is one comparison of an argument.
type condition struct {
	op       specs.LinuxSeccompOperator
	index    uint
	value    uint64 // MASKED_EQ: the mask
	valueTwo uint64 // MASKED_EQ: what must be left
	narrow   bool   // the upper half of the argument counts as zero
}

// rule gives ret when all conditions hold.
type rule struct {
	ret        uint32
	conditions []condition
}

// leaf is what happens to a call: the first matching rule's verdict, else ret.
type leaf struct {
	rules []rule
	ret   uint32
}

// segment is a range of numbers, up to the next segment's start, with one leaf.
type segment struct {
	start uint32
	leaf  int
}

// machine is the numbers of one audit architecture, covering all 32 bits.
type machine struct {
	arch     uint32
	segments []segment
}

// collection is a whole profile, ready to generate code from.
type collection struct {
	leaves   []leaf
	machines []machine
}

// tableSize is above every ordinary call number; gen_syscalls.go's table is
// tested against it.
const tableSize = 640

// cell is what the profile says about one call. It is small because a start
// pays a page fault for every 4 KiB of tables.
type cell struct {
	list  int32 // 1 + index in table.lists; 0 when no rule has conditions
	fixed int32 // 1 + index in table.rets; 0 when no rule is without conditions
}

// table is the cells of one ABI, indexed by the number without its base.
type table struct {
	abi     abi
	cells   [tableSize]cell
	private [8]cell // armPrivate + index
	lists   [][]rule
	rets    []uint32
	highest uint32 // highest ordinary number mentioned
	known   bool   // any was
}

// at returns the cell of a number of syscallTable, nil when it has none.
func (t *table) at(nr int32) *cell {
	switch {
	case nr < 0:
		return nil
	case t.abi == abiX32:
		return &t.cells[nr-x32Bit]
	case nr >= armPrivate:
		return &t.private[nr-armPrivate]
	default:
		return &t.cells[nr]
	}
}

// mention records that the profile knows the call.
func (t *table) mention(nr int32) {
	if nr >= 0 && (nr < armPrivate || t.abi == abiX32) {
		t.highest, t.known = max(t.highest, uint32(nr)), true
	}
}

// add gives a call one more rule. Those after a verdict without conditions can
// not matter: the first such verdict wins over all.
func (t *table) add(nr int32, ret uint32, conditions []condition) {
	c := t.at(nr)
	switch {
	case c == nil || c.fixed != 0:
	case len(conditions) == 0:
		i := slices.Index(t.rets, ret)
		if i < 0 {
			i = len(t.rets)
			t.rets = append(t.rets, ret)
		}
		c.fixed = int32(i) + 1
	case c.list == 0:
		t.lists = append(t.lists, []rule{{ret, conditions}})
		c.list = int32(len(t.lists))
	default:
		l := &t.lists[c.list-1]
		*l = append(*l, rule{ret, conditions})
	}
}

// newCollection resolves names and sorts the rules by call. The profile is
// valid.
func newCollection(s *specs.LinuxSeccomp, abis []abi) (*collection, error) {
	defaultRet, err := verdict(s.DefaultAction, s.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	tables := make([]table, len(abis))
	for i := range tables {
		tables[i].abi = abis[i]
	}
	for i := range s.Syscalls {
		r := &s.Syscalls[i]
		ret, err := verdict(r.Action, r.ErrnoRet)
		if err != nil {
			return nil, err
		}
		alternatives := splitConditions(r.Args)
		for _, name := range r.Names {
			row := lookup(name)
			for t := range tables {
				tables[t].addRule(name, row, ret, defaultRet, alternatives)
			}
		}
	}
	return assemble(tables, defaultRet), nil
}

// splitConditions returns the rules that an argument list stands for: one, or
// one per condition when it names an argument twice (runc's reading; a filter
// for libseccomp cannot hold such a rule).
func splitConditions(args []specs.LinuxSeccompArg) [][]condition {
	var all []condition
	var seen [maxArgument + 1]bool
	repeated := false
	for _, a := range args {
		c := condition{op: a.Op, index: a.Index, value: a.Value}
		if a.Op == specs.OpMaskedEqual {
			c.valueTwo = a.ValueTwo & a.Value // as libseccomp
		}
		repeated = repeated || seen[a.Index]
		seen[a.Index] = true
		all = append(all, c)
	}
	if !repeated {
		return [][]condition{all}
	}
	split := make([][]condition, len(all))
	for i := range all {
		split[i] = all[i : i+1]
	}
	return split
}

// addRule enters a rule for one call; row is nil when no ABI has the name.
func (t *table) addRule(name string, row *syscallRow, ret, defaultRet uint32, alternatives [][]condition) {
	if row != nil {
		nr := row.numbers[t.abi]
		t.mention(nr)
		if ret != defaultRet {
			for _, conditions := range alternatives {
				t.add(nr, ret, t.width(name, conditions))
			}
		}
	}
	if t.abi != abiI386 || ret == defaultRet {
		return
	}
	mux, selector := muxed(name)
	if mux == "" {
		return
	}
	nr := lookup(mux).numbers[t.abi]
	conditional := len(alternatives[0]) > 0
	if c, ok := muxRule(mux, selector, conditional, ret, defaultRet); ok {
		t.add(nr, ret, []condition{c})
	}
}

// width marks the conditions on arguments that are 32 bits in this call.
func (t *table) width(name string, conditions []condition) []condition {
	if len(conditions) == 0 {
		return nil
	}
	ints := intArguments(name)
	out := slices.Clone(conditions)
	for i := range out {
		c := &out[i]
		c.narrow = t.abi.narrow() || ints&(1<<c.index) != 0
		if c.narrow && c.op != specs.OpMaskedEqual && int64(c.value) == int64(int32(c.value)) {
			// -1 is written with all 64 bits set; the call sees 32.
			c.value = uint64(uint32(c.value))
		}
	}
	return out
}

// assemble joins the tables of each audit architecture and gives every range
// of numbers its leaf.
func assemble(tables []table, defaultRet uint32) *collection {
	c := &collection{}
	newer := defaultRet
	if !permissive(defaultRet) {
		newer = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	}
	kill := c.intern(leaf{ret: unix.SECCOMP_RET_KILL_THREAD})
	unlisted, beyond := c.intern(leaf{ret: defaultRet}), c.intern(leaf{ret: newer})
	var x32 *table
	for i := range tables {
		if tables[i].abi == abiX32 {
			x32 = &tables[i]
		}
	}
	for i := range tables {
		t := &tables[i]
		if t.abi == abiX32 {
			continue
		}
		m := machine{arch: t.abi.auditArch()}
		m.segments = c.appendTable(m.segments, t, unlisted, beyond)
		if t.abi == abiX86_64 && x32 != nil {
			m.segments = c.appendTable(m.segments, x32, unlisted, beyond)
		} else if t.abi == abiX86_64 {
			// A tracer that skips a call sets its number to -1: not x32.
			last := m.segments[len(m.segments)-1].leaf
			m.add(x32Bit, kill)
			m.add(1<<32-1, last)
		}
		c.machines = append(c.machines, m)
	}
	return c
}

// appendTable adds an ABI's segments: its calls, and beyond its highest one.
func (c *collection) appendTable(s []segment, t *table, unlisted, beyond int) []segment {
	m := machine{segments: s}
	base := uint32(0)
	if t.abi == abiX32 {
		base = x32Bit
	}
	defaultRet := c.leaves[unlisted].ret
	if t.known {
		last := t.highest - base
		for nr := range last + 1 {
			m.add(base+nr, c.leafOf(t, t.cells[nr], unlisted, defaultRet))
		}
		m.add(base+last+1, beyond)
	} else {
		beyond = unlisted
		m.add(base, beyond)
	}
	if t.abi == abiARM {
		for i := range t.private {
			m.add(armPrivate+uint32(i), c.leafOf(t, t.private[i], beyond, c.leaves[beyond].ret))
		}
		m.add(armPrivate+uint32(len(t.private)), beyond)
	}
	return m.segments
}

// leafOf interns a cell's leaf.
func (c *collection) leafOf(t *table, l cell, unlisted int, defaultRet uint32) int {
	switch {
	case l.fixed != 0:
		return c.intern(leaf{ret: t.rets[l.fixed-1]})
	case l.list == 0:
		return unlisted
	default:
		return c.intern(leaf{rules: t.lists[l.list-1], ret: defaultRet})
	}
}

// add starts a segment, unless the leaf is the one before it.
func (m *machine) add(start uint32, leaf int) {
	if n := len(m.segments); n > 0 && m.segments[n-1].leaf == leaf {
		return
	}
	m.segments = append(m.segments, segment{start, leaf})
}

// intern returns the index of an equal leaf. There are few: verdicts, and one
// per distinct set of conditions.
func (c *collection) intern(l leaf) int {
	for i := range c.leaves {
		if have := &c.leaves[i]; have.ret == l.ret && slices.EqualFunc(have.rules, l.rules, sameRule) {
			return i
		}
	}
	c.leaves = append(c.leaves, l)
	return len(c.leaves) - 1
}

func sameRule(a, b rule) bool {
	return a.ret == b.ret && slices.Equal(a.conditions, b.conditions)
}
