package seccomp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// missing skips the test, or fails it where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// buildProbe compiles testdata/probe.c.
func buildProbe(t *testing.T) string {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the probe enters the kernel by x86's instructions")
	}
	if os.Geteuid() != 0 {
		missing(t, "needs root: the filter is set without no_new_privs, as in a container")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		missing(t, "needs gcc")
	}
	bin := filepath.Join(t.TempDir(), "probe")
	out, err := exec.Command("gcc", "-Wall", "-Werror", "-O1", "-static", "-o", bin, "testdata/probe.c").CombinedOutput()
	if err != nil {
		t.Fatalf("compile probe: %v\n%s", err, out)
	}
	return bin
}

// probe installs the program in a child and makes one call there. It returns
// "ok" for a result, "errno N", or "killed".
func probe(t *testing.T, bin string, p Program, entry string, nr uint64, args ...uint64) string {
	t.Helper()
	var filter bytes.Buffer
	if err := binary.Write(&filter, binary.NativeEndian, p.Filter); err != nil {
		t.Fatal(err)
	}
	argv := []string{fmt.Sprint(p.Flags), entry, fmt.Sprint(nr)}
	for _, a := range args {
		argv = append(argv, fmt.Sprint(a))
	}
	cmd := exec.Command(bin, argv...)
	cmd.Stdin = &filter
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("probe %v: %v\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

const (
	eperm, enosys = "errno 1", "errno 38"
	newuser       = 0x10000000
	afInet, afAlg = 2, 38
	afVsock       = 40
	sockStream    = 1
	sockSeqpacket = 5
)

// TestDefaultProfileOnTheKernel makes the calls that PITFALLS names, through
// every entry point that x86-64 has.
func TestDefaultProfileOnTheKernel(t *testing.T) {
	bin := buildProbe(t)
	p := mustCompileDefault(t, specWith("CAP_CHOWN", "CAP_SYS_CHROOT", "CAP_NET_RAW"))
	// What an allowed x32 call returns is the kernel's business: most have no x32.
	const x32 = x32Bit
	tests := []struct {
		name, entry string
		nr          uint64
		args        []uint64
		want        string
	}{
		{"getpid", "x86-64", 39, nil, "ok"},
		{"AF_INET", "x86-64", 41, []uint64{afInet, sockStream, 0}, "ok"},
		{"AF_ALG", "x86-64", 41, []uint64{afAlg, sockSeqpacket, 0}, eperm},
		{"AF_VSOCK", "x86-64", 41, []uint64{afVsock, sockStream, 0}, eperm},
		{"AF_ALG with an upper half", "x86-64", 41, []uint64{1<<32 | afAlg, sockSeqpacket, 0}, eperm},
		{"AF_VSOCK with an upper half", "x86-64", 41, []uint64{1<<63 | afVsock, sockStream, 0}, eperm},
		{"io_uring_setup", "x86-64", 425, []uint64{1, 0}, eperm},
		{"keyctl", "x86-64", 250, []uint64{0, 1<<64 - 3}, eperm},
		{"add_key", "x86-64", 248, nil, eperm},
		{"unshare", "x86-64", 272, []uint64{newuser}, eperm},
		{"clone of a user namespace", "x86-64", 56, []uint64{newuser | 17}, eperm},
		{"clone3", "x86-64", 435, nil, enosys},
		{"newer than the profile", "x86-64", 600, nil, enosys},
		{"skipped by a tracer", "x86-64", 0xffffffff, nil, enosys},

		{"AF_ALG", "x86-64", x32 + 41, []uint64{afAlg, sockSeqpacket, 0}, eperm},
		{"AF_ALG with an upper half", "x86-64", x32 + 41, []uint64{1<<32 | afAlg, sockSeqpacket, 0}, eperm},
		{"io_uring_setup", "x86-64", x32 + 425, []uint64{1, 0}, eperm},
		{"keyctl", "x86-64", x32 + 250, nil, eperm},
		{"unshare", "x86-64", x32 + 272, []uint64{newuser}, eperm},
		{"clone of a user namespace", "x86-64", x32 + 56, []uint64{newuser | 17}, eperm},

		{"getpid", "i386", 20, nil, "ok"},
		{"AF_INET by socket", "i386", 359, []uint64{afInet, sockStream, 0}, "ok"},
		{"AF_INET by socketcall", "socketcall", 1, []uint64{afInet, sockStream, 0}, "ok"},
		{"AF_ALG by socket", "i386", 359, []uint64{afAlg, sockSeqpacket, 0}, eperm},
		{"AF_ALG with an upper half", "i386", 359, []uint64{1<<32 | afAlg, sockSeqpacket, 0}, eperm},
		{"AF_VSOCK by socket", "i386", 359, []uint64{afVsock, sockStream, 0}, eperm},
		{"io_uring_setup", "i386", 425, []uint64{1, 0}, eperm},
		{"keyctl", "i386", 288, []uint64{0, 1<<64 - 3}, eperm},
		{"add_key", "i386", 286, nil, eperm},
		{"unshare", "i386", 310, []uint64{newuser}, eperm},
		{"clone of a user namespace", "i386", 120, []uint64{newuser | 17}, eperm},
		{"clone3", "i386", 435, nil, enosys},
		{"newer than the profile", "i386", 600, nil, enosys},
	}
	for _, tc := range tests {
		name := tc.entry + " " + tc.name
		if tc.nr&x32 != 0 && tc.nr < 1<<32-1 {
			name = "x32 " + tc.name
		}
		t.Run(name, func(t *testing.T) {
			if got := probe(t, bin, p, tc.entry, tc.nr, tc.args...); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestNoFilterOnTheKernel shows that the probe's calls are refused by the
// filter and not by the kernel.
func TestNoFilterOnTheKernel(t *testing.T) {
	bin := buildProbe(t)
	p, err := Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Architectures: []specs.Arch{specs.ArchX86, specs.ArchX32},
	}, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]any{{"x86-64", uint64(272)}, {"i386", uint64(310)}} {
		if got := probe(t, bin, p, c[0].(string), c[1].(uint64), newuser); got != "ok" {
			t.Errorf("%v unshare: %s", c[0], got)
		}
	}
	if got := probe(t, bin, p, "x86-64", 41, 1<<32|afInet, sockStream, 0); got != "ok" {
		t.Errorf("the kernel did not cut the family to 32 bits: %s", got)
	}
}

// TestUnlistedEntryPointsOnTheKernel uses a profile for x86-64 alone.
func TestUnlistedEntryPointsOnTheKernel(t *testing.T) {
	bin := buildProbe(t)
	p, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		entry string
		nr    uint64
		want  string
	}{
		{"x86-64", 39, "ok"}, {"x86-64", x32Bit + 39, "killed"}, {"i386", 20, "killed"},
	} {
		if got := probe(t, bin, p, tc.entry, tc.nr); got != tc.want {
			t.Errorf("%s call %#x: %s, want %s", tc.entry, tc.nr, got, tc.want)
		}
	}
}

// TestFlagsOnTheKernel loads a program with every flag the kernel knows.
func TestFlagsOnTheKernel(t *testing.T) {
	bin := buildProbe(t)
	for _, notify := range []bool{false, true} {
		s := &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, ListenerPath: "/agent",
			Flags: []specs.LinuxSeccompFlag{
				"SECCOMP_FILTER_FLAG_TSYNC", specs.LinuxSeccompFlagLog,
				specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagWaitKillableRecv,
			},
		}
		if notify {
			s.Syscalls = []specs.LinuxSyscall{{Names: []string{"acct"}, Action: specs.ActNotify}}
		}
		p, err := Compile(s, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		if got := probe(t, bin, p, "x86-64", 39); got != "ok" {
			t.Errorf("notify %v, flags %#x: %s", notify, p.Flags, got)
		}
	}
}
