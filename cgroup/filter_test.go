package cgroup

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// decide is the meaning of device rules, written as directly as possible: for
// each thing asked, the last rule that speaks about it wins.
func decide(rules []specs.LinuxDeviceCgroup, kind uint8, major, minor int64, asked access) bool {
	allowAll := true
	decided := false
	for _, bit := range []access{mayMknod, mayRead, mayWrite} {
		if asked&bit == 0 {
			continue
		}
		decided = true
		allowed := false
		for i := range rules {
			if r, _ := newRule(&rules[i]); r.matches(kind, major, minor) && r.access&bit != 0 {
				allowed = r.allow
			}
		}
		allowAll = allowAll && allowed
	}
	return decided && allowAll
}

// interpret runs a filter as the kernel would. It fails on anything that the
// verifier would refuse: unknown opcodes, jumps out of the program, running
// off its end.
func interpret(code []insn, kind uint8, major, minor int64, asked access) (bool, error) {
	var r [11]uint64
	ctx := make([]byte, 12)
	binary.LittleEndian.PutUint32(ctx[0:], uint32(asked)<<16|uint32(kind))
	binary.LittleEndian.PutUint32(ctx[4:], uint32(major))
	binary.LittleEndian.PutUint32(ctx[8:], uint32(minor))
	for pc := 0; pc < len(code); pc++ {
		i := code[pc]
		dst, src := i.regs&15, i.regs>>4
		jump := false
		switch i.code {
		case opLoadW:
			r[dst] = uint64(binary.LittleEndian.Uint32(ctx[i.off:]))
		case opMov32:
			r[dst] = uint64(uint32(r[src]))
		case opMovImm:
			r[dst] = uint64(int64(i.imm))
		case opAnd:
			r[dst] = uint64(uint32(r[dst]) & uint32(i.imm))
		case opShr:
			r[dst] = uint64(uint32(r[dst]) >> uint32(i.imm))
		case opJump:
			jump = true
		case opJumpEq:
			jump = r[dst] == uint64(int64(i.imm))
		case opJumpNe:
			jump = r[dst] != uint64(int64(i.imm))
		case opJumpAn:
			jump = r[dst]&uint64(int64(i.imm)) != 0
		case opExit:
			return r[0] == 1, nil
		default:
			return false, fmt.Errorf("instruction %d: opcode %#x", pc, i.code)
		}
		if jump {
			if i.off < 0 {
				return false, fmt.Errorf("instruction %d jumps back", pc)
			}
			pc += int(i.off)
		}
	}
	return false, fmt.Errorf("ran off the end")
}

// unreachable returns an instruction that no path leads to; the verifier
// refuses programs with one. It returns -1 when there is none.
func unreachable(code []insn) int {
	seen := make([]bool, len(code)+1)
	seen[0] = true
	for pc, i := range code {
		if !seen[pc] {
			return pc
		}
		switch i.code {
		case opExit:
		case opJump:
			seen[pc+1+int(i.off)] = true
		case opJumpEq, opJumpNe, opJumpAn:
			seen[pc+1+int(i.off)], seen[pc+1] = true, true
		default:
			seen[pc+1] = true
		}
	}
	return -1
}

// disassemble prints a program the way the kernel's documentation writes it.
func disassemble(code []insn) string {
	var b strings.Builder
	for pc, i := range code {
		dst, src := i.regs&15, i.regs>>4
		fmt.Fprintf(&b, "%2d: ", pc)
		to := pc + 1 + int(i.off)
		switch i.code {
		case opLoadW:
			fmt.Fprintf(&b, "w%d = *(u32 *)(r%d + %d)", dst, src, i.off)
		case opMov32:
			fmt.Fprintf(&b, "w%d = w%d", dst, src)
		case opMovImm:
			fmt.Fprintf(&b, "r%d = %d", dst, i.imm)
		case opAnd:
			fmt.Fprintf(&b, "w%d &= %d", dst, i.imm)
		case opShr:
			fmt.Fprintf(&b, "w%d >>= %d", dst, i.imm)
		case opJump:
			fmt.Fprintf(&b, "goto %d", to)
		case opJumpEq:
			fmt.Fprintf(&b, "if r%d == %d goto %d", dst, i.imm, to)
		case opJumpNe:
			fmt.Fprintf(&b, "if r%d != %d goto %d", dst, i.imm, to)
		case opJumpAn:
			fmt.Fprintf(&b, "if r%d & %d goto %d", dst, i.imm, to)
		case opExit:
			b.WriteString("exit")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// parseRules reads "allow c 1:3 rwm" lines separated by ";".
func parseRules(text string) []specs.LinuxDeviceCgroup {
	var out []specs.LinuxDeviceCgroup
	for _, line := range strings.Split(text, ";") {
		f := strings.Fields(line)
		d := specs.LinuxDeviceCgroup{Allow: f[0] == "allow", Type: f[1], Access: f[3]}
		major, minor, _ := strings.Cut(f[2], ":")
		for _, x := range []struct {
			text string
			to   **int64
		}{{major, &d.Major}, {minor, &d.Minor}} {
			var n int64
			if x.text != "*" {
				fmt.Sscan(x.text, &n)
				*x.to = &n
			}
		}
		out = append(out, d)
	}
	return out
}

func compileRules(t testing.TB, rules []specs.LinuxDeviceCgroup) *filter {
	t.Helper()
	p, err := newPolicy(rules)
	if err != nil {
		t.Fatal(err)
	}
	f, err := compileFilter(p)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFilterListings(t *testing.T) {
	for _, x := range []struct {
		name  string
		rules []specs.LinuxDeviceCgroup
	}{
		{"default", DefaultDevices()},
		{"deny-all", parseRules("deny a *:* rwm")},
		{"fuse-read-only-disk", append(DefaultDevices(), parseRules("allow c 10:229 rwm; allow b 8:* r")...)},
		{"all-but-kmem", parseRules("allow a *:* rwm; deny c 1:2 rwm; deny c 1:1 w")},
		{"taken-back", parseRules("deny a *:* rwm; allow c *:* rwm; allow b *:* rwm; deny c 5:* w")},
		{"total", parseRules("allow c 1:1 r; deny c *:* rwm; deny b *:* rwm; allow c *:* rwm; allow b *:* rwm")},
	} {
		t.Run(x.name, func(t *testing.T) {
			golden(t, "filter-"+x.name, disassemble(compileRules(t, x.rules).code))
		})
	}
}

// randomRules draws from few numbers, so that rules overlap often.
func randomRules(r *rand.Rand) []specs.LinuxDeviceCgroup {
	number := func() *int64 {
		if n := int64(r.IntN(5)) - 1; n >= 0 {
			return &n
		} else if r.IntN(2) == 0 {
			return &n
		}
		return nil
	}
	out := make([]specs.LinuxDeviceCgroup, 1+r.IntN(9))
	for i := range out {
		letters := access(1 + r.IntN(7)).String()
		if r.IntN(2) == 0 {
			letters = "rwm"
		}
		out[i] = specs.LinuxDeviceCgroup{
			Allow: r.IntN(2) == 0, Type: []string{"a", "b", "c", ""}[r.IntN(4)],
			Major: number(), Minor: number(), Access: letters,
		}
	}
	return out
}

func everyAccess(f func(kind uint8, major, minor int64, asked access)) {
	for kind := uint8(1); kind <= 2; kind++ {
		for major := range int64(5) {
			for minor := range int64(5) {
				for asked := access(1); asked <= mayAll; asked++ {
					f(kind, major, minor, asked)
				}
			}
		}
	}
}

func TestFilterDecidesAsTheRulesSay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	rounds := 2000
	if testing.Short() {
		rounds = 300
	}
	for range rounds {
		rules := randomRules(r)
		f := compileRules(t, rules)
		if pc := unreachable(f.code); pc >= 0 {
			t.Fatalf("rules %v: instruction %d cannot be reached:\n%s", show(rules), pc, disassemble(f.code))
		}
		everyAccess(func(kind uint8, major, minor int64, asked access) {
			got, err := interpret(f.code, kind, major, minor, asked)
			if want := decide(rules, kind, major, minor, asked); err != nil || got != want {
				t.Fatalf("rules %v: %d %d:%d %s: got %v, %v, want %v\n%s", show(rules), kind, major, minor, asked, got, err, want, disassemble(f.code))
			}
		})
	}
}

// TestLegacyRulesDecideAsTheFilter replays the writes on a model of the
// kernel's v1 devices controller.
func TestLegacyRulesDecideAsTheFilter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	expressed := 0
	rounds := 1500
	if testing.Short() {
		rounds = 400
	}
	for range rounds {
		rules := randomRules(r)
		p, err := newPolicy(rules)
		if err != nil {
			t.Fatal(err)
		}
		writes, err := p.v1Writes()
		if err != nil {
			continue
		}
		expressed++
		everyAccess(func(kind uint8, major, minor int64, asked access) {
			// One access that two rules grant only together is refused on
			// v1: stricter, never looser.
			got, want := legacyVerdict(t, writes, kind, major, minor, asked), decide(rules, kind, major, minor, asked)
			if got && !want || got != want && (asked&(asked-1) == 0 || p.allow) {
				t.Fatalf("rules %v as %v: %d %d:%d %s: got %v, want %v", show(rules), writes, kind, major, minor, asked, got, want)
			}
		})
	}
	if expressed < 50 {
		t.Fatalf("only %d rule sets could be expressed", expressed)
	}
}

// legacyVerdict models devcgroup_legacy_check_permission: with a default of
// denying, one exception must cover all that is asked; with a default of
// allowing, none may touch any of it.
func legacyVerdict(t *testing.T, writes []v1Write, kind uint8, major, minor int64, asked access) bool {
	allow := writes[0].file == "devices.allow"
	for _, w := range writes[1:] {
		if (w.file == "devices.allow") == allow {
			t.Fatalf("exception %v says what holds anyway", w)
		}
		d := parseRules("allow " + w.value)
		r, err := newRule(&d[0])
		if err != nil {
			t.Fatal(err)
		}
		if !r.matches(kind, major, minor) {
			continue
		}
		if allow && r.access&asked != 0 {
			return false
		}
		if !allow && asked&^r.access == 0 {
			return true
		}
	}
	return allow
}

func show(rules []specs.LinuxDeviceCgroup) string {
	var b strings.Builder
	for i := range rules {
		r, _ := newRule(&rules[i])
		fmt.Fprintf(&b, "%v %s; ", rules[i].Allow, r.String())
	}
	return b.String()
}

func TestBadDeviceRules(t *testing.T) {
	big, low := int64(1)<<31, int64(-2)
	for name, d := range map[string]specs.LinuxDeviceCgroup{
		"type":      {Type: "p", Access: "r"},
		"access":    {Type: "c", Access: "rx"},
		"no access": {Type: "c"},
		"major":     {Type: "c", Major: &big, Access: "r"},
		"minor":     {Type: "c", Minor: &low, Access: "r"},
	} {
		if _, err := newPolicy([]specs.LinuxDeviceCgroup{d}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestEqualRulesShareAName(t *testing.T) {
	a := compileRules(t, DefaultDevices())
	b := compileRules(t, append(parseRules("allow c 9:9 rwm"), DefaultDevices()...))
	c := compileRules(t, append(DefaultDevices(), parseRules("allow c 9:9 rwm")...))
	if a.hash != b.hash || a.hash == c.hash || len(a.hash) != 24 {
		t.Fatalf("hashes %s %s %s", a.hash, b.hash, c.hash)
	}
}

func BenchmarkCompileFilter(b *testing.B) {
	for b.Loop() {
		p, _ := newPolicy(DefaultDevices())
		if _, err := compileFilter(p); err != nil {
			b.Fatal(err)
		}
	}
}
