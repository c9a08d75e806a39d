package teach

import (
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// describe returns a step as one line: the call in C notation, or what a step
// that is not one call does, and the slot that receives the result.
func (d *decoder) describe(s *nsenter.Step) string {
	return d.acting(s) + d.output(s)
}

// output returns the slot that receives the result, behind an equals sign.
func (d *decoder) output(s *nsenter.Step) string {
	if s.Out == nsenter.NoSlot {
		return ""
	}
	return " = " + d.slot(s.Out)
}

// acting is describe without the result: the action, and what it acts on
// unless the arguments or the result's name show that.
func (d *decoder) acting(s *nsenter.Step) string {
	text, target := d.action(s), clean(s.Target)
	shown := target == "" || strings.Contains(text+d.output(s), target)
	// A file system's option is its own target: key=value.
	if s.Op == nsenter.OpCall && s.Func == nil && s.Call == unix.SYS_FSCONFIG {
		shown = true
	}
	if !shown {
		text += " on " + target
	}
	return text
}

// action is what a step does, in C notation or its own words.
func (d *decoder) action(s *nsenter.Step) string {
	if s.Op == nsenter.OpCall && s.Func == nil {
		return d.call(s)
	}
	text, call := clean(s.Text), d.control(s)
	switch {
	case text == "" && call == "":
		return "(a function without a text)"
	case text == "":
		return call
	case call == "":
		return text
	}
	return text + ": " + call
}

// control returns the call behind a control step in C notation, or "" for
// those that are none. They are the interpreters' own business: what is shown
// here is what they do (spawn.go and executor.c in nsenter).
func (d *decoder) control(s *nsenter.Step) string {
	switch s.Op {
	case nsenter.OpSpawn:
		if len(s.Args) > 1 && s.Args[1].Kind() == nsenter.KindSlot {
			flags := cloneFlags().all(value(s, 0)|unix.CLONE_INTO_CGROUP, d.full)
			return "clone3({flags=" + flags + ", cgroup=" + d.slot(s.Args[1].Slot()) + "})"
		}
		if value(s, 0) == 0 {
			return "clone(SIGCHLD)"
		}
		return "clone(" + cloneFlags().all(value(s, 0), d.full) + "|SIGCHLD)"
	case nsenter.OpFork:
		return "clone(" + cloneFlags().all(unix.CLONE_PARENT, d.full) + "|SIGCHLD)"
	case nsenter.OpInit:
		return "clone(SIGCHLD)"
	case nsenter.OpExit:
		return "_exit(" + number(value(s, 0)) + ")"
	}
	return ""
}

// callName returns the name of the system call that a step makes, or "" for a
// function of the host.
func callName(s *nsenter.Step) string {
	switch {
	case s.Op == nsenter.OpCall && s.Func == nil:
		return nsenter.CallName(s.Call)
	case s.Op == nsenter.OpSpawn && len(s.Args) > 1:
		return "clone3"
	case s.Op == nsenter.OpSpawn, s.Op == nsenter.OpFork, s.Op == nsenter.OpInit:
		return "clone"
	case s.Op == nsenter.OpExit:
		return "exit_group"
	}
	return ""
}

// Hint returns the likely cause of an error of a step, as a phrase, or "".
// Steps that are more than one system call have errors that tell it themselves.
func Hint(s *nsenter.Step, errno unix.Errno) string {
	switch s.Op {
	case nsenter.OpCall:
		if s.Func == nil {
			return nsenter.Hint(s.Call, errno)
		}
	case nsenter.OpSpawn, nsenter.OpFork, nsenter.OpInit:
		return nsenter.Hint(unix.SYS_CLONE3, errno)
	}
	return ""
}

// errnoName returns an error number by its C name.
func errnoName(e unix.Errno) string {
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return "errno " + number(uint64(e))
}

// errnoNames returns the names of a step's tolerated errnos.
func errnoNames(list []unix.Errno) []string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = errnoName(e)
	}
	return names
}
