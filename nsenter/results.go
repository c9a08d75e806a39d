package nsenter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// State is how far a step came.
type State uint32

// The states that the executor and the host interpreter write.
const (
	Pending   State = iota // not reached
	Running                // begun and never returned: an execve that worked
	Done                   // returned a result
	Tolerated              // returned an errno that the step allows
	Skipped                // took a slot that a tolerated error left empty
	Failed                 // returned an errno that ended the plan
)

// Result is what became of one step.
type Result struct {
	State State
	// Value is what the call returned, or -errno.
	Value int64
	// Start and End are CLOCK_MONOTONIC times in nanoseconds.
	Start, End uint64
}

// Errno returns the error number of a tolerated or failed step, else 0.
func (r Result) Errno() unix.Errno {
	if r.Value < 0 && (r.State == Tolerated || r.State == Failed) {
		return unix.Errno(-r.Value)
	}
	return 0
}

// decodeResult reads one struct plan_result.
func decodeResult(b []byte) Result {
	le := binary.LittleEndian
	return Result{
		Value: int64(le.Uint64(b[0:])),
		Start: le.Uint64(b[8:]),
		End:   le.Uint64(b[16:]),
		State: State(le.Uint32(b[24:])),
	}
}

// StepError is a step that ended the plan.
type StepError struct {
	// Number is the step's place in the plan, from 1, as listings count.
	Number int
	Step   *Step
	Err    error
}

// Error names the step, the call, its target, the errno by name and a hint.
func (e *StepError) Error() string {
	what := e.Step.Title()
	if e.Step.From != "" {
		what += " (" + e.Step.From + ")"
	}
	var errno unix.Errno
	if !errors.As(e.Err, &errno) || e.Step.Func != nil {
		return fmt.Sprintf("step %d, %s: %v", e.Number, what, e.Err)
	}
	text := fmt.Sprintf("step %d, %s: %s: %v", e.Number, what, unix.ErrnoName(errno), e.Err)
	call := e.Step.Call
	if e.Step.Op != OpCall {
		call = unix.SYS_CLONE3 // what can fail in a control step is its fork
	}
	if hint := Hint(call, errno); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// Errors of the machinery, as against errors of a step.
var (
	// ErrChildDied is a child that ended before its execve without a failed
	// step: killed from outside, or by its memory limit.
	ErrChildDied = errors.New("the child died during set-up")
	// ErrNoExec is a plan whose execve steps were all tolerated.
	ErrNoExec = errors.New("no execve succeeded")
)
