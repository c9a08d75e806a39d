package bundle

import "golang.org/x/sys/unix"

// consoleChunk is how much is copied at a time, in bytes.
const consoleChunk = 32 << 10

// await waits until a descriptor is ready, or has hung up; stopped says that
// finish was called.
func (c *console) await(fd int, events int16) (ready, stopped bool) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: int32(c.wakeRead), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		if err == unix.EINTR {
			continue
		}
		return err == nil && fds[0].Revents != 0, err != nil || fds[1].Revents != 0
	}
}

// hungInterval is how often a terminal that nobody has open is looked at: the
// payload may open it again, and nothing tells when.
const hungInterval = 20 // milliseconds

// copyOutput copies until the payload has ended and what it has printed is
// copied. It does not wait for the terminal's end: processes that the payload
// left behind may keep it open for ever.
func (c *console) copyOutput() {
	buf := make([]byte, consoleChunk)
	for {
		// Polling makes the kernel finish what is under way from the other
		// end (n_tty_poll), so "not ready" means that there is nothing.
		ready, stopped := c.await(c.master, unix.POLLIN)
		if !ready {
			if stopped {
				return
			}
			continue
		}
		n, err := unix.Read(c.master, buf)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err != nil || n == 0: // EIO: hung up
			if c.stopped(hungInterval) {
				return
			}
			continue
		}
		if c.out == nil {
			continue
		}
		if _, err := c.out.Write(buf[:n]); err != nil {
			c.hangUp()
			return
		}
	}
}

// stopped waits for finish, at most that many milliseconds.
func (c *console) stopped(wait int) bool {
	fds := []unix.PollFd{{Fd: int32(c.wakeRead), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, wait)
	return n > 0 || err != nil && err != unix.EINTR
}

// hangUp ends the payload's terminal: who has it as controlling terminal gets
// SIGHUP, and reading and writing it ends. The descriptor stays taken, so that
// its number is nobody else's.
func (c *console) hangUp() {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(null)
	// The last close of a master is the hang-up.
	_ = unix.Dup3(null, c.master, unix.O_CLOEXEC)
}

// copyInput copies the caller's input until its end, or finish.
func (c *console) copyInput() {
	buf := make([]byte, consoleChunk)
	typed := false
	for {
		ready, stopped := c.await(c.in, unix.POLLIN)
		if stopped {
			return
		}
		if !ready {
			continue
		}
		n, err := unix.Read(c.in, buf)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err == unix.EIO: // the caller's terminal has hung up
			return
		case err != nil || n == 0:
			if typed && c.was == nil {
				c.typeEnd()
			}
			return
		}
		typed = true
		if !c.write(buf[:n]) {
			return
		}
	}
}

// write types input; false when nobody will read it.
func (c *console) write(p []byte) bool {
	for len(p) > 0 {
		n, err := unix.Write(c.master, p)
		switch err {
		case nil:
			p = p[n:]
		case unix.EINTR:
		case unix.EIO: // hung up: what is typed now is lost
			return true
		case unix.EAGAIN:
			if _, stopped := c.await(c.master, unix.POLLOUT); stopped {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// typeEnd types the end-of-file character, if the terminal knows one: in raw
// mode it is a character like others.
func (c *console) typeEnd() {
	t, err := unix.IoctlGetTermios(c.master, unix.TCGETS)
	if err != nil || t.Lflag&unix.ICANON == 0 {
		return
	}
	c.write([]byte{t.Cc[unix.VEOF]})
}
