package cgroup

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
)

// insn is one BPF instruction, laid out as the kernel's struct bpf_insn.
type insn struct {
	code byte
	regs byte // destination in the low, source in the high four bits
	off  int16
	imm  int32
}

// The few opcodes that the filter uses (Documentation/bpf/standardization).
const (
	opLoadW  = 0x61 // dst = *(u32 *)(src + off)
	opMov32  = 0xbc // dst = src, 32 bits
	opMovImm = 0xb7 // dst = imm
	opAnd    = 0x54 // dst &= imm, 32 bits
	opShr    = 0x74 // dst >>= imm, 32 bits
	opJump   = 0x05 // goto off
	opJumpEq = 0x15 // if dst == imm goto off
	opJumpNe = 0x55 // if dst != imm goto off
	opJumpAn = 0x45 // if dst & imm goto off
	opExit   = 0x95
)

// Registers of the filter. r1 points at struct bpf_cgroup_dev_ctx.
const (
	regReturn = 0
	regCtx    = 1
	regAccess = 2 // access bits that no rule has decided yet
	regKind   = 3
	regMajor  = 4
	regMinor  = 5
)

// label is the target of a jump that is not known yet.
type label int

const (
	labelAllow label = iota
	labelDeny
)

// assembler writes the program of a filter.
type assembler struct {
	code []insn
	// jumps maps instructions to their labels, at those to where they are.
	jumps map[int]label
	at    []int
}

// filter is a compiled device policy.
type filter struct {
	code []insn
	// hash names the group that the filter is shared in.
	hash  string
	rules int
}

// compileFilter turns a policy into a program for BPF_PROG_TYPE_CGROUP_DEVICE,
// which returns 1 to allow. An access may ask for several things at once
// (open for reading and writing); the program walks the rules, ends with a
// denial as soon as a deny rule matches anything not yet allowed, and ends
// with an approval once all is.
//
// Neighbouring rules that say the same commute, so they are merged and grouped
// by type and major: the verifier's and the filter's time grow with the number
// of instructions.
func compileFilter(p *policy) (*filter, error) {
	a := &assembler{jumps: map[int]label{}, at: []int{-1, -1}}
	a.emit(opLoadW, regKind, regCtx, 0, 0)
	a.emit(opMov32, regAccess, regKind, 0, 0)
	a.emit(opAnd, regKind, 0, 0, 0xffff)
	a.emit(opShr, regAccess, 0, 0, 16)
	a.emit(opLoadW, regMajor, regCtx, 4, 0)
	a.emit(opLoadW, regMinor, regCtx, 8, 0)
	allow := p.allow
	for rest := p.rules; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].allow == rest[0].allow {
			n++
		}
		merged := mergeRules(rest[:n])
		if total(merged) {
			// What follows could not be reached, and the verifier refuses
			// such code.
			allow = merged[0].allow
			break
		}
		a.run(merged)
		rest = rest[n:]
	}
	first, second := labelDeny, labelAllow
	if allow {
		first, second = second, first
	}
	for _, l := range []label{first, second} {
		a.place(l)
		value := int32(0)
		if l == labelAllow {
			value = 1
		}
		a.emit(opMovImm, regReturn, 0, 0, value)
		a.emit(opExit, 0, 0, 0, 0)
		if !a.used(second) {
			break
		}
	}
	if err := a.resolve(); err != nil {
		return nil, err
	}
	return &filter{code: a.code, hash: hashProgram(a.code), rules: len(p.rules)}, nil
}

// mergeRules drops what other rules of the same run cover, joins rules for the
// same devices, and sorts by type, major and minor.
func mergeRules(run []rule) []rule {
	out := make([]rule, 0, len(run))
	for _, r := range run {
		if i := slices.IndexFunc(out, func(o rule) bool {
			return o.kind == r.kind && o.major == r.major && o.minor == r.minor
		}); i >= 0 {
			out[i].access |= r.access
		} else {
			out = append(out, r)
		}
	}
	out = joinTypes(out)
	out = slices.DeleteFunc(slices.Clone(out), func(r rule) bool {
		return slices.ContainsFunc(out, func(o rule) bool {
			return o != r && o.covers(&r) && o.access&r.access == r.access
		})
	})
	slices.SortFunc(out, func(x, y rule) int {
		return cmp.Or(cmp.Compare(-int(x.kind), -int(y.kind)), cmp.Compare(x.major, y.major), cmp.Compare(x.minor, y.minor))
	})
	return out
}

// total tells that merged rules decide everything.
func total(merged []rule) bool {
	r := merged[0]
	return r.kind == anyType && r.major == anyNumber && r.minor == anyNumber && r.access == mayAll
}

// joinTypes replaces a rule for block and an equal one for character devices
// by one for both.
func joinTypes(list []rule) []rule {
	out := list[:0]
	for _, r := range list {
		twin := slices.IndexFunc(out, func(o rule) bool {
			return o.kind+r.kind == blockType+charType && o.kind != anyType && r.kind != anyType &&
				o.major == r.major && o.minor == r.minor && o.access == r.access
		})
		if twin >= 0 {
			out[twin].kind = anyType
			continue
		}
		out = append(out, r)
	}
	return out
}

// run emits merged rules, which all allow or all deny: one test for each type,
// one for each major, one for each minor.
func (a *assembler) run(rules []rule) {
	groupBy(rules, func(r rule) int64 { return int64(r.kind) }, func(kind int64, same []rule) {
		skipKind := a.skipUnless(kind != anyType, regKind, kind)
		groupBy(same, func(r rule) int64 { return r.major }, func(major int64, same []rule) {
			skipMajor := a.skipUnless(major != anyNumber, regMajor, major)
			for _, r := range same {
				a.minor(r)
			}
			a.place(skipMajor)
		})
		a.place(skipKind)
	})
}

// groupBy calls f for every stretch of rules with the same key.
func groupBy(rules []rule, key func(rule) int64, f func(int64, []rule)) {
	for len(rules) > 0 {
		n := 1
		for n < len(rules) && key(rules[n]) == key(rules[0]) {
			n++
		}
		f(key(rules[0]), rules[:n])
		rules = rules[n:]
	}
}

// minor emits the last test of one rule, and its verdict.
func (a *assembler) minor(r rule) {
	verdict := labelDeny
	if r.allow {
		verdict = labelAllow
	}
	if r.access == mayAll {
		if r.minor == anyNumber {
			a.jump(opJump, 0, 0, verdict)
		} else {
			a.jump(opJumpEq, regMinor, r.minor, verdict)
		}
		return
	}
	skip := a.skipUnless(r.minor != anyNumber, regMinor, r.minor)
	if r.allow {
		a.emit(opAnd, regAccess, 0, 0, int32(mayAll&^r.access))
		a.jump(opJumpEq, regAccess, 0, labelAllow)
	} else {
		a.jump(opJumpAn, regAccess, int64(r.access), labelDeny)
	}
	a.place(skip)
}

// skipUnless emits a jump over what follows, up to where the returned label is
// placed, unless the register holds the value.
func (a *assembler) skipUnless(needed bool, reg byte, value int64) label {
	a.at = append(a.at, -1)
	l := label(len(a.at) - 1)
	if needed {
		a.jump(opJumpNe, reg, value, l)
	}
	return l
}

func (a *assembler) emit(code, dst, src byte, off int16, imm int32) {
	a.code = append(a.code, insn{code, dst | src<<4, off, imm})
}

func (a *assembler) jump(code, reg byte, value int64, to label) {
	a.jumps[len(a.code)] = to
	a.emit(code, reg, 0, 0, int32(value))
}

// place puts a label at the next instruction.
func (a *assembler) place(l label) { a.at[l] = len(a.code) }

// used tells whether any jump goes to a label.
func (a *assembler) used(l label) bool {
	for _, to := range a.jumps {
		if to == l {
			return true
		}
	}
	return false
}

// resolve fills in the jumps' offsets.
func (a *assembler) resolve() error {
	for i, to := range a.jumps {
		off := a.at[to] - i - 1
		if off > math.MaxInt16 {
			return fmt.Errorf("compile device filter of %d instructions: a jump spans %d: %w", len(a.code), off, ErrDevices)
		}
		a.code[i].off = int16(off)
	}
	return nil
}

// programBytes is the program as the kernel reads it.
func programBytes(code []insn) []byte {
	out := make([]byte, 0, 8*len(code))
	for _, i := range code {
		out = append(out, i.code, i.regs)
		out = binary.NativeEndian.AppendUint16(out, uint16(i.off))
		out = binary.NativeEndian.AppendUint32(out, uint32(i.imm))
	}
	return out
}

// hashProgram names a program. Equal names must mean equal programs, whoever
// chose the rules, so it is cryptographic.
func hashProgram(code []insn) string {
	sum := sha256.Sum256(programBytes(code))
	return hex.EncodeToString(sum[:12])
}
