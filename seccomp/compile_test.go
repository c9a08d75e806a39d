package seccomp

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

// TestGolden compiles testdata/*.json for both machines.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("profiles: %v, %v", files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, goarch := range []string{"amd64", "arm64"} {
			golden := strings.TrimSuffix(file, ".json") + "." + goarch + ".golden"
			t.Run(filepath.Base(golden), func(t *testing.T) {
				var s specs.LinuxSeccomp
				if err := json.Unmarshal(body, &s); err != nil {
					t.Fatal(err)
				}
				p, err := Compile(&s, goarch)
				if err != nil {
					t.Fatal(err)
				}
				got := listing(p)
				if *update {
					if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("got\n%swant\n%s", got, want)
				}
			})
		}
	}
}

func errno(n uint) *uint { return &n }

func TestValidateNamesTheField(t *testing.T) {
	rule := func(r specs.LinuxSyscall) specs.LinuxSeccomp {
		return specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActTrap}, r}}
	}
	tests := []struct {
		name string
		s    specs.LinuxSeccomp
		want string
	}{
		{"no default", specs.LinuxSeccomp{}, "defaultAction"},
		{"unknown default", specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_X"}, `unknown action "SCMP_ACT_X"`},
		{"notify by default", specs.LinuxSeccomp{DefaultAction: specs.ActNotify, ListenerPath: "/a"}, "defaultAction"},
		{"errno of allow", specs.LinuxSeccomp{DefaultAction: specs.ActAllow, DefaultErrnoRet: errno(1)}, "defaultErrnoRet"},
		{"errno too high", specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: errno(4096)}, "4096 is above 4095"},
		{"trace data too high", specs.LinuxSeccomp{DefaultAction: specs.ActTrace, DefaultErrnoRet: errno(65536)}, "above 65535"},
		{"arch", specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86, "VAX"}}, `architectures[1]: unknown architecture "VAX"`},
		{"flag", specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"FAST"}}, `flags[0]: unknown flag "FAST"`},
		{"metadata", specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerMetadata: "m"}, "listenerMetadata"},
		{"notify alone", rule(specs.LinuxSyscall{Names: []string{"acct"}, Action: specs.ActNotify}), "listenerPath"},
		{"action", rule(specs.LinuxSyscall{Names: []string{"acct"}, Action: "x"}), `syscalls[1].action, errnoRet: unknown action "x"`},
		{"errno of kill", rule(specs.LinuxSyscall{Names: []string{"acct"}, Action: specs.ActKill, ErrnoRet: errno(1)}), "syscalls[1].action, errnoRet"},
		{"empty name", rule(specs.LinuxSyscall{Names: []string{"acct", ""}, Action: specs.ActTrap}), "syscalls[1].names[1]"},
		{"index", rule(specs.LinuxSyscall{Names: []string{"acct"}, Action: specs.ActTrap, Args: []specs.LinuxSeccompArg{{Index: 6, Op: specs.OpEqualTo}}}), "syscalls[1].args[0].index"},
		{"operator", rule(specs.LinuxSyscall{Names: []string{"acct"}, Action: specs.ActTrap, Args: []specs.LinuxSeccompArg{{Op: "=="}}}), `syscalls[1].args[0].op: unknown operator "=="`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Compile(&tc.s, "amd64")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want …%s…", err, tc.want)
			}
		})
	}
	if err := Validate(nil); err != nil {
		t.Error(err)
	}
}

func TestFlags(t *testing.T) {
	const tsync, wait = specs.LinuxSeccompFlag("SECCOMP_FILTER_FLAG_TSYNC"), specs.LinuxSeccompFlagWaitKillableRecv
	tests := []struct {
		name   string
		flags  []specs.LinuxSeccompFlag
		notify bool
		want   uint
	}{
		{"nil", nil, false, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{"none", []specs.LinuxSeccompFlag{}, false, 0},
		{"log", []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog}, false, unix.SECCOMP_FILTER_FLAG_LOG},
		{"tsync", []specs.LinuxSeccompFlag{tsync}, false, unix.SECCOMP_FILTER_FLAG_TSYNC},
		{"wait without notify", []specs.LinuxSeccompFlag{wait}, false, 0},
		{"tsync and notify", []specs.LinuxSeccompFlag{tsync, wait}, true, unix.SECCOMP_FILTER_FLAG_TSYNC |
			unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
	}
	for _, tc := range tests {
		s := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: tc.flags, ListenerPath: "/a"}
		if tc.notify {
			s.Syscalls = []specs.LinuxSyscall{{Names: []string{"acct"}, Action: specs.ActNotify}}
		}
		p, err := Compile(s, "arm64")
		if err != nil || p.Flags != tc.want {
			t.Errorf("%s: %#x, %v, want %#x", tc.name, p.Flags, err, tc.want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	if _, err := Compile(s, "riscv64"); !errors.Is(err, ErrArch) {
		t.Errorf("riscv64: %v", err)
	}
	if p, err := Compile(nil, "amd64"); err != nil || len(p.Filter) != 0 {
		t.Errorf("nil: %v, %v", p, err)
	}
	for i := range 1200 {
		s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{
			Names: []string{"ioctl"}, Action: specs.ActTrap,
			Args: []specs.LinuxSeccompArg{{Index: 2, Op: specs.OpEqualTo, Value: uint64(i)}},
		})
	}
	if _, err := Compile(s, "amd64"); !errors.Is(err, ErrTooLong) {
		t.Errorf("1200 conditions: %v", err)
	}
	s.Syscalls = s.Syscalls[:600]
	if _, err := Compile(s, "amd64"); err != nil {
		t.Errorf("600 conditions: %v", err)
	}
}

// TestDefaultProfileShape makes sure that calls allowed without conditions are
// decided without loading an argument: the kernel's bitmap needs that.
func TestDefaultProfileShape(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the default profile is resolved for the running machine")
	}
	p := mustCompileDefault(t, nil)
	if len(p.Filter) > 400 {
		t.Errorf("%d instructions", len(p.Filter))
	}
	// read, exit_group, openat; short of arguments, a load of one fails.
	short := make([]byte, 16)
	binary.BigEndian.PutUint32(short[4:], unix.AUDIT_ARCH_X86_64)
	vm := machineCode(t, p)
	for _, nr := range []uint32{0, 231, 257} {
		binary.BigEndian.PutUint32(short, nr)
		if ret, err := vm.Run(short); err != nil || uint32(ret) != unix.SECCOMP_RET_ALLOW {
			t.Errorf("call %d: %#x, %v", nr, ret, err)
		}
	}
}

// TestTable checks the generated table's order and its numbers against the
// headers that this machine has.
func TestTable(t *testing.T) {
	for i, row := range syscallTable {
		if i > 0 && syscallTable[i-1].name >= row.name {
			t.Errorf("%q is out of order", row.name)
		}
		if lookup(row.name) != &syscallTable[i] {
			t.Errorf("%q is not found", row.name)
		}
		for a, nr := range row.numbers {
			low := nr
			if abi(a) == abiX32 && nr >= 0 {
				low -= x32Bit
			}
			if abi(a) == abiARM && nr >= armPrivate {
				low -= armPrivate
			}
			if low < -1 || low >= tableSize || (nr >= armPrivate && abi(a) == abiARM && low >= 8) {
				t.Errorf("%s: number %#x of ABI %d", row.name, nr, a)
			}
		}
	}
	for _, name := range []string{"", "a", "zzz", "read ", "READ"} {
		if lookup(name) != nil {
			t.Errorf("%q is found", name)
		}
	}
}

func TestTableAgainstHeaders(t *testing.T) {
	dir := "/usr/include/x86_64-linux-gnu/asm/"
	for file, a := range map[string]abi{"unistd_64.h": abiX86_64, "unistd_x32.h": abiX32, "unistd_32.h": abiI386} {
		data, err := os.ReadFile(dir + file)
		if err != nil {
			missing(t, "needs linux-libc-dev: "+err.Error())
		}
		found := regexp.MustCompile(`(?m)^#define __NR_(\w+) (\(__X32_SYSCALL_BIT \+ )?(\d+)`).FindAllStringSubmatch(string(data), -1)
		if len(found) < 300 {
			t.Errorf("%s: %d calls", file, len(found))
		}
		for _, m := range found {
			nr, err := strconv.Atoi(m[3])
			if err != nil {
				t.Fatal(err)
			}
			if m[2] != "" {
				nr |= x32Bit
			}
			if row := lookup(m[1]); row == nil || int(row.numbers[a]) != nr {
				t.Errorf("%s: %s is %#x, the table has %v", file, m[1], nr, row)
			}
		}
	}
}

func TestDefaultAndLoadTakeAnySpec(t *testing.T) {
	for _, spec := range []*specs.Spec{nil, {}, {Process: &specs.Process{}}, specWith()} {
		s, err := Default(spec)
		if err != nil || s.DefaultAction != specs.ActErrno {
			t.Errorf("%+v: %v, %v", spec, s, err)
		}
	}
	with, err := Default(specWith("CAP_SYS_ADMIN"))
	if err != nil {
		t.Fatal(err)
	}
	allowed := func(r specs.LinuxSyscall) bool {
		return r.Action == specs.ActAllow && len(r.Args) == 0 && slices.Contains(r.Names, "unshare")
	}
	without, err := Default(specWith())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(with.Syscalls, allowed) || slices.ContainsFunc(without.Syscalls, allowed) {
		t.Error("CAP_SYS_ADMIN does not decide on unshare")
	}
}

func FuzzCompile(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, uint32(41), uint64(38))
	}
	f.Fuzz(func(t *testing.T, body []byte, nr uint32, arg uint64) {
		var s specs.LinuxSeccomp
		if json.Unmarshal(body, &s) != nil {
			return
		}
		for goarch, arch := range map[string]uint32{"amd64": unix.AUDIT_ARCH_I386, "arm64": unix.AUDIT_ARCH_ARM} {
			p, err := Compile(&s, goarch)
			if err != nil {
				return
			}
			c := call{arch: arch, nr: nr, args: [6]uint64{arg, arg, arg, arg, arg, arg}}
			if got, want := run(t, machineCode(t, p), c), (naive{&s, goarch}).decide(c); got != want {
				t.Errorf("%+v: %#x, want %#x", c, got, want)
			}
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","archMap":[{"architecture":"SCMP_ARCH_X86_64"}],"syscalls":[{"name":"x","includes":{"caps":["CAP_BPF"],"minKernel":"4.8"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := Load(body, nil)
		if err == nil {
			_, _ = Compile(s, "amd64") // must not panic
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	s, err := Default(nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Compile(s, "amd64"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCacheHit(b *testing.B) {
	c := Cache{Dir: b.TempDir()}
	for b.Loop() {
		if _, err := c.Default(nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCacheOfSpecHit(b *testing.B) {
	c := Cache{Dir: b.TempDir()}
	s, err := Default(nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Compile(s); err != nil {
			b.Fatal(err)
		}
	}
}
