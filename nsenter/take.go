package nsenter

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// TakeFd waits until a child step with Await, given by its index in the plan,
// has returned a descriptor, calls use with the child's pid and a duplicate
// of the descriptor, and lets the child go on. It is for host steps that need
// what the child cannot send: a seccomp filter's listener is closed by the
// child's execve, and no system call is sure to pass the filter.
//
// The duplicate is closed afterwards. An error of use is returned and leaves
// the child waiting: the end of the run kills it. When the child's step has
// failed, or the child is gone, use is not called and the result is nil; the
// run itself reports that.
func (h *Run) TakeFd(step int, use func(pid, fd int) error) error {
	if h.child == nil {
		return fmt.Errorf("take a descriptor of a plan without child: %w", unix.ESRCH)
	}
	r := h.awaitResult(step)
	if r.State != Done || r.Value < 0 {
		return nil
	}
	h.child.settle()
	pid := h.Pid()
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open process %d: %w", pid, err)
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, int(r.Value), 0)
	if err != nil {
		return fmt.Errorf("pidfd_getfd descriptor %d of process %d: %w", r.Value, pid, err)
	}
	defer unix.Close(fd)
	if err := use(pid, fd); err != nil {
		return err
	}
	return h.letGo(step)
}

// awaitResult polls the shared memory until a child step has ended, or the
// child has. A step that lies behind does not take long, but nothing can wake
// the host either.
func (h *Run) awaitResult(step int) Result {
	pause := 20 * time.Microsecond
	for {
		r := h.ChildResult(step)
		if r.State > Running {
			return r
		}
		// The child says nothing, so this is the end of its socket.
		timeout := unix.NsecToTimespec(int64(pause))
		n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(h.child.control), Events: unix.POLLIN}}, &timeout, nil)
		if n > 0 || err != nil && err != unix.EINTR {
			return h.ChildResult(step)
		}
		pause = min(2*pause, time.Millisecond)
	}
}

// letGo sets the word that the child looks at.
func (h *Run) letGo(step int) error {
	at, ok := h.resultAt(step)
	if !ok {
		return fmt.Errorf("let step %d go: it was not sent: %w", step+1, unix.ESRCH)
	}
	// The file is the child's memory: the last field of struct plan_result.
	if _, err := unix.Pwrite(h.child.memory, []byte{1, 0, 0, 0}, at+resultSize-4); err != nil {
		return fmt.Errorf("let the child go on: %w", err)
	}
	return nil
}
