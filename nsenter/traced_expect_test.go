package nsenter

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// The executor's descriptors beside stdio, as executor.c numbers them.
const (
	controlFd = 3
	planFd    = 4
)

// tracedPlan is a plan that has run, and what strace must have seen of it.
type tracedPlan struct {
	Seed  uint64
	Pid   int      // of the child before any fork
	Wrong string   // what is wrong with the results alone
	Lives []life   // the child's processes: each forks the next
	Log   []string // the results, to be read by people
}

// life is what one process of the child's does from its first message, or from
// the fork that made it.
type life []expectation

// expectation is one system call.
type expectation struct {
	Call uint64
	Args []value
	Ret  value
	// Forks is a call that returns the pid of the next life.
	Forks bool
	// Maybe is a call that a process makes unless it is killed before: a
	// PID 1 whose payload failed to start is.
	Maybe bool
}

// value is what strace prints for an argument or a result.
type value struct {
	Kind  string // "any", "exact", "errno", or "slot": always the same
	Value int64
}

func exact(v int64) value { return value{"exact", v} }

func anyCall(call uintptr) expectation {
	return expectation{Call: uint64(call), Ret: value{Kind: "any"}}
}

// plansHelper runs the plans of a range of seeds, and prints what each must
// look like to strace.
func plansHelper(args []string) {
	first, count := must(strconv.ParseUint(args[0], 10, 64)), must(strconv.ParseUint(args[1], 10, 64))
	out := json.NewEncoder(os.Stdout)
	empty := must(os.MkdirTemp("", "plans"))
	defer os.RemoveAll(empty)
	for seed := first; seed < first+count; seed++ {
		if err := out.Encode(tracePlan(seed, empty)); err != nil {
			panic(err)
		}
	}
}

// tracePlan runs one plan.
func tracePlan(seed uint64, empty string) *tracedPlan {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p := randomPlan(seed)
	t := &tracedPlan{Seed: seed}
	pid := Do("remember the pid", func(h *Run) error {
		<-h.child.started
		t.Pid = h.child.pid
		return h.child.err
	})
	p.Steps = slices.Insert(p.Steps, 1, pid)
	h, err := p.Start(ctx, Options{Empty: empty})
	defer h.Close()
	if err == nil {
		if _, err := h.Wait(); err != nil {
			t.Wrong = err.Error()
		}
	} else if ctx.Err() != nil {
		t.Wrong = "timed out"
	}
	e := &expecter{h: h, t: t, slots: map[Slot]value{}}
	if err := e.all(); err != nil {
		t.Wrong = err.Error()
	}
	for i, r := range h.Results() {
		t.Log = append(t.Log, fmt.Sprintf("%s %s: %+v", p.Steps[i].Who, p.Steps[i].Title(), r))
	}
	return t
}

// expecter follows a plan and its results, with slots of its own.
type expecter struct {
	h     *Run
	t     *tracedPlan
	slots map[Slot]value
	ended bool
}

func (e *expecter) add(x ...expectation) {
	last := len(e.t.Lives) - 1
	e.t.Lives[last] = append(e.t.Lives[last], x...)
}

// all writes down every life, batch by batch.
func (e *expecter) all() error {
	e.t.Lives = []life{nil}
	sent, err := e.replay()
	if err != nil {
		return err
	}
	for i, ack := range sent {
		e.add(anyCall(unix.SYS_RECVMSG), anyCall(unix.SYS_MMAP))
		if err := e.batch(&e.h.batches[i]); err != nil || e.ended {
			return err
		}
		if ack {
			e.add(expectation{Call: unix.SYS_SENDTO, Args: []value{exact(controlFd)}, Ret: exact(1)})
		}
	}
	e.add(expectation{Call: unix.SYS_RECVMSG, Args: []value{exact(controlFd)}, Ret: exact(0)}, e.exit(121))
	return nil
}

func (e *expecter) exit(code int64) expectation {
	e.ended = true
	return expectation{Call: unix.SYS_EXIT_GROUP, Args: []value{exact(code)}, Ret: value{Kind: "any"}}
}

// replay cuts the plan into batches by the rule in the documentation: a host
// step sends what is before it. It returns which of them want an answer.
func (e *expecter) replay() (acks []bool, err error) {
	var pending []int
	send := func(ack bool) {
		if len(pending) == 0 && !ack || len(acks) == len(e.h.batches) {
			return
		}
		if got := e.h.batches[len(acks)].steps; !slices.Equal(got, pending) && err == nil {
			err = fmt.Errorf("batch %d has steps %v, want %v", len(acks), got, pending)
		}
		acks, pending = append(acks, ack), nil
	}
	for i := range e.h.plan.Steps {
		s := &e.h.plan.Steps[i]
		if s.Who == Child {
			pending = append(pending, i)
			continue
		}
		send(s.Op == OpSync)
		e.hostResult(s, e.h.results[i])
	}
	send(false)
	return acks, err
}

// hostResult follows what a host step left in its slot. The child's numbers
// of the descriptors are its own: the test only knows that they do not change.
func (e *expecter) hostResult(s *Step, r Result) {
	if s.Func != nil {
		for slot, v := range e.h.slots {
			if v.set && !v.fd {
				e.slots[Slot(slot)] = exact(v.value)
			}
		}
	}
	if s.Out != NoSlot && r.State != Done {
		e.slots[s.Out] = exact(-1)
	}
}

// batch reads a batch from the shared memory and follows its steps.
func (e *expecter) batch(b *batch) error {
	header := make([]byte, batchHeader)
	if _, err := unix.Pread(e.h.child.memory, header, int64(b.offset)); err != nil {
		return err
	}
	raw := make([]byte, uint64(header[16])|uint64(header[17])<<8|uint64(header[18])<<16)
	if _, err := unix.Pread(e.h.child.memory, raw, int64(b.offset)); err != nil {
		return err
	}
	d, err := decode(raw, b.offset)
	if err != nil {
		return err
	}
	for i, n := range b.steps {
		if e.ended {
			if r := e.h.results[n]; r.State != Pending {
				return fmt.Errorf("step %d after the end: %+v", n, r)
			}
			continue
		}
		if err := e.step(&e.h.plan.Steps[n], e.h.results[n], d, &d.steps[i]); err != nil {
			return fmt.Errorf("step %d: %w", n, err)
		}
	}
	return nil
}

// step checks a result against the slots and says what strace saw.
func (e *expecter) step(s *Step, r Result, d *decoded, wire *decodedStep) error {
	x := expectation{Call: uint64(s.Call)}
	skip := false
	for i, a := range s.Args {
		v := exact(int64(a.value))
		switch a.kind {
		case KindSlot:
			known, ok := e.slots[a.slot]
			if v = known; !ok {
				v = value{"slot", int64(a.slot)}
			}
			skip = skip || v == exact(-1)
		case KindData:
			v = exact(int64(planBase + uint64(d.offset) + wire.args[i].value))
		}
		x.Args = append(x.Args, v)
	}
	if skip != (r.State == Skipped) {
		return fmt.Errorf("skip %v, result %+v", skip, r)
	}
	if r.State != Running && r.State != Skipped && (r.Start == 0 || r.End < r.Start) {
		return fmt.Errorf("times of %+v", r)
	}
	return e.outcome(s, r, x)
}

// outcome follows what a step's result means for the rest.
func (e *expecter) outcome(s *Step, r Result, x expectation) error {
	out := exact(-1)
	x.Ret = exact(r.Value)
	tolerated := slices.Contains(s.OK, unix.Errno(-r.Value))
	switch {
	case r.State == Skipped:
		e.fill(s, out)
		return nil
	case s.Op == OpExit && r.State == Done:
		e.add(e.exit(x.Args[0].Value & 0xffffffff))
	case s.Op == OpFork && r.State == Done:
		e.fork(r, anyCall(unix.SYS_EXIT_GROUP))
		e.add(anyCall(unix.SYS_RT_SIGPROCMASK))
	case s.Op == OpInit && r.State == Done:
		var init []expectation
		for _, call := range []uintptr{unix.SYS_PRCTL, unix.SYS_MUNMAP, unix.SYS_CLOSE_RANGE,
			unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_WAIT4, unix.SYS_EXIT_GROUP} {
			init = append(init, expectation{Call: uint64(call), Ret: value{Kind: "any"}, Maybe: true})
		}
		e.fork(r, init...)
		e.add(anyCall(unix.SYS_SETPGID), anyCall(unix.SYS_GETPID), anyCall(unix.SYS_IOCTL), anyCall(unix.SYS_RT_SIGPROCMASK))
	case r.State == Done:
		out = exact(r.Value)
		e.add(x)
	case r.State == Tolerated && tolerated, r.State == Failed && !tolerated:
		x.Ret = value{"errno", -r.Value}
		e.add(x)
		if r.State == Failed {
			e.add(e.exit(120))
		}
	case r.State == Running && isExec(s):
		x.Ret = exact(0)
		e.add(x)
		e.ended = true
	default:
		return fmt.Errorf("result %+v", r)
	}
	e.fill(s, out)
	return nil
}

func (e *expecter) fill(s *Step, v value) {
	if s.Out != NoSlot {
		e.slots[s.Out] = v
	}
}

// fork ends a life with what its process does after the fork, and begins the
// next. Signals are blocked around it.
func (e *expecter) fork(r Result, rest ...expectation) {
	e.add(anyCall(unix.SYS_RT_SIGPROCMASK))
	e.add(expectation{Call: unix.SYS_CLONE, Ret: exact(r.Value), Forks: true})
	e.add(rest...)
	e.t.Lives = append(e.t.Lives, life{})
}
