package attach

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// stdinChunk is how much is read from stdin at a time, in bytes.
const stdinChunk = 32 << 10

// waker ends a poll(2) on a file that cannot be told to stop: stdin is shared
// with other processes and may not be made non-blocking.
type waker struct {
	r, w *os.File
	done chan struct{}
}

func newWaker() (*waker, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &waker{r, w, make(chan struct{})}, nil
}

// wake ends all waits, now and later. It is called once.
func (w *waker) wake() {
	close(w.done)
	w.w.Close()
}

// close frees the pipe when nobody waits any more.
func (w *waker) close() { w.r.Close() }

// readable waits until f can be read without blocking; false after wake.
func (w *waker) readable(f *os.File) (bool, error) {
	fds := []unix.PollFd{
		{Fd: int32(f.Fd()), Events: unix.POLLIN},
		{Fd: int32(w.r.Fd()), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return false, &fs.PathError{Op: "poll", Path: f.Name(), Err: err}
		}
		return fds[1].Revents == 0, nil
	}
}

// read reads what is there. n is 0 at the end, which a terminal that was hung
// up also is (EIO, tty_read in drivers/tty/tty_io.c); -1 for nothing yet.
func read(f *os.File, p []byte) (n int, err error) {
	n, err = unix.Read(int(f.Fd()), p)
	switch err {
	case nil:
		return n, nil
	case unix.EINTR, unix.EAGAIN:
		return -1, nil
	case unix.EIO:
		return 0, nil
	}
	return 0, &fs.PathError{Op: "read", Path: f.Name(), Err: err}
}

// copyInput sends stdin until its end, the detach keys, or wake. Only detach
// and errors of reading end the attachment.
func (c *Client) copyInput(w *waker, ends chan<- ending) {
	scan := newScanner(c.keys)
	in := make([]byte, stdinChunk)
	var out []byte
	for {
		ok, err := w.readable(c.o.Stdin)
		n := -1
		if ok && err == nil {
			n, err = read(c.o.Stdin, in)
		}
		switch {
		case err != nil:
			ends <- ending{err: err}
			return
		case !ok:
			return
		case n < 0:
			continue
		case n == 0:
			if c.sendInput(w, scan.rest()) {
				_ = c.write(appendHeader(nil, frameStdinEOF, 0))
			}
			return
		}
		var found bool
		out, found = scan.scan(out[:0], in[:n])
		if !c.sendInput(w, out) {
			return
		}
		if found {
			ends <- ending{result: Result{Detached: true}}
			return
		}
	}
}

// sendInput sends p as the window allows; false after wake or when the
// connection is lost, which copyOutput reports.
func (c *Client) sendInput(w *waker, p []byte) bool {
	for len(p) > 0 {
		n := c.take(w, min(len(p), maxPayload))
		if n == 0 || c.write(append(appendHeader(nil, frameStdin, n), p[:n]...)) != nil {
			return false
		}
		p = p[n:]
	}
	return true
}

// take waits until some of the window is free and takes up to want bytes of
// it; 0 after wake.
func (c *Client) take(w *waker, want int) int {
	for {
		c.mu.Lock()
		n := min(want, c.window)
		c.window -= n
		c.mu.Unlock()
		if n > 0 {
			return n
		}
		select {
		case <-w.done:
			return 0
		case <-c.credit:
		}
	}
}

// raise adds a credit to the window.
func (c *Client) raise(n int) {
	c.mu.Lock()
	c.window += n
	c.mu.Unlock()
	select {
	case c.credit <- struct{}{}:
	default:
	}
}
