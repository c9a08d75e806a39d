package seccomp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// call is struct seccomp_data without the instruction pointer.
type call struct {
	arch uint32
	nr   uint32
	args [6]uint64
}

// machineCode returns a virtual machine for the program.
func machineCode(t testing.TB, p Program) *bpf.VM {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(p.Filter))
	for i, f := range p.Filter {
		raw[i] = bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	insns, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatalf("program has instructions that x/net/bpf does not know:\n%s", listing(p))
	}
	if _, err := bpf.Assemble(insns); err != nil {
		t.Fatalf("assemble: %v", err)
	}
	vm, err := bpf.NewVM(insns)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return vm
}

// run returns the program's verdict. The VM loads in network order, so every
// 32-bit word is stored that way, at the offset the kernel has it.
func run(t testing.TB, vm *bpf.VM, c call) uint32 {
	t.Helper()
	var data [64]byte
	binary.BigEndian.PutUint32(data[0:], c.nr)
	binary.BigEndian.PutUint32(data[4:], c.arch)
	for i, a := range c.args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
	}
	ret, err := vm.Run(data[:])
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return uint32(ret)
}

func listing(p Program) string {
	var b strings.Builder
	for i, f := range p.Filter {
		in := bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}.Disassemble()
		fmt.Fprintf(&b, "%3d: %v\n", i, in)
	}
	return b.String()
}

// naive decides a call by reading the profile for every call, without tables,
// segments or code: the meaning that Compile must keep.
type naive struct {
	s      *specs.LinuxSeccomp
	goarch string
}

func naiveVerdict(a specs.LinuxSeccompAction, e *uint) uint32 {
	base := map[specs.LinuxSeccompAction]uint32{
		specs.ActKill: 0, specs.ActKillThread: 0, specs.ActKillProcess: 0x80000000,
		specs.ActTrap: 0x30000, specs.ActErrno: 0x50000, specs.ActTrace: 0x7ff00000,
		specs.ActAllow: 0x7fff0000, specs.ActLog: 0x7ffc0000, specs.ActNotify: 0x7fc00000,
	}[a]
	if a == specs.ActErrno || a == specs.ActTrace {
		if e == nil {
			return base | 1
		}
		return base | uint32(*e)
	}
	return base
}

func (n naive) abi(c call) (abi, bool) {
	has := func(a specs.Arch) bool { return slices.Contains(n.s.Architectures, a) }
	switch {
	case n.goarch == "amd64" && c.arch == unix.AUDIT_ARCH_X86_64:
		if c.nr >= 0x40000000 && (has(specs.ArchX32) || c.nr != 0xffffffff) {
			return abiX32, has(specs.ArchX32)
		}
		return abiX86_64, true
	case n.goarch == "amd64" && c.arch == unix.AUDIT_ARCH_I386:
		return abiI386, has(specs.ArchX86)
	case n.goarch == "arm64" && c.arch == unix.AUDIT_ARCH_AARCH64:
		return abiARM64, true
	case n.goarch == "arm64" && c.arch == unix.AUDIT_ARCH_ARM:
		return abiARM, has(specs.ArchARM)
	}
	return 0, false
}

func naiveMatch(a specs.LinuxSeccompArg, name string, ab abi, v uint64) bool {
	want := a.Value
	if ab.narrow() || intArguments(name)&(1<<a.Index) != 0 {
		v &= 0xffffffff
		if a.Op != specs.OpMaskedEqual && want>>31 == 0x1ffffffff {
			want &= 0xffffffff
		}
	}
	switch a.Op {
	case specs.OpNotEqual:
		return v != want
	case specs.OpLessThan:
		return v < want
	case specs.OpLessEqual:
		return v <= want
	case specs.OpEqualTo:
		return v == want
	case specs.OpGreaterEqual:
		return v >= want
	case specs.OpGreaterThan:
		return v > want
	default:
		return v&want == a.ValueTwo&want
	}
}

func (n naive) matches(r specs.LinuxSyscall, name string, ab abi, args [6]uint64) bool {
	count := map[uint]int{}
	for _, a := range r.Args {
		count[a.Index]++
	}
	anyOf := false
	for _, k := range count {
		anyOf = anyOf || k > 1
	}
	for _, a := range r.Args {
		if naiveMatch(a, name, ab, args[a.Index]) == anyOf {
			return anyOf
		}
	}
	return !anyOf
}

// muxMatches says whether i386's socketcall or ipc, called with a selector,
// falls under a rule for one of its calls.
func (n naive) muxMatches(r specs.LinuxSyscall, name, entry string, args [6]uint64) bool {
	mux, selector := muxed(name)
	if mux != entry {
		return false
	}
	have := args[0] & 0xffffffff
	if mux == "ipc" {
		have &= 0xffff
	}
	rank := func(v uint32) int64 { return int64(int32(v & 0xffff0000)) }
	ret := naiveVerdict(r.Action, r.ErrnoRet)
	def := naiveVerdict(n.s.DefaultAction, n.s.DefaultErrnoRet)
	return have == selector && (len(r.Args) == 0 || rank(ret) <= rank(def))
}

func (n naive) decide(c call) uint32 {
	ab, ok := n.abi(c)
	if !ok {
		return 0
	}
	def := naiveVerdict(n.s.DefaultAction, n.s.DefaultErrnoRet)
	highest := int64(-1)
	var fixed, matched *uint32
	for _, r := range n.s.Syscalls {
		ret := naiveVerdict(r.Action, r.ErrnoRet)
		for _, name := range r.Names {
			row := lookup(name)
			if row != nil && row.numbers[ab] >= 0 {
				nr := row.numbers[ab]
				if ab != abiARM || nr < 0xf0000 {
					highest = max(highest, int64(nr))
				}
				if uint32(nr) == c.nr && ret != def {
					if len(r.Args) == 0 && fixed == nil {
						fixed = &ret
					} else if matched == nil && n.matches(r, name, ab, c.args) {
						matched = &ret
					}
				}
			}
			for _, entry := range []string{"socketcall", "ipc"} {
				if ab == abiI386 && ret != def && c.nr == uint32(lookup(entry).numbers[ab]) &&
					matched == nil && n.muxMatches(r, name, entry, c.args) {
					matched = &ret
				}
			}
		}
	}
	switch {
	case fixed != nil:
		return *fixed
	case matched != nil:
		return *matched
	}
	lenient := map[specs.LinuxSeccompAction]bool{specs.ActAllow: true, specs.ActLog: true, specs.ActTrace: true}
	if highest >= 0 && int64(c.nr) > highest && !lenient[n.s.DefaultAction] {
		return 0x50000 | 38
	}
	return def
}

var (
	someNames = []string{
		"read", "write", "socket", "socketcall", "ipc", "semop", "shmat", "clone", "clone3",
		"ioctl", "personality", "keyctl", "openat", "mmap", "mmap2", "set_tls", "cacheflush",
		"listns", "bind", "accept4", "no_such_call", "exit", "recv", "prctl", "futex_time64",
	}
	someActions = []specs.LinuxSeccompAction{
		specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActTrap, specs.ActErrno,
		specs.ActTrace, specs.ActAllow, specs.ActLog, specs.ActNotify,
	}
	someOps = []specs.LinuxSeccompOperator{
		specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo,
		specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual,
	}
	someValues = []uint64{
		0, 1, 2, 38, 39, 40, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 32, 1<<32 | 38,
		1<<63 | 1, 1<<64 - 1, 0xffffffff00000000, 0xffffffff80000000, 0x10001,
	}
)

func pick[T any](r *rand.Rand, s []T) T { return s[r.IntN(len(s))] }

func randomValue(r *rand.Rand) uint64 {
	if r.IntN(4) == 0 {
		return r.Uint64()
	}
	return pick(r, someValues)
}

func randomAction(r *rand.Rand) (specs.LinuxSeccompAction, *uint) {
	a := pick(r, someActions)
	if (a == specs.ActErrno || a == specs.ActTrace) && r.IntN(2) == 0 {
		e := uint(pick(r, []int{0, 1, 38, 4095}))
		return a, &e
	}
	return a, nil
}

func randomProfile(r *rand.Rand) *specs.LinuxSeccomp {
	s := &specs.LinuxSeccomp{ListenerPath: "/agent"}
	for s.DefaultAction == "" || s.DefaultAction == specs.ActNotify {
		s.DefaultAction, s.DefaultErrnoRet = randomAction(r)
	}
	for _, a := range []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64, specs.ArchMIPS} {
		if r.IntN(2) == 0 {
			s.Architectures = append(s.Architectures, a)
		}
	}
	rules := r.IntN(12)
	if r.IntN(8) == 0 {
		rules = 60 + r.IntN(200) // long enough for long jumps
	}
	for range rules {
		var rule specs.LinuxSyscall
		rule.Action, rule.ErrnoRet = randomAction(r)
		for range 1 + r.IntN(4) {
			if r.IntN(3) == 0 {
				rule.Names = append(rule.Names, syscallTable[r.IntN(len(syscallTable))].name)
			} else {
				rule.Names = append(rule.Names, pick(r, someNames))
			}
		}
		for range max(0, r.IntN(6)-2) {
			rule.Args = append(rule.Args, specs.LinuxSeccompArg{
				Index: uint(r.IntN(6)), Op: pick(r, someOps), Value: randomValue(r), ValueTwo: randomValue(r),
			})
		}
		s.Syscalls = append(s.Syscalls, rule)
	}
	return s
}

func randomCall(r *rand.Rand, s *specs.LinuxSeccomp) call {
	c := call{arch: pick(r, []uint32{
		unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_I386,
		unix.AUDIT_ARCH_AARCH64, unix.AUDIT_ARCH_ARM, 0,
	})}
	name := pick(r, someNames)
	if len(s.Syscalls) > 0 && r.IntN(3) > 0 {
		name = pick(r, pick(r, s.Syscalls).Names)
	}
	c.nr = uint32(pick(r, []int{r.IntN(700), 0xffffffff, 0x40000000 + r.IntN(700), 0xf0000 + r.IntN(10), int(r.Uint32())}))
	if row := lookup(name); row != nil && r.IntN(8) > 0 {
		c.nr = uint32(row.numbers[r.IntN(int(abiCount))])
	}
	for i := range c.args {
		c.args[i] = randomValue(r)
		if len(s.Syscalls) > 0 && r.IntN(2) == 0 {
			for _, a := range pick(r, s.Syscalls).Args {
				if int(a.Index) == i {
					c.args[i] = a.Value + uint64(r.IntN(3)) - 1
				}
			}
		}
	}
	return c
}

// TestSameAsNaive compares compiled random profiles with the naive reading.
func TestSameAsNaive(t *testing.T) {
	profiles := 3000
	if testing.Short() {
		profiles = 300
	}
	verdicts := map[uint32]int{}
	for seed := range profiles {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		s := randomProfile(r)
		for _, goarch := range []string{"amd64", "arm64"} {
			p, err := Compile(s, goarch)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			vm, want := machineCode(t, p), naive{s, goarch}
			for range 200 {
				c := randomCall(r, s)
				got, want := run(t, vm, c), want.decide(c)
				verdicts[want&unix.SECCOMP_RET_ACTION_FULL]++
				if got != want {
					t.Fatalf("seed %d, %s, %+v: got %#x, want %#x\nprofile %+v\n%s", seed, goarch, c, got, want, s, listing(p))
				}
			}
		}
	}
	for _, a := range someActions {
		if verdicts[naiveVerdict(a, nil)&unix.SECCOMP_RET_ACTION_FULL] < 100 {
			t.Errorf("%s was hardly tested: %v", a, verdicts)
		}
	}
}

// TestJumpsOfEveryLength grows a profile by one or two instructions at a time,
// past the 255 that a conditional jump can skip.
func TestJumpsOfEveryLength(t *testing.T) {
	for wide := range 3 {
		for narrow := range 130 {
			s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
				{Names: []string{"read", "listns", "ptrace"}, Action: specs.ActAllow},
				{Names: []string{"write", "openat"}, Action: specs.ActTrap},
			}}
			for i := range wide + narrow {
				index := uint(1) // ioctl's command is 32 bits, its argument is not
				if i < wide {
					index = 2
				}
				s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{
					Names: []string{"ioctl"}, Action: specs.ActLog,
					Args: []specs.LinuxSeccompArg{{Index: index, Op: specs.OpEqualTo, Value: uint64(i) + 1}},
				})
			}
			p, err := Compile(s, "amd64")
			if err != nil {
				t.Fatal(err)
			}
			vm, want := machineCode(t, p), naive{s, "amd64"}
			for _, nr := range []uint32{0, 1, 2, 15, 16, 17, 101, 257, 470, 471, x32Bit, 1<<32 - 1} {
				for _, v := range []uint64{0, 1, uint64(wide + narrow), 500} {
					c := call{arch: unix.AUDIT_ARCH_X86_64, nr: nr, args: [6]uint64{v, v, v}}
					if got, want := run(t, vm, c), want.decide(c); got != want {
						t.Fatalf("%d wide, %d narrow, %+v: got %#x, want %#x\n%s", wide, narrow, c, got, want, listing(p))
					}
				}
			}
		}
	}
}
