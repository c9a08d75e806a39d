package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"berth/container/attach"
	"berth/container/logs"
	"berth/nsenter"
)

// detached are the streams of a container with a monitor: the log, and
// whoever attaches.
type detached struct {
	rerun    bool // the monitor starts it again: no command has its word in it
	run      *nsenter.Run
	resized  func(attach.Size) // told of a new size; nil for nobody
	passed   func(unix.Signal) // told of a client's signal; nil for nobody
	log      *logs.Writer
	server   *attach.Server
	listener net.Listener
	stop     context.CancelFunc
	served   sync.WaitGroup
	copies   sync.WaitGroup

	theirs   []*os.File
	outputs  []output
	stdin    *os.File
	terminal *os.File

	// sizing guards the terminal and its size: a client may send one before
	// there is a terminal, which gets it then.
	sizing sync.Mutex
	size   *attach.Size
}

// open makes the streams' ends, serves the attach socket, and waits for the
// command's word to go on.
func (d *detached) open(ctx context.Context, s *supervisor) (nsenter.Options, error) {
	var o nsenter.Options
	var err error
	if d.log, err = openLog(s); err != nil {
		return o, err
	}
	d.resized = func(size attach.Size) {
		s.e.emit(s.c, "resize", "height", strconv.Itoa(int(size.Rows)), "width", strconv.Itoa(int(size.Cols)))
	}
	d.passed = func(sig unix.Signal) { s.e.emitKill(s.c, sig) }
	tty := s.compiled.Terminal != nil
	d.server = attach.NewServer(tty)
	if tty {
		o.Keep = []nsenter.Slot{s.compiled.Terminal.Master}
	} else if err := d.pipes(s.c.OpenStdin, &o); err != nil {
		return o, err
	}
	if err := d.serve(ctx, s.e.attachPath(s.c.ID)); err != nil {
		return o, err
	}
	if d.rerun {
		return o, nil // no command waits for it
	}
	if err := tell(report{Stage: "listening"}); err != nil {
		return o, err
	}
	return o, awaitGo()
}

// pipes makes the pipes of a container without terminal.
func (d *detached) pipes(stdin bool, o *nsenter.Options) error {
	if stdin {
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("make pipe for stdin: %w", err)
		}
		o.Stdin, d.stdin = r, w
		d.theirs = append(d.theirs, r)
	}
	for _, out := range []struct {
		name  string
		to    io.Writer
		child **os.File
	}{
		{"stdout", d.server.Stdout(), &o.Stdout},
		{"stderr", d.server.Stderr(), &o.Stderr},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("make pipe for %s: %w", out.name, err)
		}
		*out.child = w
		d.theirs = append(d.theirs, w)
		d.outputs = append(d.outputs, output{from: r, to: d.both(out.name, out.to)})
	}
	return nil
}

// both sends a stream to the log and to those attached.
func (d *detached) both(name string, clients io.Writer) io.Writer {
	if d.log == nil {
		return clients
	}
	return &tee{first: d.log.Stream(name), second: clients}
}

// serve accepts clients until close.
func (d *detached) serve(ctx context.Context, path string) error {
	// Streams outlive the start, whose context may end with it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.stop = cancel
	var err error
	if d.listener, err = attach.Listen(ctx, path); err != nil {
		return err
	}
	d.served.Go(func() { _ = d.server.Serve(ctx, d.listener, d) })
	return nil
}

// begin starts to copy.
func (d *detached) begin(s *supervisor) {
	for _, f := range d.theirs {
		f.Close()
	}
	d.theirs = nil
	d.run = s.run
	if t := s.compiled.Terminal; t != nil {
		d.attachTerminal(s.run.Fd(t.Master))
		return
	}
	d.copy()
}

// attachTerminal takes over a terminal's master and starts to copy.
func (d *detached) attachTerminal(fd int) {
	d.sizing.Lock()
	d.terminal = os.NewFile(uintptr(fd), "terminal")
	early := d.size
	d.sizing.Unlock()
	if early != nil {
		// One that is gone already needs no size.
		_ = d.Resize(*early)
	}
	d.stdin = d.terminal
	d.outputs = []output{{from: d.terminal, to: d.both("stdout", d.server.Stdout())}}
	d.copy()
}

func (d *detached) copy() {
	copyOutputs(&d.copies, d.outputs, true)
}

// Stdin writes what a client sends to the payload.
func (d *detached) Stdin(p []byte) error {
	if d.stdin == nil {
		return os.ErrClosed
	}
	_, err := d.stdin.Write(p)
	return err
}

// CloseStdin passes on the end of a client's input. A terminal has none but
// the user's own control-D.
func (d *detached) CloseStdin() error {
	if d.stdin == nil || d.stdin == d.terminal {
		return nil
	}
	return d.stdin.Close()
}

// Resize sets the terminal's size.
func (d *detached) Resize(size attach.Size) error {
	d.sizing.Lock()
	defer d.sizing.Unlock()
	if d.terminal == nil {
		d.size = &size
		return nil
	}
	ws := unix.Winsize{Row: size.Rows, Col: size.Cols, Xpixel: size.X, Ypixel: size.Y}
	if err := unix.IoctlSetWinsize(int(d.terminal.Fd()), unix.TIOCSWINSZ, &ws); err != nil {
		return fmt.Errorf("resize terminal: %w", err)
	}
	if d.resized != nil {
		d.resized(size)
	}
	return nil
}

// Signal sends a signal to the payload.
func (d *detached) Signal(n int) error {
	if d.run == nil {
		return unix.ESRCH
	}
	err := d.run.Signal(unix.Signal(n))
	if err == nil && d.passed != nil {
		d.passed(unix.Signal(n))
	}
	return err
}

// drain waits until all output is in the log and with the clients.
func (d *detached) drain() { d.copies.Wait() }

// drainBriefly is drain for a program beside the container's own.
func (d *detached) drainBriefly() { waitBriefly(&d.copies) }

// endTime bounds how long a client may take to read the last of the output.
const endTime = 30 * time.Second

// end tells the clients how it ended.
func (d *detached) end(ctx context.Context, x Exit) {
	if d.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	st := attach.Status{OOM: x.OOMKilled}
	if x.Code != nil {
		st.ExitCode = *x.Code
	}
	// A client that does not read its end is no concern of the record.
	_ = d.server.Exit(ctx, st)
}

// close releases everything.
func (d *detached) close() {
	if d.stop != nil {
		d.stop()
	}
	d.served.Wait()
	for _, f := range d.theirs {
		f.Close()
	}
	if d.stdin != nil {
		d.stdin.Close()
	}
	if d.log != nil {
		if err := d.log.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			_ = err // the monitor has nobody to tell; the log counts what it dropped
		}
	}
}
