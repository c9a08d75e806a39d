package seccomp

import (
	"errors"
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxErrno is the kernel's MAX_ERRNO: SECCOMP_RET_ERRNO clamps to it.
const maxErrno = 4095

// maxArgument is the index of the last argument in struct seccomp_data.
const maxArgument = 5

// Validate reports the first field of a profile that Compile would not
// accept, by its name below linux.seccomp in the OCI runtime specification
// (config-linux.md, "Seccomp"); the caller puts that in front. A nil profile, which means no filter, is valid.
func Validate(s *specs.LinuxSeccomp) error {
	if s == nil {
		return nil
	}
	if s.DefaultAction == specs.ActNotify {
		return errors.New("defaultAction: SCMP_ACT_NOTIFY is not possible as default, list the calls to notify of")
	}
	if _, err := verdict(s.DefaultAction, s.DefaultErrnoRet); err != nil {
		return fmt.Errorf("defaultAction, defaultErrnoRet: %w", err)
	}
	for i, a := range s.Architectures {
		if !slices.Contains(archs(), a) {
			return fmt.Errorf("architectures[%d]: unknown architecture %q", i, a)
		}
	}
	for i, f := range s.Flags {
		if _, err := flagBits(f); err != nil {
			return fmt.Errorf("flags[%d]: %w", i, err)
		}
	}
	notify := false
	for i := range s.Syscalls {
		if err := validateRule(&s.Syscalls[i]); err != nil {
			return fmt.Errorf("syscalls[%d].%w", i, err)
		}
		notify = notify || s.Syscalls[i].Action == specs.ActNotify
	}
	switch {
	case notify && s.ListenerPath == "":
		return errors.New("listenerPath: empty, but SCMP_ACT_NOTIFY is used: name the agent's socket")
	case s.ListenerPath == "" && s.ListenerMetadata != "":
		return errors.New("listenerMetadata: set without listenerPath")
	}
	return nil
}

func validateRule(r *specs.LinuxSyscall) error {
	if _, err := verdict(r.Action, r.ErrnoRet); err != nil {
		return fmt.Errorf("action, errnoRet: %w", err)
	}
	for i, name := range r.Names {
		if name == "" {
			return fmt.Errorf("names[%d]: empty", i)
		}
	}
	for i, a := range r.Args {
		if a.Index > maxArgument {
			return fmt.Errorf("args[%d].index: %d, the last is %d", i, a.Index, maxArgument)
		}
		if !slices.Contains(operators(), a.Op) {
			return fmt.Errorf("args[%d].op: unknown operator %q", i, a.Op)
		}
	}
	return nil
}

// verdict returns the filter's return value for an action. ERRNO and TRACE
// carry errnoRet in the lower 16 bits, EPERM when it is nil; for the others the
// specification demands an error when one is given.
func verdict(a specs.LinuxSeccompAction, errnoRet *uint) (uint32, error) {
	data, limit := uint(unix.EPERM), uint(maxErrno)
	if errnoRet != nil {
		data = *errnoRet
	}
	var ret uint32
	switch a {
	case specs.ActErrno:
		ret = unix.SECCOMP_RET_ERRNO
	case specs.ActTrace:
		ret, limit = unix.SECCOMP_RET_TRACE, unix.SECCOMP_RET_DATA
	default:
		ret, ok := plainVerdict(a)
		if !ok {
			return 0, fmt.Errorf("unknown action %q", a)
		}
		if errnoRet != nil {
			return 0, fmt.Errorf("action %s takes no errno", a)
		}
		return ret, nil
	}
	if data > limit {
		return 0, fmt.Errorf("errno %d is above %d", data, limit)
	}
	return ret | uint32(data), nil
}

// plainVerdict is verdict for the actions without data.
func plainVerdict(a specs.LinuxSeccompAction) (ret uint32, ok bool) {
	switch a {
	case specs.ActKill, specs.ActKillThread:
		return unix.SECCOMP_RET_KILL_THREAD, true
	case specs.ActKillProcess:
		return unix.SECCOMP_RET_KILL_PROCESS, true
	case specs.ActTrap:
		return unix.SECCOMP_RET_TRAP, true
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, true
	case specs.ActLog:
		return unix.SECCOMP_RET_LOG, true
	case specs.ActNotify:
		return unix.SECCOMP_RET_USER_NOTIF, true
	default:
		return 0, false
	}
}

// strictness orders verdicts as the kernel does between stacked filters:
// the higher, the more is forbidden (seccomp(2), "filter return values").
func strictness(ret uint32) int {
	return -int(int32(ret & unix.SECCOMP_RET_ACTION_FULL))
}

// permissive reports whether the verdict lets the call happen. A tracer is
// trusted to emulate what it does not forward.
func permissive(ret uint32) bool {
	switch ret & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_TRACE:
		return true
	default:
		return false
	}
}
