package nsenter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Options are what a run needs beside its plan.
type Options struct {
	// Stdin, Stdout and Stderr are the child's first three descriptors; nil
	// is /dev/null.
	Stdin, Stdout, Stderr *os.File
	// Empty is an empty folder, needed to seal the binary. Below the binary's
	// own folder it is of no use, and each start copies the binary.
	Empty string
	// Sealed is the sealed binary, when it was begun before; else the run
	// makes one.
	Sealed *Sealed
	// Keep lists slots whose descriptors outlive the set-up, such as a
	// terminal's master. They are the caller's to close, also after an error.
	Keep []Slot
	// Memory is the path of the file to make for the plan's memory, for a
	// plan that is held; empty for memory without a name.
	Memory string
}

// Run is one run of a plan: its slots, its results and its child. The methods
// that fill slots are for the functions of host steps. A Run is not safe for
// concurrent use.
type Run struct {
	plan    *Plan
	opts    Options
	slots   []slotValue
	results []Result
	clock   clock
	child   *child
	// pending are the child steps, by index, that were not sent yet.
	pending []int
	batches []batch
}

// slotValue is what a host step left in a slot.
type slotValue struct {
	value int64
	fd    bool
	set   bool
	sent  bool
}

// batch remembers where steps went, to read their results.
type batch struct {
	steps  []int
	offset int
}

// clock gives CLOCK_MONOTONIC times without a system call for each.
type clock struct {
	base  uint64
	start time.Time
}

func newClock() clock {
	var ts unix.Timespec
	// It cannot fail for this clock; zero times would only spoil a trace.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return clock{uint64(ts.Nano()), time.Now()}
}

func (c clock) now() uint64 { return c.base + uint64(time.Since(c.start)) }

// Start runs the plan until its payload runs: until the child's execve, or
// until the child waits in the step that [Plan.Hold] names. The
// Run is never nil and must be closed, also after an error; then its results
// tell how far the plan came, and the child is gone.
func (p *Plan) Start(ctx context.Context, opts Options) (*Run, error) {
	h := &Run{
		plan:    p,
		opts:    opts,
		slots:   make([]slotValue, p.Slots()),
		results: make([]Result, len(p.Steps)),
		clock:   newClock(),
	}
	err := h.run(ctx)
	h.readResults()
	if err == nil {
		err = h.outcome()
	}
	if err != nil && h.child != nil {
		h.child.discard()
	}
	if p.hold > 0 && h.child != nil {
		// While anybody but the child has it open, the lock on it stays.
		h.child.dropMemory()
	}
	if ctx.Err() != nil && errors.Is(err, ErrChildDied) {
		err = ctx.Err() // it died of that
	}
	h.closeSlots()
	return h, err
}

// run makes the host's steps in order, and hands the child its own in batches:
// a host step behind child steps sends those off, so that both sides work at
// the same time.
func (h *Run) run(ctx context.Context) error {
	for i := range h.plan.Steps {
		s := &h.plan.Steps[i]
		if s.Who == Child {
			h.pending = append(h.pending, i)
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := h.flush(s.Op == OpSync); err != nil {
			return err
		}
		if err := h.host(ctx, i, s); err != nil {
			// What a sync reports is a step of the child's.
			if failed := (*StepError)(nil); s.Op == OpSync && errors.As(err, &failed) {
				return failed
			}
			return &StepError{Number: i + 1, Step: s, Err: err}
		}
		if s.Op == OpSpawn {
			// From here on the host may wait for the child; a killed one
			// keeps nobody waiting.
			defer context.AfterFunc(ctx, h.child.kill)()
		}
	}
	if err := h.flush(false); err != nil {
		return err
	}
	if h.child == nil {
		return nil
	}
	h.child.finish()
	if h.plan.hold > 0 {
		return h.awaitHold(ctx)
	}
	h.child.waitEOF()
	return ctx.Err()
}

// host makes one host step and records its result.
func (h *Run) host(ctx context.Context, i int, s *Step) error {
	r := &h.results[i]
	r.Start = h.clock.now()
	r.State = Running
	value, err := h.perform(ctx, s)
	r.End = h.clock.now()
	r.Value = value
	r.State = Done
	if err == nil {
		return nil
	}
	if errors.Is(err, errSkipped) {
		r.State = Skipped
		h.fill(s.Out, -1)
		return nil
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		r.Value = -int64(errno)
		for _, ok := range s.OK {
			if errno == ok {
				r.State = Tolerated
				h.fill(s.Out, -1)
				return nil
			}
		}
	}
	r.State = Failed
	return err
}

// errSkipped is a step whose slot argument is empty.
var errSkipped = errors.New("skipped")

// perform makes a host step.
func (h *Run) perform(ctx context.Context, s *Step) (int64, error) {
	switch {
	case s.Op == OpSpawn:
		return 0, h.spawn(s)
	case s.Op == OpSync:
		return 0, h.sync()
	case s.Op != OpCall:
		return 0, fmt.Errorf("operation %d on the host: %w", s.Op, unix.EINVAL)
	case s.Func != nil:
		return 0, s.Func(ctx, h)
	}
	value, err := h.call(s)
	if err == nil && s.Out != NoSlot {
		h.SetFd(s.Out, int(value))
	}
	return value, err
}

// fill marks a slot as empty.
func (h *Run) fill(s Slot, value int64) {
	if s != NoSlot {
		h.slots[s] = slotValue{value: value, set: true}
	}
}

// Fd returns the descriptor or number in a slot that a host step has filled,
// or -1.
func (h *Run) Fd(s Slot) int {
	if s < 0 || !h.slots[s].set {
		return -1
	}
	return int(h.slots[s].value)
}

// SetFd puts a descriptor into a slot. The run owns it from then on, and
// closes it once the payload runs.
func (h *Run) SetFd(s Slot, fd int) { h.slots[s] = slotValue{value: int64(fd), fd: true, set: true} }

// SetValue puts a number that is no descriptor into a slot.
func (h *Run) SetValue(s Slot, v int64) { h.slots[s] = slotValue{value: v, set: true} }

// Pid returns the child's process id as this process sees it, or 0 when there
// is none. The id stays valid until Wait has returned.
func (h *Run) Pid() int {
	if h.child == nil {
		return 0
	}
	c := h.child
	<-c.started
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// Results returns what became of each step of the plan, in its order.
func (h *Run) Results() []Result { return h.results }

// Wait waits for the payload's end. It must be called once after a Start
// without error.
func (h *Run) Wait() (unix.WaitStatus, error) {
	if h.child == nil {
		return 0, fmt.Errorf("wait for a plan without child: %w", unix.ECHILD)
	}
	return h.child.wait()
}

// Close releases what the run holds. It does not end a running payload.
func (h *Run) Close() {
	h.closeSlots()
	if h.child != nil {
		h.child.close()
	}
}

// closeSlots closes the descriptors that host steps opened: among them are the
// container's mounts, which must not outlive it.
func (h *Run) closeSlots() {
	for i := range h.slots {
		if slices.Contains(h.opts.Keep, Slot(i)) {
			continue
		}
		if h.slots[i].fd && h.slots[i].value >= 0 {
			unix.Close(int(h.slots[i].value))
			h.slots[i] = slotValue{}
		}
	}
}
