package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"berth/container/logs"
	"berth/nsenter"
)

// Run creates a container, runs it in the foreground and returns how it ended.
// This process is its supervisor: it forwards signals, copies the streams, and
// clears up; with AutoRemove nothing is left.
func (e *Engine) Run(ctx context.Context, c *Config, stdio Stdio) (Exit, error) {
	// From here on a signal waits for the payload: one that ended this process
	// half-way would leave the clearing up to the next command.
	signals := holdSignals()
	defer signal.Stop(signals)
	if err := e.reserve(ctx, c); err != nil {
		return Exit{}, &StartError{Code: 125, Err: err}
	}
	s := &supervisor{e: e, c: c, unrecorded: true, warnings: os.Stderr}
	s.streams = &foreground{stdio: stdio, signals: signals, stop: make(chan struct{})}
	x, err := s.supervise(ctx)
	if s.refused && !c.AutoRemove {
		err = errors.Join(err, e.erase(c))
	}
	return x, err
}

// holdSignals catches what would end this process half-way. Each signal costs
// the runtime a hand-over between threads, so these few must do until the
// payload runs.
func holdSignals() chan os.Signal {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	return signals
}

// restOfSignals is how long after the start the other signals are forwarded
// too. Nobody sends them to a container that they cannot know to run yet.
const restOfSignals = 20 * time.Millisecond

// foreground are the streams of a container whose supervisor is the command
// itself.
type foreground struct {
	stdio Stdio
	log   *logs.Writer
	// theirs are the payload's ends, ours the ones to copy.
	theirs  []*os.File
	outputs []output
	input   *os.File
	signals chan os.Signal
	// passed is told of a signal that was passed on; nil for nobody.
	passed func(unix.Signal)
	stop   chan struct{}
	copies sync.WaitGroup
}

// open makes the pipes. The payload never gets a descriptor of a file or a
// terminal of the host: it could open it anew through /proc, for writing too,
// or push characters into the terminal (CVE-2017-5226). A pipe leads nowhere
// else, so one that the caller has is handed on as it is.
func (f *foreground) open(_ context.Context, s *supervisor) (nsenter.Options, error) {
	var err error
	if f.log, err = openLog(s); err != nil {
		return nsenter.Options{}, err
	}
	f.passed = func(sig unix.Signal) { s.e.emitKill(s.c, sig) }
	return f.ends(s.c.OpenStdin)
}

// ends makes the payload's three descriptors.
func (f *foreground) ends(stdin bool) (nsenter.Options, error) {
	var o nsenter.Options
	var err error
	if o.Stdin, err = f.stdin(stdin); err != nil {
		return o, err
	}
	if o.Stdout, err = f.stdout("stdout", f.stdio.Out); err != nil {
		return o, err
	}
	o.Stderr, err = f.stdout("stderr", f.stdio.Err)
	return o, err
}

// stdin is the payload's end of its input; nil is /dev/null.
func (f *foreground) stdin(wanted bool) (*os.File, error) {
	if !wanted || f.stdio.In == nil {
		return nil, nil
	}
	if isPipe(f.stdio.In) {
		return f.stdio.In, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe for stdin: %w", err)
	}
	f.theirs = append(f.theirs, r)
	f.input = w
	return r, nil
}

// stdout is the payload's end of one of its outputs.
func (f *foreground) stdout(name string, to *os.File) (*os.File, error) {
	if f.log == nil && (to == nil || isPipe(to)) {
		return to, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe for %s: %w", name, err)
	}
	f.theirs = append(f.theirs, w)
	out := output{from: r, to: io.Discard}
	switch {
	case f.log != nil && to != nil:
		out.to = &tee{first: f.log.Stream(name), second: to}
	case f.log != nil:
		out.to = f.log.Stream(name)
	case to != nil:
		out.to = to
	}
	f.outputs = append(f.outputs, out)
	return w, nil
}

// isPipe reports whether a file is a pipe.
func isPipe(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeNamedPipe != 0
}

// sameFile reports whether two streams end in one place, as on a terminal.
func sameFile(a, b *os.File) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// tee writes the log first and then the caller's stream. A stream that nobody
// reads any more must not stop the payload's log: `yes | head` gets the
// payload a closed pipe instead.
type tee struct {
	first, second io.Writer
}

func (t *tee) Write(p []byte) (int, error) {
	// A log never fails, by its contract.
	_, _ = t.first.Write(p)
	return t.second.Write(p)
}

// begin starts to copy and to forward signals.
func (f *foreground) begin(s *supervisor) { f.copy(s.run) }

func (f *foreground) copy(run *nsenter.Run) {
	f.closeTheirs()
	copyOutputs(&f.copies, f.outputs, sameFile(f.stdio.Out, f.stdio.Err))
	if f.input != nil {
		go f.copyInput()
	}
	go f.forward(run)
}

// copyInput copies until the caller's input ends or the payload stops reading.
func (f *foreground) copyInput() {
	_, _ = io.Copy(f.input, f.stdio.In)
	f.input.Close()
}

// forward passes on signals, but for those that are about this process: its
// children, its terminal's stops, the runtime's preemption, and pipes.
func (f *foreground) forward(run *nsenter.Run) {
	rest := time.After(restOfSignals)
	for {
		select {
		case <-f.stop:
			return
		case <-rest:
			signal.Notify(f.signals)
		case sig := <-f.signals:
			n, ok := sig.(unix.Signal)
			if !ok {
				continue
			}
			switch n {
			case unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE, unix.SIGTTIN, unix.SIGTTOU:
				continue
			}
			// ESRCH means that it has just ended.
			if err := run.Signal(n); err == nil && f.passed != nil {
				f.passed(n)
			}
		}
	}
}

// drain waits until all output has been copied.
func (f *foreground) drain() { f.copies.Wait() }

// drainBriefly is drain for a program beside the container's own.
func (f *foreground) drainBriefly() { waitBriefly(&f.copies) }

// restTime is how long the output of a program may still come after its end,
// docker's: what it left in the background may hold its streams for ever.
const restTime = 2 * time.Second

func waitBriefly(copies *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		copies.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(restTime):
	}
}

func (f *foreground) closeTheirs() {
	for _, file := range f.theirs {
		file.Close()
	}
	f.theirs = nil
}

// end has nobody to tell: the caller gets the Exit.
func (f *foreground) end(context.Context, Exit) {}

// close releases what begin and open have made.
func (f *foreground) close() {
	close(f.stop)
	f.closeTheirs()
	if f.log != nil {
		if err := f.log.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			fmt.Fprintf(os.Stderr, "WARNING: close log: %v\n", err)
		}
	}
}
