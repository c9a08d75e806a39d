package attach

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is the caller's terminal in raw mode. The nil terminal stands for
// none.
type terminal struct {
	fd   int
	was  *term.State
	once sync.Once
}

// rawTerminal sets stdin to raw mode when it is a terminal and the container
// has one.
func (c *Client) rawTerminal() (*terminal, error) {
	if !c.o.TTY || c.o.Stdin == nil {
		return nil, nil
	}
	fd := int(c.o.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return nil, nil
	}
	was, err := term.MakeRaw(fd)
	if err != nil {
		return nil, fmt.Errorf("set terminal %s to raw mode: %w", c.o.Stdin.Name(), err)
	}
	return &terminal{fd: fd, was: was}, nil
}

// restore gives the terminal back as it was. Only the first call counts.
func (t *terminal) restore() {
	if t == nil {
		return
	}
	// A terminal that is gone needs no restoring.
	t.once.Do(func() { _ = term.Restore(t.fd, t.was) })
}

// restoreOnPanic is deferred by goroutines: a panic in one ends the process
// without the deferred calls of the others.
func (t *terminal) restoreOnPanic() {
	if p := recover(); p != nil {
		t.restore()
		panic(p)
	}
}

// TerminalSize is the size of the first of the files that is a terminal and
// knows its own; false when none does. Files may be nil.
func TerminalSize(files ...*os.File) (Size, bool) {
	for _, f := range files {
		if size, ok := terminalSize(f); ok {
			return size, true
		}
	}
	return Size{}, false
}

// terminalSize is the size of the terminal f; false when it is none or does
// not know.
func terminalSize(f *os.File) (Size, bool) {
	if f == nil {
		return Size{}, false
	}
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Row == 0 || ws.Col == 0 {
		return Size{}, false
	}
	return Size{ws.Row, ws.Col, ws.Xpixel, ws.Ypixel}, true
}

// signals are those that Run handles.
type signals struct {
	resize, other chan os.Signal
}

// catchSignals subscribes to what the options ask for: with a terminal the
// resizes and whatever would end the process with the terminal still raw,
// without one all that can be passed on.
func (c *Client) catchSignals() *signals {
	s := &signals{make(chan os.Signal, 1), make(chan os.Signal, 64)}
	switch {
	case c.o.TTY:
		signal.Notify(s.resize, unix.SIGWINCH)
		// The size may have changed since Dial, and a window that changes from now
		// on is noticed.
		_ = c.resize()
		signal.Notify(s.other, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	case c.o.SigProxy:
		signal.Notify(s.other, proxied()...)
	}
	return s
}

// stop gives the signals back.
func (s *signals) stop() {
	signal.Stop(s.resize)
	signal.Stop(s.other)
}

// proxied lists the signals that are passed on to the payload.
func proxied() []os.Signal {
	var list []os.Signal
	for n := syscall.Signal(1); n <= 64; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP: // cannot be caught
		case 32, 33: // the C library's own
		case unix.SIGCHLD, unix.SIGPIPE, unix.SIGURG, unix.SIGWINCH:
			// About this process: its children, its pipes, the Go runtime's
			// preemption, and its terminal, which the container does not have.
		case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU: // the shell's job control
		default:
			list = append(list, n)
		}
	}
	return list
}

// signalNumber is a signal's number.
func signalNumber(sig os.Signal) (uint32, bool) {
	n, ok := sig.(syscall.Signal)
	return uint32(n), ok
}
