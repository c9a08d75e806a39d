package bundle

import (
	"fmt"
	"os"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"berth/container"
)

// console connects the terminal of a payload in the foreground with the
// caller's streams.
//
// The caller's terminal, when stdin is one, is in raw mode meanwhile: its keys
// are the payload's. Output goes to stdout. What else the caller has will do:
// a pipe or a file as stdin is typed in, and its end is typed too (unless it
// was empty, which says "no input" rather than "end of input"); a stdout that
// takes no more hangs up the payload's terminal, as closing a window does.
type console struct {
	master int
	in     int // descriptor of the caller's stdin, -1 for none
	out    *os.File
	was    *term.State
	once   sync.Once

	// wake ends the waits of both copiers: it is closed by finish.
	wakeRead, wakeWrite int
	input, output       sync.WaitGroup
}

// startConsole sets the caller's terminal to raw mode, gives the payload's
// terminal the size of the caller's, and copies both ways. It owns master from
// here on, also after an error.
func startConsole(master int, stdio container.Stdio) (*console, error) {
	c := &console{master: master, in: -1, out: stdio.Out}
	if stdio.In != nil {
		c.in = int(stdio.In.Fd())
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		unix.Close(master)
		return nil, fmt.Errorf("make pipe for the terminal: %w", err)
	}
	c.wakeRead, c.wakeWrite = pipe[0], pipe[1]
	// A payload that does not read its terminal must not stop a copier for
	// good. Nobody else has this end of the terminal.
	if err := unix.SetNonblock(master, true); err != nil {
		c.closeFiles()
		return nil, fmt.Errorf("set terminal to non-blocking: %w", err)
	}
	if err := c.raw(); err != nil {
		c.closeFiles()
		return nil, err
	}
	c.resize(stdio)
	c.output.Go(func() { defer c.restoreOnPanic(); c.copyOutput() })
	if c.in >= 0 {
		c.input.Go(func() { defer c.restoreOnPanic(); c.copyInput() })
	}
	return c, nil
}

// raw sets stdin to raw mode if it is a terminal.
func (c *console) raw() error {
	if c.in < 0 || !term.IsTerminal(c.in) {
		return nil
	}
	was, err := term.MakeRaw(c.in)
	if err != nil {
		return fmt.Errorf("set the caller's terminal to raw mode: %w", err)
	}
	c.was = was
	return nil
}

// restore gives the caller's terminal back as it was.
func (c *console) restore() {
	c.once.Do(func() {
		if c.was != nil {
			// A terminal that is gone needs no restoring.
			_ = term.Restore(c.in, c.was)
		}
	})
}

// restoreOnPanic is deferred by goroutines: a panic in one ends the process
// without the deferred calls of the others.
func (c *console) restoreOnPanic() {
	if p := recover(); p != nil {
		c.restore()
		panic(p)
	}
}

// resize gives the payload's terminal the size of the caller's, if there is
// one that knows: the kernel tells the payload (SIGWINCH) when it changes.
func (c *console) resize(stdio container.Stdio) {
	if size := windowSize(stdio); size != nil {
		// It fails on a terminal that has hung up, which has no size to keep.
		_ = unix.IoctlSetWinsize(c.master, unix.TIOCSWINSZ, size)
	}
}

// windowSize is the size of the caller's terminal, nil when there is none that
// knows it.
func windowSize(stdio container.Stdio) *unix.Winsize {
	for _, f := range []*os.File{stdio.In, stdio.Out, stdio.Err} {
		if f == nil {
			continue
		}
		size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
		if err == nil && size.Row > 0 && size.Col > 0 {
			return size
		}
	}
	return nil
}

// adoptSize gives a process whose terminal is in the foreground the size of the
// caller's, for process.consoleSize: a program may look at it before startConsole
// has been called. Call it before the plan is compiled.
func adoptSize(p *specs.Process, stdio container.Stdio) {
	if p == nil || !p.Terminal {
		return
	}
	if size := windowSize(stdio); size != nil {
		p.ConsoleSize = &specs.Box{Height: uint(size.Row), Width: uint(size.Col)}
	}
}

// finish is called once, when the payload has ended. It copies what the
// payload has printed, restores the caller's terminal and closes the payload's,
// by which processes that it left behind lose theirs.
func (c *console) finish() {
	unix.Close(c.wakeWrite)
	c.output.Wait()
	c.input.Wait()
	c.restore()
	unix.Close(c.master)
	unix.Close(c.wakeRead)
}

// closeFiles is finish for a console that has not started.
func (c *console) closeFiles() {
	unix.Close(c.master)
	unix.Close(c.wakeRead)
	unix.Close(c.wakeWrite)
}
