package attach

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lingerTime is how long Run waits on leaving for output that is being
// written: a terminal stopped by ctrl-s must not hold up a detach.
const lingerTime = 200 * time.Millisecond

// ClientOptions says what is attached. Streams that are nil are not.
type ClientOptions struct {
	Stdin, Stdout, Stderr *os.File
	// TTY is set when the container has a terminal: if there is one here it is
	// set to raw mode, its size is passed on, and DetachKeys are looked for.
	TTY        bool
	DetachKeys string // docker's syntax, see ParseDetachKeys
	// SigProxy passes signals on to the payload. With TTY the terminal's keys do
	// that, and signals end the client.
	SigProxy bool
	// Lossless holds up the payload when the output is not taken, instead of
	// dropping this client: for the foreground of run and start.
	Lossless bool
}

// Result is how an attachment ended.
type Result struct {
	Status        // of the payload, unless Detached
	Detached bool // by the detach keys; the payload runs on
}

// Client is an attachment that the supervisor has accepted.
type Client struct {
	o    ClientOptions
	keys []byte
	conn net.Conn
	in   *bufio.Reader

	send   sync.Mutex // one frame at a time on conn
	mu     sync.Mutex
	window int           // bytes of stdin that may be sent
	credit chan struct{} // holds one: the window was raised
}

// Attach is Dial and Run.
func Attach(ctx context.Context, path string, o ClientOptions) (Result, error) {
	c, err := Dial(ctx, path, o)
	if err != nil {
		return Result{}, err
	}
	return c.Run(ctx)
}

// Dial connects to the supervisor at path. When it returns, all that the
// payload prints from then on will arrive, so a payload that is started
// afterwards loses nothing. The terminal's size has been sent. Either Run or
// Close must follow.
func Dial(ctx context.Context, path string, o ClientOptions) (*Client, error) {
	c := &Client{o: o, credit: make(chan struct{}, 1)}
	if o.TTY && o.Stdin != nil {
		var err error
		if c.keys, err = ParseDetachKeys(o.DetachKeys); err != nil {
			return nil, err
		}
	}
	conn, err := dial(ctx, path)
	if err != nil {
		return nil, err
	}
	c.conn, c.in = conn, bufio.NewReaderSize(conn, 16<<10)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = c.shakeHands()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("attach to %s: %w", path, err)
	}
	return c, nil
}

// Close gives up a client that is not run.
func (c *Client) Close() error { return c.conn.Close() }

// shakeHands says hello and the terminal's size.
func (c *Client) shakeHands() error {
	// Both fail on a closed connection only, which Dial and the reads notice.
	_ = c.conn.SetDeadline(time.Now().Add(helloTimeout))
	defer func() { _ = c.conn.SetDeadline(time.Time{}) }()
	var flags uint16
	for _, f := range [...]struct {
		on   bool
		flag uint16
	}{
		{c.o.Stdin != nil, wantStdin}, {c.o.Stdout != nil, wantStdout},
		{c.o.Stderr != nil, wantStderr}, {c.o.Lossless, lossless},
	} {
		if f.on {
			flags |= f.flag
		}
	}
	if _, err := c.conn.Write(helloFrame(flags)); err != nil {
		return cause(err)
	}
	kind, payload, _, err := readFrame(c.in, nil)
	if err != nil {
		return lost(err)
	}
	_, window, err := parseWelcome(kind, payload)
	if err != nil {
		return err
	}
	c.window = int(window)
	return c.resize()
}

// lost says in plain words that the other side closed the connection.
func lost(err error) error {
	if errors.Is(err, ErrProtocol) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrLost, cause(err))
}

// resize sends the terminal's size, if there is a terminal.
func (c *Client) resize() error {
	if !c.o.TTY {
		return nil
	}
	if size, ok := TerminalSize(c.o.Stdout, c.o.Stdin); ok {
		return c.write(resizeFrame(size))
	}
	return nil
}

// write sends whole frames.
func (c *Client) write(frames []byte) error {
	c.send.Lock()
	defer c.send.Unlock()
	_, err := c.conn.Write(frames)
	return err
}

// ending is why an attachment ends.
type ending struct {
	result Result
	err    error
}

// Run copies until the payload exits, the detach keys are typed, a signal ends
// the client (SignalError), the supervisor is lost (ErrLost), output cannot be
// written, or ctx ends. The terminal is then as it was before, also after a
// panic. The files stay open. A client runs once.
func (c *Client) Run(ctx context.Context) (Result, error) {
	defer c.conn.Close()
	// Before the terminal is raw, so that no signal can leave it so.
	signals := c.catchSignals()
	defer signals.stop()
	tty, err := c.rawTerminal()
	if err != nil {
		return Result{}, err
	}
	defer tty.restore()
	wake, err := newWaker()
	if err != nil {
		return Result{}, err
	}
	// Each of the two copiers says once why it ended.
	ends := make(chan ending, 2)
	var input sync.WaitGroup
	// Last, for stdin must not be read any more when Run has returned.
	defer wake.close()
	defer input.Wait()
	defer wake.wake()
	if c.o.Stdin != nil {
		input.Go(func() {
			defer tty.restoreOnPanic()
			c.copyInput(wake, ends)
		})
	}
	received := make(chan struct{})
	go func() {
		defer close(received)
		defer tty.restoreOnPanic()
		ends <- c.copyOutput()
	}()
	end := c.wait(ctx, signals, ends)
	if end.result.Detached {
		// Only now: the supervisor closes the connection on it, which copyOutput
		// would take for a loss.
		_ = c.write(appendHeader(nil, frameDetach, 0))
	}
	// Lets a copier that waits for the supervisor go.
	c.conn.Close()
	select {
	case <-received:
	case <-time.After(lingerTime):
	}
	return end.result, end.err
}

// wait handles signals until something ends the attachment.
func (c *Client) wait(ctx context.Context, signals *signals, ends <-chan ending) ending {
	for {
		select {
		case end := <-ends:
			return c.hangup(signals, end)
		case <-ctx.Done():
			return ending{err: ctx.Err()}
		case <-signals.resize:
			// The connection's end is noticed by copyOutput.
			_ = c.resize()
		case sig := <-signals.other:
			if c.o.TTY {
				return ending{err: &SignalError{sig}}
			}
			if n, ok := signalNumber(sig); ok {
				_ = c.write(numberFrame(frameSignal, n))
			}
		}
	}
}

// hangupTime is how long the signal of a hangup is waited for.
const hangupTime = 200 * time.Millisecond

// hangup tells a terminal that has hung up from one that fails: a copier sees
// EIO of both (termios(3)), maybe before the SIGHUP has come through, and it is
// the signal that the caller ends by.
func (c *Client) hangup(signals *signals, end ending) ending {
	if !c.o.TTY || !errors.Is(end.err, unix.EIO) {
		return end
	}
	select {
	case sig := <-signals.other:
		return ending{err: &SignalError{sig}}
	case <-time.After(hangupTime):
		return end
	}
}

// copyOutput writes what the payload prints and returns with its end.
func (c *Client) copyOutput() ending {
	var buf []byte
	for {
		kind, payload, grown, err := readFrame(c.in, buf)
		buf = grown
		if err != nil {
			return ending{err: lost(err)}
		}
		switch kind {
		case frameStdout:
			err = writeTo(c.o.Stdout, payload)
		case frameStderr:
			err = writeTo(c.o.Stderr, payload)
		case frameCredit:
			var n uint32
			if n, err = parseNumber(kind, payload); err == nil {
				c.raise(int(n))
			}
		case frameExit:
			st, err := parseExit(payload)
			return ending{Result{Status: st}, err}
		case frameError:
			err = &RemoteError{string(payload)}
		default:
			err = fmt.Errorf("%w: frame type %d from the supervisor", ErrProtocol, kind)
		}
		if err != nil {
			return ending{err: err}
		}
	}
}

// writeTo writes to a stream; what nobody asked for is dropped.
func writeTo(f *os.File, p []byte) error {
	if f == nil {
		return nil
	}
	_, err := f.Write(p)
	return err
}
