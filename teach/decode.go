package teach

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// decoder renders the arguments of a plan's steps.
type decoder struct {
	plan *nsenter.Plan
	// full keeps every constant's prefix and every string's end.
	full bool
}

// How much of strings and lists a listing shows; JSON shows maxFull.
const (
	maxString = 96
	maxList   = 16
	maxFull   = 64 << 10
)

// stringLimit is how many bytes of a string are shown.
func (d *decoder) stringLimit() int {
	if d.full {
		return maxFull
	}
	return maxString
}

// names returns the step's parameters by name, as many as it has arguments.
func (d *decoder) names(s *nsenter.Step) []string {
	list := params(s.Call)
	names := make([]string, len(s.Args))
	for i := range names {
		names[i] = "arg" + strconv.Itoa(i+1)
		if i < len(list) {
			names[i] = list[i].name
		}
	}
	return names
}

// args returns the step's arguments in C notation.
func (d *decoder) args(s *nsenter.Step) []string {
	list := params(s.Call)
	args := make([]string, len(s.Args))
	for i := range s.Args {
		form := "any"
		if i < len(list) {
			form = list[i].form
		}
		args[i] = d.arg(s, i, form)
	}
	return args
}

// arg returns one argument in C notation.
func (d *decoder) arg(s *nsenter.Step, i int, form string) string {
	a := s.Args[i]
	switch a.Kind() {
	case nsenter.KindSlot:
		return d.slot(a.Slot())
	case nsenter.KindData:
		data := a.Data()
		if data == nil {
			return "NULL"
		}
		return d.memory(s, i, form, data)
	}
	return d.number(s, form, a.Value())
}

// slot returns a slot as a descriptor: its name in angle brackets.
func (d *decoder) slot(s nsenter.Slot) string {
	if name := d.plan.SlotName(s); name != "" {
		return "<" + clean(name) + ">"
	}
	return "<slot " + strconv.Itoa(int(s)) + ">"
}

// value returns argument n of a step as a number, or 0.
func value(s *nsenter.Step, n int) uint64 {
	if n >= len(s.Args) || s.Args[n].Kind() != nsenter.KindValue {
		return 0
	}
	return s.Args[n].Value()
}

// number renders an immediate argument.
func (d *decoder) number(s *nsenter.Step, form string, v uint64) string {
	if f, ok := d.context(s, form); ok {
		form = f
	}
	if text, ok := d.flags(form, v); ok {
		return text
	}
	switch form {
	case "str", "buf", "argv", "envp", "ptr", "id_list", "bitmap", "open_how", "mount_attr", "clone_args",
		"cap_header", "cap_data", "rlimit_value", "sched_attr", "seccomp_args", "bpf_attr", "fsconfig_value":
		return pointer(v)
	case "dirfd":
		if int32(v) == unix.AT_FDCWD {
			return "AT_FDCWD"
		}
		return strconv.Itoa(int(int32(v)))
	case "fd":
		return strconv.Itoa(int(int32(v)))
	case "id":
		return identity(v)
	case "int":
		return strconv.FormatInt(int64(v), 10)
	case "mode":
		return octal(v)
	case "file_mode":
		return fileMode(v)
	case "dev":
		return "makedev(" + strconv.Itoa(int(unix.Major(v))) + ", " + strconv.Itoa(int(unix.Minor(v))) + ")"
	case "cap":
		return capName(v)
	case "signal":
		return signalName(v)
	case "ioprio":
		return "IOPRIO_PRIO_VALUE(" + ioprioClasses().one(v>>13, true) + ", " + number(v&(1<<13-1)) + ")"
	}
	return number(v)
}

// context finds the form of an argument whose meaning depends on an earlier
// one.
func (d *decoder) context(s *nsenter.Step, form string) (string, bool) {
	switch form {
	case "fcntl_arg":
		switch value(s, 1) {
		case unix.F_SETFD:
			return "fd_flags", true
		case unix.F_SETFL:
			return "open", true
		case unix.F_ADD_SEALS:
			return "seals", true
		}
	case "prctl_arg2":
		return prctlForm(value(s, 0)), true
	case "prctl_arg3":
		if value(s, 0) == unix.PR_CAP_AMBIENT && value(s, 1) != unix.PR_CAP_AMBIENT_CLEAR_ALL {
			return "cap", true
		}
	case "keyctl_arg2":
		if value(s, 0) == unix.KEYCTL_JOIN_SESSION_KEYRING {
			return "str", true
		}
		return "key", true
	case "fsconfig_aux":
		switch value(s, 1) {
		case unix.FSCONFIG_SET_PATH, unix.FSCONFIG_SET_PATH_EMPTY:
			return "dirfd", true
		case unix.FSCONFIG_SET_FD:
			return "fd", true
		}
	}
	return "", false
}

// prctlForm returns the form of prctl's second argument.
func prctlForm(option uint64) string {
	switch option {
	case unix.PR_CAPBSET_DROP, unix.PR_CAPBSET_READ:
		return "cap"
	case unix.PR_CAP_AMBIENT:
		return "ambient"
	case unix.PR_SET_PDEATHSIG:
		return "signal"
	case unix.PR_SET_NAME:
		return "str"
	case unix.PR_SET_SECUREBITS:
		return "securebits"
	case unix.PR_SET_SECCOMP:
		return "seccomp_mode"
	case unix.PR_SET_MDWE:
		return "mdwe"
	}
	return "any"
}

// identity renders a user or group: -1 means "leave it as it is" in the calls
// that take one.
func identity(v uint64) string {
	if uint32(v) == 1<<32-1 {
		return "-1"
	}
	return strconv.FormatUint(uint64(uint32(v)), 10)
}

// pointer renders an address that is not the plan's own data.
func pointer(v uint64) string {
	if v == 0 {
		return "NULL"
	}
	return "0x" + strconv.FormatUint(v, 16)
}

// octal renders permission bits.
func octal(v uint64) string {
	if v == 0 {
		return "0"
	}
	return "0" + strconv.FormatUint(v, 8)
}

// fileMode renders mknod's mode: a kind of file and permission bits.
func fileMode(v uint64) string {
	const kinds = unix.S_IFMT
	if v&kinds == 0 {
		return octal(v)
	}
	return fileKinds().one(v&kinds, true) + "|0" + strconv.FormatUint(v&^kinds, 8)
}

// signalName renders a signal.
func signalName(v uint64) string {
	if v < 65 {
		if name := unix.SignalName(unix.Signal(v)); name != "" {
			return name
		}
	}
	return number(v)
}

// call renders a step that is a system call.
func (d *decoder) call(s *nsenter.Step) string {
	args := d.args(s)
	name := nsenter.CallName(s.Call)
	if s.Call == unix.SYS_MOVE_MOUNT && !d.full && len(args) == 5 && args[1] == `""` && args[3] == `""` {
		// Two descriptors say it all: the arrow is easier to read than two
		// empty paths.
		return name + "(" + args[0] + " → " + args[2] + ", " + args[4] + ")"
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}
