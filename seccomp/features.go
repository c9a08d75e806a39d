package seccomp

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"golang.org/x/sys/unix"
)

// actions, operators, archs and knownFlags list what a profile may have;
// Validate refuses everything else.
func actions() []specs.LinuxSeccompAction {
	return []specs.LinuxSeccompAction{
		specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActTrap, specs.ActErrno,
		specs.ActTrace, specs.ActAllow, specs.ActLog, specs.ActNotify,
	}
}

func operators() []specs.LinuxSeccompOperator {
	return []specs.LinuxSeccompOperator{
		specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo,
		specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual,
	}
}

func archs() []specs.Arch {
	return []specs.Arch{
		specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64,
		specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32,
		specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
		specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE,
		specs.ArchS390, specs.ArchS390X, specs.ArchPARISC, specs.ArchPARISC64,
		specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB,
	}
}

// flagTSync has no name in the specification's Go package.
const flagTSync specs.LinuxSeccompFlag = "SECCOMP_FILTER_FLAG_TSYNC"

func knownFlags() []specs.LinuxSeccompFlag {
	return []specs.LinuxSeccompFlag{
		flagTSync, specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagWaitKillableRecv,
	}
}

// Features answers for linux.seccomp in what the features command prints
// (runtime-spec, features-linux.md, "Seccomp"). The supported flags are those
// that the running kernel takes too.
func Features() *features.Seccomp {
	enabled := true
	supported := slices.DeleteFunc(knownFlags(), func(f specs.LinuxSeccompFlag) bool { return !kernelTakes(f) })
	return &features.Seccomp{
		Enabled:        &enabled,
		Actions:        names(actions()),
		Operators:      names(operators()),
		Archs:          names(archs()),
		KnownFlags:     names(knownFlags()),
		SupportedFlags: names(supported),
	}
}

// names returns sorted strings.
func names[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	slices.Sort(out)
	return out
}

// kernelTakes asks the kernel about a flag, by a call that cannot install
// anything: a filter at no address is looked at last, so EFAULT means that the
// flags are fine (seccomp(2)).
func kernelTakes(f specs.LinuxSeccompFlag) bool {
	bits, err := flagBits(f)
	if err != nil {
		return false
	}
	if bits == unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV {
		bits |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER // valid together only
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(bits), 0)
	return errno == unix.EFAULT
}

func flagBits(f specs.LinuxSeccompFlag) (uint, error) {
	switch f {
	case flagTSync:
		return unix.SECCOMP_FILTER_FLAG_TSYNC, nil
	case specs.LinuxSeccompFlagLog:
		return unix.SECCOMP_FILTER_FLAG_LOG, nil
	case specs.LinuxSeccompFlagSpecAllow:
		return unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, nil
	case specs.LinuxSeccompFlagWaitKillableRecv:
		return unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, nil
	default:
		return 0, fmt.Errorf("unknown flag %q", f)
	}
}
