package seccomp

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestFeatures wants what is announced to be accepted, each in a profile.
func TestFeatures(t *testing.T) {
	f := Features()
	for name, list := range map[string][]string{
		"actions": f.Actions, "operators": f.Operators, "archs": f.Archs, "knownFlags": f.KnownFlags, "supportedFlags": f.SupportedFlags,
	} {
		if len(list) == 0 || !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("%s: %q, want a sorted list without duplicates", name, list)
		}
	}
	check := func(what string, change func(s *specs.LinuxSeccomp)) {
		t.Helper()
		s := &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, ListenerPath: "/agent",
			Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActErrno}},
		}
		change(s)
		if _, err := Compile(s, "amd64"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, a := range f.Actions {
		check(a, func(s *specs.LinuxSeccomp) { s.Syscalls[0].Action = specs.LinuxSeccompAction(a) })
		if a != string(specs.ActNotify) {
			check("default "+a, func(s *specs.LinuxSeccomp) { s.DefaultAction = specs.LinuxSeccompAction(a) })
		}
	}
	for _, op := range f.Operators {
		check(op, func(s *specs.LinuxSeccomp) {
			s.Syscalls[0].Args = []specs.LinuxSeccompArg{{Op: specs.LinuxSeccompOperator(op), Value: 1}}
		})
	}
	for _, a := range f.Archs {
		check(a, func(s *specs.LinuxSeccomp) { s.Architectures = []specs.Arch{specs.Arch(a)} })
	}
	for _, flag := range f.KnownFlags {
		check(flag, func(s *specs.LinuxSeccomp) { s.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlag(flag)} })
	}
	// Known since 4.17 at the latest, and berth wants 5.15.
	for _, flag := range []specs.LinuxSeccompFlag{flagTSync, specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow} {
		if !slices.Contains(f.SupportedFlags, string(flag)) {
			t.Errorf("%s is not supported by this kernel", flag)
		}
	}
	if kernelTakes("SECCOMP_FILTER_FLAG_X") {
		t.Error("an unknown flag is supported")
	}
}
