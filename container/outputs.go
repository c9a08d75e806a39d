package container

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// output is one stream on its way from the payload.
type output struct {
	from *os.File
	to   io.Writer
}

// copyBuffer is how much is read from a pipe at once, in bytes: half of what it
// holds unless somebody has made it larger (pipe(7)).
const copyBuffer = 32 << 10

// copyOutputs copies streams until the payload has closed them all. Together
// means that they end in one place, where their order shows.
func copyOutputs(copies *sync.WaitGroup, outputs []output, together bool) {
	if together && len(outputs) > 1 {
		copies.Go(func() { copyInOrder(outputs) })
		return
	}
	for _, o := range outputs {
		copies.Go(func() { copyOutput(o) })
	}
}

// copyOutput copies one stream until the payload's end closes. When the reader is
// gone the pipe is closed too, so that the payload meets SIGPIPE as it would
// without a container.
func copyOutput(o output) {
	defer o.from.Close()
	_, _ = io.Copy(o.to, o.from)
}

// copyInOrder copies several streams in the order in which the payload wrote to
// them: epoll(7) lists what has become ready first come, first served. Two
// goroutines would not do: the runtime wakes those that became ready at the same
// look in the opposite order, and `echo out; echo err >&2` showed upside down.
//
// A reader that holds up one stream holds up the others. So this is for those
// that have one reader.
func copyInOrder(outputs []output) {
	queue, err := watchOutputs(outputs)
	if err != nil {
		// Without a descriptor left, or memory: the order is worth less than
		// the output.
		var copies sync.WaitGroup
		copyOutputs(&copies, outputs, false)
		copies.Wait()
		return
	}
	defer unix.Close(queue)
	buf := make([]byte, copyBuffer)
	events := make([]unix.EpollEvent, len(outputs))
	for open := len(outputs); open > 0; {
		n, err := unix.EpollWait(queue, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		for _, ev := range events[:max(n, 0)] {
			if !outputs[ev.Fd].pass(queue, ev.Fd, buf) {
				outputs[ev.Fd].from.Close() // which takes it off the queue, too
				open--
			}
		}
	}
}

// watchOutputs returns an epoll descriptor; an event's Fd is the number of the
// output.
func watchOutputs(outputs []output) (int, error) {
	queue, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("epoll_create1", err)
	}
	for i, o := range outputs {
		err := o.control(func(fd int) error { return await(queue, unix.EPOLL_CTL_ADD, fd, int32(i)) })
		if err != nil {
			unix.Close(queue)
			return -1, err
		}
	}
	return queue, nil
}

// await has the queue tell once that a stream is ready. An entry that tells
// again and again would keep its place from the last time.
func await(queue, op, fd int, number int32) error {
	err := unix.EpollCtl(queue, op, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: number})
	return os.NewSyscallError("epoll_ctl", err)
}

// pass reads once and passes it on. It reports whether there may be more. The
// queue is asked anew before the write, which may take its time: what becomes
// ready meanwhile is to be in order, too.
func (o output) pass(queue int, number int32, buf []byte) bool {
	var n int
	err := o.control(func(fd int) (err error) {
		n, err = ignoringEINTR(func() (int, error) { return unix.Read(fd, buf) })
		if n == 0 || err != nil && err != unix.EAGAIN {
			return err
		}
		return await(queue, unix.EPOLL_CTL_MOD, fd, number)
	})
	if err != nil || n == 0 {
		return false
	}
	if n < 0 {
		return true
	}
	_, err = o.to.Write(buf[:n])
	return err == nil
}

// control calls f with the stream's descriptor, which stays open meanwhile.
func (o output) control(f func(fd int) error) error {
	conn, err := o.from.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
