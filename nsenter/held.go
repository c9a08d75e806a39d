package nsenter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A plan can be held: its child stops in a step that blocks (a read from a
// FIFO), this process goes away, and another one lets the child go on and
// learns what became of it. What ties the two together is the plan's memory, as
// a file: the child's descriptor of it holds a lock until its execve or its
// end, and its results are in it.

// Hold makes the step that was added last the one that the child stops in:
// Start then returns when the child has reached it.
func (p *Plan) Hold() { p.hold = len(p.Steps) }

// holdInterval is how often the host looks whether the child has come to the
// step that holds it. The child cannot be asked to tell: a seccomp filter may
// be in the way of every call that could.
const holdInterval = 30 * time.Microsecond

// awaitHold waits until the child has reached its last step for now, or is
// gone.
func (h *Run) awaitHold(ctx context.Context) error {
	for step := h.plan.hold - 1; ; {
		if h.ChildResult(step).State == Running {
			return h.child.leaveLock()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if h.child.gone() {
			return nil // the results say what happened
		}
		time.Sleep(holdInterval)
	}
}

// leaveLock leaves the lock on the plan's memory to the child alone, by opening
// the file anew: this process may be the one that waits for the lock later.
func (c *child) leaveLock() error {
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(c.memory), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the plan's memory anew: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Dup3(fd, c.memory, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("open the plan's memory anew: dup3: %w", err)
	}
	return nil
}

// gone reports whether the child's end of the control socket is closed.
func (c *child) gone() bool {
	<-c.started
	if c.err != nil {
		return true
	}
	var b [1]byte
	n, _, err := unix.Recvfrom(c.control, b[:], unix.MSG_DONTWAIT)
	return err == nil && n == 0 || err != nil && err != unix.EAGAIN && err != unix.EINTR
}

// held reports whether the child waits in the step that holds it.
func (h *Run) held() bool {
	return h.plan.hold > 0 && h.results[h.plan.hold-1].State == Running && !h.child.gone()
}

// openMemory makes the memory that plan and results are in: anonymous, or the
// locked file that a held plan leaves behind.
func openMemory(path string) (int, error) {
	if path == "" {
		fd, err := unix.MemfdCreate("berth-plan", unix.MFD_CLOEXEC)
		if err != nil {
			return -1, fmt.Errorf("memfd_create: %w", err)
		}
		return fd, nil
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return -1, fmt.Errorf("make plan file %s: %w", path, err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("lock plan file %s: %w", path, err)
	}
	return fd, nil
}

// Held reports whether the child of the plan in a file has not come to its
// execve yet. Without the file there is none.
func Held(path string) (bool, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open plan file %s: %w", path, err)
	}
	defer unix.Close(fd)
	err = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	if err != nil && err != unix.EWOULDBLOCK {
		return false, fmt.Errorf("look at the lock of %s: %w", path, err)
	}
	return err != nil, nil
}

// AwaitHeld waits until the child of the plan in a file has become its program
// and returns nil, or until it has ended, with the reason.
func AwaitHeld(ctx context.Context, path string) error {
	for wait := holdInterval; ; wait = min(2*wait, 10*time.Millisecond) {
		held, err := Held(path)
		if err != nil {
			return err
		}
		if !held {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(wait)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read results of the plan: %w", err)
	}
	return heldOutcome(data)
}

// heldOutcome goes through the batches of a plan's memory.
func heldOutcome(data []byte) error {
	le := binary.LittleEndian
	last := errors.New("no step was made")
	for len(data) >= batchHeader {
		steps, size := int(le.Uint32(data[8:])), le.Uint64(data[16:])
		if size == 0 {
			break
		}
		if size > uint64(len(data)) || uint64(batchHeader+steps*(stepSize+resultSize)) > size {
			return fmt.Errorf("read results of the plan: %w", unix.EBADMSG)
		}
		for i := range steps {
			step := data[batchHeader+i*stepSize:]
			result := decodeResult(data[batchHeader+steps*stepSize+i*resultSize:])
			ended, err := heldStep(step, result, last)
			if ended {
				return err
			}
			last = err
		}
		pages := (int(size) + pageSize - 1) / pageSize * pageSize
		data = data[min(pages, len(data)):]
	}
	return last
}

// heldStep looks at one step: whether it was the last that mattered, and with
// which error; else last, or what is to be said instead if no step succeeds.
func heldStep(step []byte, r Result, last error) (ended bool, err error) {
	call := uintptr(binary.LittleEndian.Uint32(step[8:]))
	isExec := Op(binary.LittleEndian.Uint16(step)) == OpCall && (call == unix.SYS_EXECVE || call == unix.SYS_EXECVEAT)
	switch {
	case r.State == Running && isExec:
		return true, nil
	case r.State == Running:
		return true, fmt.Errorf("%s: %w", CallName(call), ErrChildDied)
	case r.State == Failed:
		return true, fmt.Errorf("%s: %w", CallName(call), r.Errno())
	case r.State == Tolerated && isExec && !errors.Is(last, unix.EACCES):
		return false, fmt.Errorf("%s: %w", CallName(call), r.Errno())
	}
	return false, last
}
