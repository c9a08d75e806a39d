// Package seccomp compiles the seccomp section of an OCI configuration to a
// BPF program, and supplies docker's default profile.
//
// It owns the profile's meaning: which calls of which entry points (x86-64,
// x32, i386; arm64, arm) get which verdict. Rules mean what they mean to runc
// and libseccomp, with differences only where those can be evaded:
//
//   - Names that an architecture lacks are skipped. The native architecture is
//     always covered. An entry point that the profile does not list kills the
//     thread, x32 included.
//   - Several rules for one call are alternatives. One without conditions wins
//     over those with; else the first that matches, in the profile's order.
//     Conditions of one rule must all hold, except that a rule which names an
//     argument twice counts as one rule per condition.
//   - A rule whose verdict is the default is dropped.
//   - When the default forbids (anything but ALLOW, LOG, TRACE and
//     ERRNO(ENOSYS)), calls newer than the profile, that is with numbers above
//     all it mentions, return ENOSYS: libcs fall back on that, not on EPERM.
//     A profile that mentions no call at all is just its default.
//   - Arguments that the kernel cuts to 32 bits are compared as 32 bits; see
//     intArguments. For i386's multiplexers see muxRule.
//
// Programs first look at architecture and number alone and load arguments only
// where a rule has conditions, which lets the kernel (5.11 and later) answer
// unconditionally allowed calls from a bitmap without running the program.
//
// The package installs nothing: the caller hands Program to seccomp(2). It is
// not a policy language and not for filters on other data than syscalls.
package seccomp

import (
	"errors"
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxInstructions is the kernel's BPF_MAXINSNS.
const maxInstructions = 4096

// Sentinels of the package.
var (
	// ErrArch is returned for a machine that Compile has no numbers for.
	ErrArch = errors.New("no syscall numbers for this architecture (have amd64, arm64)")

	// ErrTooLong is returned when a profile needs more than the 4096
	// instructions that the kernel accepts in one filter.
	ErrTooLong = errors.New("profile is too long for one filter")
)

// Program is a compiled filter.
type Program struct {
	// Filter is the code, 1 to 4096 instructions, in the byte order of the
	// machine: what struct sock_fprog points to.
	Filter []unix.SockFilter
	// Flags are the SECCOMP_FILTER_FLAG_ bits for seccomp(2).
	// SECCOMP_FILTER_FLAG_NEW_LISTENER is among them when a rule notifies; the
	// call then returns the notify fd.
	Flags uint
}

// Compile translates a profile for a machine named as Go does ("amd64",
// "arm64"); it may be another than the running one. Architectures in the
// profile that cannot occur there are ignored. A nil profile gives an empty
// program. Errors are Validate's, ErrArch and ErrTooLong.
func Compile(s *specs.LinuxSeccomp, goarch string) (Program, error) {
	if s == nil {
		return Program{}, nil
	}
	if err := Validate(s); err != nil {
		return Program{}, err
	}
	abis, err := listedABIs(s.Architectures, goarch)
	if err != nil {
		return Program{}, fmt.Errorf("compile seccomp profile for %s: %w", goarch, err)
	}
	c, err := newCollection(s, abis)
	if err != nil {
		return Program{}, fmt.Errorf("compile seccomp profile: %w", err)
	}
	code := generate(c)
	if len(code) > maxInstructions {
		return Program{}, fmt.Errorf("compile seccomp profile: %d instructions: %w", len(code), ErrTooLong)
	}
	return Program{Filter: code, Flags: programFlags(s)}, nil
}

// listedABIs returns the machine's ABIs that the profile covers, native first.
func listedABIs(archs []specs.Arch, goarch string) ([]abi, error) {
	var abis []abi
	switch goarch {
	case "amd64":
		abis = append(abis, abiX86_64)
	case "arm64":
		abis = append(abis, abiARM64)
	default:
		return nil, ErrArch
	}
	var seen [abiCount]bool
	seen[abis[0]] = true
	for _, a := range archs {
		sub := abis[0]
		switch {
		case goarch == "amd64" && a == specs.ArchX86:
			sub = abiI386
		case goarch == "amd64" && a == specs.ArchX32:
			sub = abiX32
		case goarch == "arm64" && a == specs.ArchARM:
			sub = abiARM
		}
		if !seen[sub] {
			seen[sub] = true
			abis = append(abis, sub)
		}
	}
	return abis, nil
}

// programFlags returns the bits for seccomp(2). A profile without a flags
// field gets SPEC_ALLOW, as in runc: kernels before 5.16 otherwise disable
// speculative store bypass for every filtered process.
func programFlags(s *specs.LinuxSeccomp) uint {
	var flags uint
	if s.Flags == nil {
		flags = unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	}
	for _, f := range s.Flags {
		bits, _ := flagBits(f) // Validate has seen it
		flags |= bits
	}
	for i := range s.Syscalls {
		if s.Syscalls[i].Action == specs.ActNotify {
			flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
		}
	}
	if flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
		// Means nothing without a listener, and the kernel refuses it.
		flags &^= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	} else if flags&unix.SECCOMP_FILTER_FLAG_TSYNC != 0 {
		// Both use the call's result; the kernel wants to be told which.
		flags |= unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
	}
	return flags
}
