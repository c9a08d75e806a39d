package systemd

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxRights is the kernel's SCM_MAX_FD: what one message can bring.
const maxRights = 253

// maxSlow is how many goroutines may wait for a barrier, or for a close, which
// can take its time with file systems that the payload serves itself.
const maxSlow = 32

// relay is the loop behind Serve and WaitReady. It ends when it is woken or the
// process of the pidfd has ended, after what had arrived by then; and, with
// untilReady, when the payload is ready. It reports whether anything went on.
func (n *Notify) relay(pidfd int, untilReady bool) (sent bool) {
	slow := make(chan struct{}, maxSlow)
	fds := []unix.PollFd{
		{Fd: int32(n.socket), Events: unix.POLLIN},
		{Fd: int32(n.wakeRead), Events: unix.POLLIN},
		{Fd: int32(pidfd), Events: unix.POLLIN}, // -1 is left out
	}
	for {
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		} else if err != nil {
			n.warn("wait for notifications: %v", err)
			return sent
		}
		last := fds[1].Revents != 0 || fds[2].Revents != 0
		did, ready := n.drain(slow, untilReady)
		sent = sent || did
		if last || ready && untilReady {
			return sent
		}
	}
}

// drain relays what is there; with untilReady, no further than the payload's
// being ready.
func (n *Notify) drain(slow chan struct{}, untilReady bool) (sent, ready bool) {
	for range drainLimit {
		m, fds, ok := n.receive()
		if !ok {
			break
		}
		if n.forward(m, fds, slow) {
			sent, ready = true, ready || m.ready
		}
		if ready && untilReady {
			break
		}
	}
	return sent, ready
}

// drainLimit is how many messages are taken at a time before looking at the
// end again: a payload that never stops talking must not keep a relay.
const drainLimit = 512

// settleLimit is how long the end waits for the service manager.
const settleLimit = 2 * time.Second

// settle waits until the service manager has taken all that was sent. It finds
// out who has spoken when it reads, and who has gone by then may be unknown.
func (n *Notify) settle() {
	fd, err := n.host.barrier()
	if err == nil {
		awaitBarrier(fd, settleLimit)
	}
}

// receive takes one message, without waiting, and its descriptors.
func (n *Notify) receive() (m notifyMessage, fds []int, ok bool) {
	buf := make([]byte, maxNotify+2) // one more than is taken, and a final NUL
	control := make([]byte, unix.CmsgSpace(4*maxRights))
	for {
		size, controlSize, flags, _, err := unix.Recvmsg(n.socket, buf, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return m, nil, false
		}
		fds = parseRights(control[:controlSize])
		if flags&unix.MSG_TRUNC != 0 {
			n.warn("drop a notification of more than %d bytes", maxNotify)
			return m, fds, true
		}
		m = filterNotify(buf[:size], n.o.Store)
		if flags&unix.MSG_CTRUNC != 0 {
			// Some descriptors were lost, so it is unclear which these are.
			n.warn("drop a notification whose descriptors could not be received")
			m = notifyMessage{}
		}
		return m, fds, true
	}
}

// parseRights returns the descriptors of a control message.
func parseRights(control []byte) []int {
	var fds []int
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for i := range messages {
		if more, err := unix.ParseUnixRights(&messages[i]); err == nil {
			fds = append(fds, more...)
		}
	}
	return fds
}

// forward sends on what is left of a message. It reports whether anything was.
func (n *Notify) forward(m notifyMessage, fds []int, slow chan struct{}) bool {
	if m.barrier && len(fds) == 1 {
		n.barrier(fds, slow)
		return false
	}
	defer func() { n.later(slow, func() { closeAll(fds) }, len(fds) > 0) }()
	if len(m.lines) == 0 {
		return false
	}
	var rights []int
	if m.store {
		rights = fds
	}
	text := strings.Join(m.lines, "\n")
	if m.ready && n.mainPID > 0 {
		main := "MAINPID=" + strconv.Itoa(n.mainPID)
		if len(main)+1+len(text) <= maxNotify {
			text = main + "\n" + text
		} else if err := n.host.send(main, nil); err != nil {
			n.warn("%v", err)
		}
	}
	if err := n.host.send(text, rights); err != nil {
		n.warn("%v", err)
		return false
	}
	return true
}

// barrier closes the payload's end of a pipe once the service manager has taken
// what the payload said before. The manager gets a pipe of berth's: descriptors
// of a payload's making are nothing to give to PID 1 unasked.
func (n *Notify) barrier(fds []int, slow chan struct{}) {
	ours, err := n.host.barrier()
	if err != nil {
		n.warn("%v", err)
	}
	n.later(slow, func() {
		if err == nil {
			awaitBarrier(ours, barrierTime)
		}
		closeAll(fds)
	}, true)
}

// later does what may take long beside the relay, or, when there is too much
// of that, in its place.
func (n *Notify) later(slow chan struct{}, do func(), needed bool) {
	if !needed {
		return
	}
	select {
	case slow <- struct{}{}:
		go func() {
			defer func() { <-slow }()
			do()
		}()
	default:
		do()
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
