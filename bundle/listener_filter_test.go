package bundle

import (
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func uintp(v uint) *uint { return &v }

// TestSeccompActions has the kernel do what each action says, to the mkdir of
// a container.
func TestSeccompActions(t *testing.T) {
	h := newHarness(t)
	tests := []struct {
		action specs.LinuxSeccompAction
		errno  *uint
		output string // of the command, or else its exit code
		code   string
	}{
		{specs.ActAllow, nil, "", "0"},
		{specs.ActLog, nil, "", "0"},
		{specs.ActErrno, nil, "Operation not permitted", "1"},
		{specs.ActErrno, uintp(uint(unix.ENOSPC)), "No space left", "1"},
		{specs.ActTrace, nil, "not impl", "1"}, // without a tracer
		{specs.ActTrap, nil, "", "159"},
		{specs.ActKill, nil, "", "159"},
		{specs.ActKillThread, nil, "", "159"},
		{specs.ActKillProcess, nil, "", "159"},
	}
	for _, x := range tests {
		s := shell("mkdir /tmp/x 2>/tmp/err; echo code $?; cat /tmp/err")
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}}
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow,
			Syscalls:      []specs.LinuxSyscall{{Names: []string{"mkdir", "mkdirat", "no_such_call"}, Action: x.action, ErrnoRet: x.errno}},
		}
		if x.action == specs.ActAllow {
			s.Linux.Seccomp.DefaultAction = specs.ActLog
		}
		out, _, err := h.run(s)
		if err != nil || !strings.Contains(out, "code "+x.code+"\n") || !strings.Contains(out, x.output) {
			t.Errorf("%s: %q, %v, want code %s and %q", x.action, out, err, x.code, x.output)
		}
	}
}

// TestSeccompOperators compares the mode argument of chmod on the kernel.
func TestSeccompOperators(t *testing.T) {
	h := newHarness(t)
	tests := []struct {
		op         specs.LinuxSeccompOperator
		value, two uint64
		refused    string // of the modes 0644 0645 0646
	}{
		{specs.OpEqualTo, 0o645, 0, "645"},
		{specs.OpNotEqual, 0o645, 0, "644 646"},
		{specs.OpLessThan, 0o645, 0, "644"},
		{specs.OpLessEqual, 0o645, 0, "644 645"},
		{specs.OpGreaterEqual, 0o645, 0, "645 646"},
		{specs.OpGreaterThan, 0o645, 0, "646"},
		{specs.OpMaskedEqual, 0o003, 0o001, "645"},
	}
	for _, x := range tests {
		s := shell("touch /tmp/f; for m in 644 645 646; do chmod $m /tmp/f 2>/dev/null || echo -n $m ''; done")
		rule := func(name string, index uint) specs.LinuxSyscall {
			return specs.LinuxSyscall{
				Names: []string{name}, Action: specs.ActErrno, ErrnoRet: uintp(uint(unix.EXDEV)),
				Args: []specs.LinuxSeccompArg{{Index: index, Op: x.op, Value: x.value, ValueTwo: x.two}},
			}
		}
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow,
			Syscalls:      []specs.LinuxSyscall{rule("chmod", 1), rule("fchmodat", 2), rule("fchmodat2", 2)},
		}
		if out, _, err := h.run(s); err != nil || strings.TrimSpace(out) != x.refused {
			t.Errorf("%s: refused %q, %v, want %q", x.op, out, err, x.refused)
		}
	}
}

// TestSeccompFlags starts containers with every flag that the kernel takes,
// and with a default that forbids.
func TestSeccompFlags(t *testing.T) {
	h := newHarness(t)
	for _, flags := range [][]specs.LinuxSeccompFlag{
		nil, {}, {specs.LinuxSeccompFlagLog}, {specs.LinuxSeccompFlagSpecAllow}, {"SECCOMP_FILTER_FLAG_TSYNC"},
		{specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow, "SECCOMP_FILTER_FLAG_TSYNC"},
	} {
		for _, notify := range []bool{false, true} {
			s := shell("grep Seccomp: /proc/self/status")
			if notify {
				s = newTestAgent(t, nil).notifying(s.Process.Args[2], "read", "execve")
				s.Linux.Seccomp.Flags = append(flags[:len(flags):len(flags)], specs.LinuxSeccompFlagWaitKillableRecv)
			} else {
				s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: flags}
			}
			if out, code, err := h.run(s); err != nil || code != 0 || !strings.Contains(out, "2") {
				t.Errorf("%q, notify %v: %q, %d, %v", flags, notify, out, code, err)
			}
		}
	}
}

// TestSeccompInvalid wants nothing to be made, and the field to be named.
func TestSeccompInvalid(t *testing.T) {
	h := newHarness(t)
	for want, change := range map[string]func(s *specs.LinuxSeccomp){
		"linux.seccomp: defaultAction":           func(s *specs.LinuxSeccomp) { s.DefaultAction = "x" },
		"linux.seccomp: architectures[0]":        func(s *specs.LinuxSeccomp) { s.Architectures = []specs.Arch{"x"} },
		"linux.seccomp: flags[0]":                func(s *specs.LinuxSeccomp) { s.Flags = []specs.LinuxSeccompFlag{"x"} },
		"linux.seccomp: syscalls[0].action":      func(s *specs.LinuxSeccomp) { s.Syscalls[0].Action = "x" },
		"linux.seccomp: syscalls[0].args[0].op":  func(s *specs.LinuxSeccomp) { s.Syscalls[0].Args = []specs.LinuxSeccompArg{{Op: "x"}} },
		"linux.seccomp: listenerPath":            func(s *specs.LinuxSeccomp) { s.Syscalls[0].Action = specs.ActNotify },
		"linux.seccomp: listenerMetadata":        func(s *specs.LinuxSeccomp) { s.ListenerMetadata = "x" },
		"linux.seccomp.listenerPath: connect to": func(s *specs.LinuxSeccomp) { s.Syscalls[0].Action, s.ListenerPath = specs.ActNotify, "/no/such/agent" },
	} {
		s := shell("true")
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"acct"}, Action: specs.ActTrap}}}
		change(s.Linux.Seccomp)
		if _, _, err := h.run(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := os.Stat(h.Dir); err == nil {
		h.empty()
	}
}
