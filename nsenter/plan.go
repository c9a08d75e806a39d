package nsenter

import (
	"context"

	"golang.org/x/sys/unix"
)

// Who makes a step's call.
type Who uint8

const (
	// Host steps are made by this process, in Go.
	Host Who = iota
	// Child steps are made by the executor, in the process that becomes the
	// payload.
	Child
)

// String returns "host" or "child".
func (w Who) String() string {
	if w == Child {
		return "child"
	}
	return "host"
}

// Op is what kind of step it is.
type Op uint16

const (
	// OpCall makes one system call, or runs Func on the host.
	OpCall Op = iota
	// OpSpawn starts the executor (host only). Args[0] is the set of clone
	// flags; Args[1], when given, the fd of the cgroup v2 directory that the
	// child is born in.
	OpSpawn
	// OpSync makes the host wait until the child has made every step before
	// this one (host only).
	OpSync
	// OpFork forks with CLONE_PARENT: the new process, a child of the host
	// process too, goes on with the plan, and the old one exits. It enters the
	// PID and time namespaces that were joined or unshared before (child only).
	OpFork
	// OpInit forks, and the new process goes on with the plan while the old
	// one stays as a small PID 1 that reaps, forwards signals, and exits as the
	// new process did (child only).
	OpInit
	// OpExit ends the child with Args[0] as its exit status (child only).
	OpExit
)

// Slot is a numbered place that holds the result of one step (mostly a file
// descriptor) for the arguments of later ones.
type Slot int32

// NoSlot is the Slot of a step whose result nobody needs.
const NoSlot Slot = -1

// MaxSlots is how many slots one plan may use.
const MaxSlots = 1024

// Step is one entry of a plan.
type Step struct {
	Who Who
	Op  Op
	// Call is the system call's number on this architecture, for OpCall steps
	// without Func.
	Call uintptr
	Args []Arg
	// Out is the slot that receives the result; NoSlot for none. The zero
	// Step's Out is slot 0, so build steps with [Call], [Do] and the like.
	Out Slot
	// OK lists the errnos that do not end the plan. After one of them the
	// slot holds -1, and every later step that takes the slot is skipped.
	OK []unix.Errno
	// Await stops the child behind this step, without a system call, until a
	// host step further down has called [Run.TakeFd] (child only, and only for
	// steps behind which no other host step comes before that one).
	Await bool
	// Func is the host work of a step that is not one system call.
	Func func(ctx context.Context, h *Run) error
	// Text says what Func or a control step does, as a phrase: "look up user
	// postgres in the image".
	Text string
	// Target is the path or object acted on, for errors and listings.
	Target string
	// From is the flag or the config field that asked for the step.
	From string
	// Why is one sentence on what the step is good for.
	Why string
}

// Plan is an ordered list of steps.
type Plan struct {
	Steps []Step
	slots []string
	// hold is the number, from 1, of the step that the child stops in; 0 for
	// none.
	hold int
}

// NewSlot reserves a slot. The name is what listings show: "root", "proc".
func (p *Plan) NewSlot(name string) Slot {
	p.slots = append(p.slots, name)
	return Slot(len(p.slots) - 1)
}

// SlotName returns the name that a slot was reserved under.
func (p *Plan) SlotName(s Slot) string {
	if s < 0 || int(s) >= len(p.slots) {
		return ""
	}
	return p.slots[s]
}

// Slots returns how many slots the plan uses.
func (p *Plan) Slots() int { return len(p.slots) }

// Add appends steps.
func (p *Plan) Add(steps ...Step) { p.Steps = append(p.Steps, steps...) }

// Call returns a step that makes one system call.
func Call(who Who, call uintptr, args ...Arg) Step {
	return Step{Who: who, Call: call, Args: args, Out: NoSlot}
}

// Do returns a host step that runs a function; text says what it does.
func Do(text string, f func(h *Run) error) Step {
	return DoLong(text, func(_ context.Context, h *Run) error { return f(h) })
}

// DoLong is Do for a function that may take a while, and ends when the context
// of the run does.
func DoLong(text string, f func(ctx context.Context, h *Run) error) Step {
	return Step{Who: Host, Func: f, Text: text, Out: NoSlot}
}

// Control returns a step that is not a system call of the plan's own.
func Control(who Who, op Op, text string, args ...Arg) Step {
	return Step{Who: who, Op: op, Text: text, Args: args, Out: NoSlot}
}

// To sets the slot that receives the result.
func (s Step) To(slot Slot) Step { s.Out = slot; return s }

// Tolerate adds errnos that do not end the plan.
func (s Step) Tolerate(errnos ...unix.Errno) Step {
	s.OK = append(s.OK[:len(s.OK):len(s.OK)], errnos...)
	return s
}

// On sets the path or object that the step acts on.
func (s Step) On(target string) Step { s.Target = target; return s }

// For sets the flag or config field that asked for the step, and why it is
// there.
func (s Step) For(from, why string) Step { s.From, s.Why = from, why; return s }

// Title is the step's one-line name: its text, or the call and its target.
func (s *Step) Title() string {
	if s.Text != "" {
		return s.Text
	}
	name := CallName(s.Call)
	if s.Target != "" {
		return name + " " + s.Target
	}
	return name
}
