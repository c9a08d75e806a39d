package attach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// console is a terminal with a user at the other end.
type console struct {
	t           *testing.T
	user, there *os.File
	before      unix.Termios
}

func newConsole(t *testing.T) *console {
	t.Helper()
	user, there, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close(); there.Close() })
	c := &console{t: t, user: user, there: there}
	c.resize(30, 100)
	c.before = c.termios()
	return c
}

func (c *console) termios() unix.Termios {
	c.t.Helper()
	tio, err := unix.IoctlGetTermios(int(c.there.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return *tio
}

func (c *console) resize(rows, cols uint16) {
	if err := pty.Setsize(c.user, &pty.Winsize{Rows: rows, Cols: cols, X: 7, Y: 9}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *console) options() ClientOptions {
	return ClientOptions{Stdin: c.there, Stdout: c.there, TTY: true, SigProxy: true}
}

// raw waits until the client has set raw mode.
func (c *console) raw() {
	c.t.Helper()
	settle(c.t, "raw mode", func() bool { return c.termios().Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0 })
}

// restored fails unless the terminal is as it was.
func (c *console) restored() {
	c.t.Helper()
	if c.termios() != c.before {
		c.t.Errorf("terminal is not restored: %+v, was %+v", c.termios(), c.before)
	}
}

func TestTerminal(t *testing.T) {
	p := newPayload()
	s, path := start(t, p)
	con := newConsole(t)
	end := running(attached(t, path, con.options()))
	p.wait(t, "resize 30x100")
	con.raw()
	p.mu.Lock()
	if p.sizes[0] != (Size{30, 100, 7, 9}) {
		t.Errorf("%+v", p.sizes)
	}
	p.mu.Unlock()
	con.resize(40, 120)
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	p.wait(t, "resize 40x120")
	// ctrl-c is a key, ctrl-p alone is held back until it is known to be one.
	fmt.Fprint(con.user, "\x03\x10")
	settle(t, "ctrl-c", func() bool { return p.got() == "\x03" })
	fmt.Fprint(con.user, "x")
	settle(t, "keys", func() bool { return p.got() == "\x03\x10x" })
	fmt.Fprint(s.Stdout(), "hello\n")
	buf := make([]byte, 6)
	if _, err := io.ReadFull(con.user, buf); err != nil || string(buf) != "hello\n" {
		t.Errorf("%q, %v", buf, err)
	}
	exit(t, s, Status{ExitCode: 5})
	if e := <-end; e.err != nil || e.result.ExitCode != 5 {
		t.Errorf("%+v", e)
	}
	con.restored()
}

func TestDetach(t *testing.T) {
	for _, c := range []struct{ keys, typed string }{
		{"", "ls\x10\x11"}, {"", "ls|\x10|\x11"}, {"ctrl-x,d", "ls|\x18|d"}, {"q", "lsq"},
	} {
		p := newPayload()
		s, path := start(t, p)
		con := newConsole(t)
		o := con.options()
		o.DetachKeys = c.keys
		end := running(attached(t, path, o))
		con.raw()
		for piece := range strings.SplitSeq(c.typed, "|") {
			fmt.Fprint(con.user, piece)
			time.Sleep(20 * time.Millisecond)
		}
		if e := <-end; e.err != nil || !e.result.Detached {
			t.Errorf("%q: %+v", c.typed, e)
		}
		con.restored()
		settle(t, "input", func() bool { return p.got() == "ls" })
		settle(t, "clients", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.clients) == 0 })
		if p.eofs != 0 {
			t.Error("detaching closed stdin")
		}
	}
}

// TestDetachFromStuckPayload: one that reads no input can be left.
func TestDetachFromStuckPayload(t *testing.T) {
	p := newPayload()
	p.block = make(chan struct{})
	defer close(p.block)
	_, path := start(t, p)
	con := newConsole(t)
	end := running(attached(t, path, con.options()))
	con.raw()
	fmt.Fprint(con.user, strings.Repeat("x", 3000))
	fmt.Fprint(con.user, "\x10\x11")
	if e := <-end; e.err != nil || !e.result.Detached {
		t.Errorf("%+v", e)
	}
}

func TestRestoredOnEveryPath(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(t *testing.T, s *Server, cancel func(), con *console)
		want func(error) bool
	}{
		{"signal", func(t *testing.T, _ *Server, _ func(), _ *console) {
			if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}, func(err error) bool {
			var sig *SignalError
			return errors.As(err, &sig) && sig.Signal == unix.SIGTERM
		}},
		{"context", func(_ *testing.T, _ *Server, cancel func(), _ *console) { cancel() },
			func(err error) bool { return errors.Is(err, context.Canceled) }},
		{"supervisor lost", func(_ *testing.T, s *Server, _ func(), _ *console) { s.disconnect() },
			func(err error) bool { return errors.Is(err, ErrLost) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, path := start(t, newPayload())
			con := newConsole(t)
			client := attached(t, path, con.options())
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ends := make(chan error, 1)
			go func() { _, err := client.Run(ctx); ends <- err }()
			con.raw()
			// Signals are caught a moment after raw mode is set.
			time.Sleep(50 * time.Millisecond)
			c.end(t, s, cancel, con)
			if err := <-ends; !c.want(err) {
				t.Error(err)
			}
			con.restored()
		})
	}
}

// TestHangup: the signal of a hangup that comes after what a copier saw of it is
// what ended the client.
func TestHangup(t *testing.T) {
	broken := &os.PathError{Op: "write", Path: "/dev/pts/0", Err: unix.EIO}
	for _, c := range []struct {
		name string
		tty  bool
		end  error
		sig  os.Signal
		want string
	}{
		{"late signal", true, broken, unix.SIGHUP, "attach ended by signal: hangup"},
		{"no signal", true, broken, nil, broken.Error()},
		{"no terminal", false, broken, nil, broken.Error()},
		{"another error", true, ErrLost, nil, ErrLost.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &signals{make(chan os.Signal, 1), make(chan os.Signal, 1)}
			if c.sig != nil {
				time.AfterFunc(10*time.Millisecond, func() { s.other <- c.sig })
			}
			client := &Client{o: ClientOptions{TTY: c.tty}}
			if got := client.hangup(s, ending{err: c.end}); got.err == nil || got.err.Error() != c.want {
				t.Errorf("ended by %v, want %s", got.err, c.want)
			}
		})
	}
}

func TestRestoredOnPanic(t *testing.T) {
	con := newConsole(t)
	c := &Client{o: con.options()}
	tty, err := c.rawTerminal()
	if err != nil {
		t.Fatal(err)
	}
	con.raw()
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				t.Errorf("recovered %v", p)
			}
			con.restored()
		}()
		defer tty.restoreOnPanic()
		panic("boom")
	}()
}

func TestSignalProxy(t *testing.T) {
	p := newPayload()
	s, path := start(t, p)
	end := running(attached(t, path, ClientOptions{SigProxy: true}))
	settle(t, "proxy", func() bool {
		// Harmless until it is caught, and passed on afterwards.
		unix.Kill(os.Getpid(), unix.SIGCONT)
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.signals) > 0
	})
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGUSR1, unix.Signal(40)} {
		unix.Kill(os.Getpid(), sig)
		p.wait(t, fmt.Sprintf("signal %d", sig))
	}
	exit(t, s, Status{ExitCode: 143, Signal: 15})
	if e := <-end; e.err != nil || e.result.Signal != 15 {
		t.Errorf("%+v", e)
	}
}

func TestEarlyEOF(t *testing.T) {
	p := newPayload()
	s, path := start(t, p)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w := pipe(t)
	end := running(attached(t, path, ClientOptions{Stdin: null, Stdout: w}))
	p.wait(t, "eof")
	fmt.Fprint(s.Stdout(), "still here")
	exit(t, s, Status{})
	if e := <-end; e.err != nil {
		t.Error(e.err)
	}
	w.Close()
	if out, _ := io.ReadAll(r); string(out) != "still here" {
		t.Errorf("%q", out)
	}
}

func TestBrokenOutput(t *testing.T) {
	s, path := start(t, newPayload())
	r, w := pipe(t)
	r.Close()
	end := running(attached(t, path, ClientOptions{Stdout: w}))
	fmt.Fprint(s.Stdout(), "x")
	if e := <-end; !errors.Is(e.err, unix.EPIPE) {
		t.Errorf("%+v", e)
	}
	if _, err := Dial(context.Background(), path, ClientOptions{Stdin: r, TTY: true, DetachKeys: "nope"}); err == nil {
		t.Error("bad detach keys were taken")
	}
}
