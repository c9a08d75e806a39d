package container

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Descriptors that the executor's host side leaves in the child.
const (
	controlFd = 3
	planFd    = 4
)

// openFiles plans the host's steps that take hold of its own descriptors for
// the payload. They come first, so that a number without a file fails before
// anything exists.
func openFiles(p *nsenter.Plan, fds []int, from string) ([]nsenter.Slot, error) {
	var slots []nsenter.Slot
	for i, fd := range fds {
		if fd < 0 {
			return nil, fmt.Errorf("%s: %d is not a descriptor", from, fd)
		}
		name := "file " + strconv.Itoa(3+i)
		slot := p.NewSlot(name)
		p.Add(nsenter.Call(nsenter.Host, unix.SYS_FCNTL, nsenter.Int(fd), nsenter.Int(unix.F_DUPFD_CLOEXEC), nsenter.Int(3)).
			To(slot).On("descriptor "+strconv.Itoa(fd)).For(from, "it becomes the payload's descriptor "+strconv.Itoa(3+i)))
		slots = append(slots, slot)
	}
	return slots, nil
}

// passFiles puts the caller's files to the numbers from 3 on, where the control
// socket and the plan are. Those move out of the way first, close-on-exec: the
// end of file on the socket still tells the host of the execve. From here on
// the child can receive no more steps. The steps are made before the filter,
// which need not allow any of the calls.
func (pl *payload) passFiles() error {
	if len(pl.files) == 0 {
		return nil
	}
	const from = "--preserve-fds"
	above := 3 + len(pl.files)
	lift := func(fd nsenter.Arg, name, why string) nsenter.Slot {
		slot := pl.p.NewSlot(name)
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_FCNTL, fd, nsenter.Int(unix.F_DUPFD_CLOEXEC), nsenter.Int(above)).
			To(slot).On(name).For(from, why))
		return slot
	}
	lift(nsenter.Int(controlFd), "control socket", "its number is wanted; that it closes at the execve tells the host so")
	lift(nsenter.Int(planFd), "plan", "its number may be wanted")
	if pl.gate != nsenter.NoSlot {
		pl.gate = lift(nsenter.Fd(pl.gate), "start", "its number may be wanted")
	}
	lifted := make([]nsenter.Slot, len(pl.files))
	for i, slot := range pl.files {
		lifted[i] = lift(nsenter.Fd(slot), pl.p.SlotName(slot), "out of the way of those that are placed before it")
	}
	for i, slot := range lifted {
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_DUP3, nsenter.Fd(slot), nsenter.Int(3+i), nsenter.Int(0)).
			On(pl.p.SlotName(slot)).For(from, "the payload's descriptor "+strconv.Itoa(3+i)))
	}
	return nil
}
