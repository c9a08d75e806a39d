package nsenter

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// readResults takes the child's results from the shared memory. The executor
// never grows a batch, so they are where the encoder put them.
func (h *Run) readResults() {
	for _, b := range h.batches {
		buf := make([]byte, len(b.steps)*resultSize)
		offset := b.offset + batchHeader + len(b.steps)*stepSize
		if n, err := unix.Pread(h.child.memory, buf, int64(offset)); err != nil || n < len(buf) {
			return
		}
		for i, step := range b.steps {
			h.results[step] = decodeResult(buf[i*resultSize:])
		}
	}
}

// sendFailed explains a child that went away while the host still had steps
// for it: a failed step, if there is one, says more than a broken socket.
func (h *Run) sendFailed(err error) error {
	if <-h.child.started; h.child.err != nil {
		return h.spawnFailed()
	}
	h.readResults()
	if failed := h.failedStep(); failed != nil {
		return failed
	}
	if died := h.died(); died != nil {
		return died
	}
	return err
}

// spawnFailed blames the spawn step, though a later one found out: the child
// starts while the host side goes on.
func (h *Run) spawnFailed() error {
	i := slices.IndexFunc(h.plan.Steps, func(s Step) bool { return s.Op == OpSpawn })
	var errno unix.Errno
	if errors.As(h.child.err, &errno) {
		h.results[i].Value = -int64(errno)
	}
	h.results[i].State = Failed
	return &StepError{Number: i + 1, Step: &h.plan.Steps[i], Err: h.child.err}
}

// failedStep returns the child's step that ended the plan.
func (h *Run) failedStep() error {
	for i, r := range h.results {
		if r.State == Failed {
			return &StepError{Number: i + 1, Step: &h.plan.Steps[i], Err: r.Errno()}
		}
	}
	return nil
}

// outcome decides, once the control socket is closed, whether the payload
// runs.
func (h *Run) outcome() error {
	if h.child == nil {
		return nil
	}
	if h.child.err != nil {
		return h.spawnFailed()
	}
	h.child.settle()
	if failed := h.failedStep(); failed != nil {
		return failed
	}
	if h.held() {
		return nil
	}
	// An execve that worked never returned: its step is the one still running.
	for i := len(h.results) - 1; i >= 0; i-- {
		if h.results[i].State == Running {
			if isExec(&h.plan.Steps[i]) {
				return nil
			}
			break
		}
	}
	if err := h.died(); err != nil {
		return err
	}
	return ErrNoExec
}

// isExec reports whether a step replaces the process's program.
func isExec(s *Step) bool {
	return s.Op == OpCall && s.Func == nil && (s.Call == unix.SYS_EXECVE || s.Call == unix.SYS_EXECVEAT)
}

// settle follows the forks that a child is known to have made.
func (c *child) settle() {
	<-c.started // a quick child answers before its first pid is known here
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.follow() {
	}
}

// died reaps a child that ended without a word and says in which step.
func (h *Run) died() error {
	step := -1
	for i, r := range h.results {
		if r.State == Running && h.plan.Steps[i].Who == Child {
			step = i
		}
	}
	if step < 0 && h.allDone() {
		return nil
	}
	h.child.kill()
	status, err := h.child.wait()
	if err != nil {
		return err
	}
	cause := fmt.Errorf("%w: %s", ErrChildDied, describe(status))
	if step < 0 {
		return cause
	}
	return &StepError{Number: step + 1, Step: &h.plan.Steps[step], Err: cause}
}

// allDone reports whether no child step is left undone.
func (h *Run) allDone() bool {
	for _, b := range h.batches {
		for _, step := range b.steps {
			if h.results[step].State == Pending {
				return false
			}
		}
	}
	return true
}

// describe puts a wait status into words.
func describe(s unix.WaitStatus) string {
	if s.Signaled() {
		return "killed by " + unix.SignalName(s.Signal())
	}
	return fmt.Sprintf("exit status %d", s.ExitStatus())
}
