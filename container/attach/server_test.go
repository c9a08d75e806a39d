package attach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// payload is a Backend that records.
type payload struct {
	mu      sync.Mutex
	input   bytes.Buffer
	sizes   []Size
	signals []int
	eofs    int
	block   chan struct{} // Stdin waits for it, if any
	fail    error
	events  chan string
}

func newPayload() *payload { return &payload{events: make(chan string, 1000)} }

func (p *payload) Stdin(b []byte) error {
	if p.block != nil {
		<-p.block
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.input.Write(b)
	p.events <- "stdin"
	return p.fail
}

func (p *payload) CloseStdin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eofs++
	p.events <- "eof"
	return nil
}

func (p *payload) Resize(s Size) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sizes = append(p.sizes, s)
	p.events <- fmt.Sprintf("resize %dx%d", s.Rows, s.Cols)
	return nil
}

func (p *payload) Signal(n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signals = append(p.signals, n)
	p.events <- fmt.Sprintf("signal %d", n)
	return nil
}

func (p *payload) got() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.input.String()
}

// wait fails unless the event comes.
func (p *payload) wait(t *testing.T, event string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case e := <-p.events:
			if e == event {
				return
			}
		case <-deadline:
			t.Fatalf("no event %q", event)
		}
	}
}

// start serves on a fresh socket until the test ends.
func start(t *testing.T, b Backend) (*Server, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), SocketName)
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := Listen(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(false)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln, b) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s, path
}

// pipe is an os.Pipe that the test closes.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// attached dials or fails.
func attached(t *testing.T, path string, o ClientOptions) *Client {
	t.Helper()
	c, err := Dial(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// running runs a client in the background.
func running(c *Client) <-chan ending {
	ch := make(chan ending, 1)
	go func() {
		r, err := c.Run(context.Background())
		ch <- ending{r, err}
	}()
	return ch
}

func exit(t *testing.T, s *Server, st Status) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Exit(ctx, st); err != nil {
		t.Errorf("exit: %v", err)
	}
}

func TestStreamsAndExit(t *testing.T) {
	s, path := start(t, newPayload())
	outR, outW := pipe(t)
	errR, errW := pipe(t)
	end := running(attached(t, path, ClientOptions{Stdout: outW, Stderr: errW}))
	fmt.Fprint(s.Stdout(), "to stdout\n")
	fmt.Fprint(s.Stderr(), "to stderr\n")
	exit(t, s, Status{ExitCode: 137, Signal: 9, OOM: true})
	e := <-end
	if e.err != nil || e.result != (Result{Status: Status{137, 9, true}}) {
		t.Errorf("%+v", e)
	}
	outW.Close()
	errW.Close()
	out, _ := io.ReadAll(outR)
	errs, _ := io.ReadAll(errR)
	if string(out) != "to stdout\n" || string(errs) != "to stderr\n" {
		t.Errorf("%q, %q", out, errs)
	}
	// Who comes late learns the end, too, until the next run.
	late, err := Attach(context.Background(), path, ClientOptions{Stdout: outW})
	if err != nil || late.ExitCode != 137 {
		t.Errorf("late: %+v, %v", late, err)
	}
	s.Reopen()
	again := running(attached(t, path, ClientOptions{}))
	exit(t, s, Status{ExitCode: 3})
	if e := <-again; e.err != nil || e.result.ExitCode != 3 {
		t.Errorf("next run: %+v", e)
	}
}

func TestSlowLosslessReader(t *testing.T) {
	for _, size := range []int{1<<20 - 1, 1 << 20, 1<<20 + 1, 1 << 23} {
		s, path := start(t, newPayload())
		r, w := pipe(t)
		end := running(attached(t, path, ClientOptions{Stdout: w, Lossless: true}))
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		go func() {
			for rest := want; len(rest) > 0; {
				n, _ := s.Stdout().Write(rest[:min(len(rest), 100_003)])
				rest = rest[n:]
			}
			exit(t, s, Status{})
			<-end
			w.Close()
		}()
		var got bytes.Buffer
		buf := make([]byte, size/40)
		for {
			time.Sleep(5 * time.Millisecond)
			n, err := io.ReadAtLeast(r, buf, len(buf))
			got.Write(buf[:n])
			if err != nil {
				break
			}
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d of %d bytes arrived", got.Len(), size)
		}
	}
}

// TestSlowClientIsDropped: it neither holds up the payload nor a client that
// reads.
func TestSlowClientIsDropped(t *testing.T) {
	s, path := start(t, newPayload())
	_, stuck := pipe(t)
	slow := running(attached(t, path, ClientOptions{Stdout: stuck}))
	r, w := pipe(t)
	good := running(attached(t, path, ClientOptions{Stdout: w, Lossless: true}))
	total := make(chan int64)
	go func() { n, _ := io.Copy(io.Discard, r); total <- n }()
	chunk := make([]byte, 50_000)
	for range 200 {
		s.Stdout().Write(chunk)
	}
	exit(t, s, Status{})
	if e := <-good; e.err != nil {
		t.Error(e.err)
	}
	w.Close()
	if n := <-total; n != 10_000_000 {
		t.Errorf("%d bytes", n)
	}
	stuck.Close()
	if e := <-slow; e.err == nil {
		t.Error("the slow client got its exit status")
	}
}

// TestDroppedClientIsTold: once it reads again.
func TestDroppedClientIsTold(t *testing.T) {
	s, path := start(t, newPayload())
	r, w := pipe(t)
	end := running(attached(t, path, ClientOptions{Stdout: w}))
	for range 40 {
		s.Stdout().Write(make([]byte, 50_000))
	}
	go io.Copy(io.Discard, r)
	e := <-end
	var remote *RemoteError
	if !errors.As(e.err, &remote) || !strings.Contains(remote.Text, "too slow") {
		t.Errorf("%+v", e)
	}
}

func TestExitGivesUp(t *testing.T) {
	s, path := start(t, newPayload())
	_, w := pipe(t)
	end := running(attached(t, path, ClientOptions{Stdout: w, Lossless: true}))
	written := make(chan struct{})
	go func() { defer close(written); s.Stdout().Write(make([]byte, 4<<20)) }()
	settle(t, "output stuck", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.clients[0].backlog() > losslessBuffer/2
	})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Exit(ctx, Status{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("exit: %v", err)
	}
	<-written
	w.Close()
	if e := <-end; e.err == nil {
		t.Error("no error")
	}
}

func TestStdin(t *testing.T) {
	p := newPayload()
	s, path := start(t, p)
	r, w := pipe(t)
	first := running(attached(t, path, ClientOptions{Stdin: r}))
	fmt.Fprint(w, "one ")
	p.wait(t, "stdin")
	r2, w2 := pipe(t)
	second := running(attached(t, path, ClientOptions{Stdin: r2}))
	fmt.Fprint(w2, "two ")
	p.wait(t, "stdin")
	big := strings.Repeat("0123456789abcdef", 1<<16)
	go func() { io.WriteString(w, big); w.Close() }()
	p.wait(t, "eof")
	if got := p.got(); got != "one two "+big {
		t.Errorf("%d bytes of input", len(got))
	}
	exit(t, s, Status{ExitCode: 1})
	for _, end := range []<-chan ending{first, second} {
		if e := <-end; e.err != nil || e.result.ExitCode != 1 {
			t.Errorf("%+v", e)
		}
	}
	if p.eofs != 1 {
		t.Errorf("%d ends of input", p.eofs)
	}
}

// TestStuckPayload: one that reads nothing holds up neither signals nor
// detaching, and its closed stdin ends the input.
func TestStuckPayload(t *testing.T) {
	p := newPayload()
	p.block, p.fail = make(chan struct{}), unix.EPIPE
	s, path := start(t, p)
	r, w := pipe(t)
	c := attached(t, path, ClientOptions{Stdin: r})
	end := running(c)
	sent := make(chan struct{})
	go func() { io.WriteString(w, strings.Repeat("y\n", 1<<18)); close(sent) }()
	time.Sleep(50 * time.Millisecond)
	if err := c.write(numberFrame(frameSignal, 15)); err != nil {
		t.Fatal(err)
	}
	p.wait(t, "signal 15")
	close(p.block)
	p.wait(t, "stdin")
	exit(t, s, Status{ExitCode: 4})
	if e := <-end; e.err != nil || e.result.ExitCode != 4 {
		t.Errorf("%+v", e)
	}
	r.Close()
	<-sent
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in.size != 0 || s.in.pumping {
		t.Errorf("input left: %d bytes, pumping %v", s.in.size, s.in.pumping)
	}
}

func TestBadClients(t *testing.T) {
	p := newPayload()
	_, path := start(t, p)
	hello := helloFrame(wantStdin)
	for _, c := range []struct {
		name string
		wire []byte
		want string
	}{
		{"no hello", resizeFrame(Size{}), "expected a hello"},
		{"other version", []byte{frameHello, 0, 0, 0, 0, 0, 0, 4, 0, 99, 0, 0}, "version differs"},
		{"huge frame", append(bytes.Clone(hello), 0, 0, 0, 0, 0xff, 0, 0, 0), "protocol violated"},
		{"reserved bytes", append(bytes.Clone(hello), 0, 1, 0, 0, 0, 0, 0, 0), "protocol violated"},
		{"unknown type", append(bytes.Clone(hello), 99, 0, 0, 0, 0, 0, 0, 0), "frame type 99"},
		{"server's type", append(bytes.Clone(hello), exitFrame(Status{})...), "frame type 34"},
		{"short resize", append(bytes.Clone(hello), frameResize, 0, 0, 0, 0, 0, 0, 1, 0), "want 8"},
		{"stdin not asked for", append(helloFrame(0), appendFrames(nil, frameStdin, []byte("x"))...), "did not ask"},
	} {
		conn, err := dial(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		conn.Write(c.wire)
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if !strings.Contains(string(answer), c.want) {
			t.Errorf("%s: %q", c.name, answer)
		}
	}
	p.block = make(chan struct{})
	defer close(p.block)
	conn, err := dial(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	conn.Write(append(hello, appendFrames(nil, frameStdin, make([]byte, stdinWindow+1))...))
	if answer, _ := io.ReadAll(conn); !strings.Contains(string(answer), "window of 0") {
		t.Errorf("beyond the window: %q", answer)
	}
}

func TestTooManyClients(t *testing.T) {
	_, path := start(t, newPayload())
	for range maxClients {
		defer attached(t, path, ClientOptions{}).Close()
	}
	_, err := Dial(context.Background(), path, ClientOptions{})
	if err == nil || !strings.Contains(err.Error(), "too many clients") {
		t.Error(err)
	}
}

// fds counts this process's descriptors.
func fds(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// settle waits until f holds.
func settle(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%s did not settle", what)
			return
		}
	}
}

func TestNoLeaks(t *testing.T) {
	s, path := start(t, newPayload())
	r, _ := pipe(t)
	_, w := pipe(t)
	attached(t, path, ClientOptions{}).Close()
	settle(t, "warm up", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.clients) == 0 })
	goroutines, files := runtime.NumGoroutine(), fds(t)
	for i := range 50 {
		c := attached(t, path, ClientOptions{Stdin: r, Stdout: w})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); c.Run(ctx) }()
		fmt.Fprint(s.Stdout(), "x")
		if i%2 == 0 {
			c.conn.Close()
		}
		cancel()
		<-done
		// One that says nothing, and one that goes amid a frame.
		mute, err := dial(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		mute.Write(helloFrame(wantStdout)[:i%12])
		mute.Close()
	}
	settle(t, "clients", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.clients == nil })
	settle(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	settle(t, "descriptors", func() bool { return fds(t) <= files })
}

func TestLongPath(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		dir = filepath.Join(dir, strings.Repeat("d", 60))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, SocketName)
	ctx := context.Background()
	ln, err := Listen(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat(path); err != nil || st.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if _, err := Listen(ctx, path); !errors.Is(err, ErrListening) {
		t.Errorf("second supervisor: %v", err)
	}
	ln.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("closing removed it: %v", err)
	}
	if _, err := dial(ctx, path); !errors.Is(err, unix.ECONNREFUSED) || !strings.Contains(err.Error(), path) {
		t.Errorf("dead supervisor: %v", err)
	}
	if ln, err = Listen(ctx, path); err != nil {
		t.Fatalf("after a dead supervisor: %v", err)
	}
	ln.Close()
	if _, err := dial(ctx, filepath.Join(dir, "missing", "x")); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	if _, err := dial(ctx, filepath.Join(dir, "x")); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
}

func TestSupervisorLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := Listen(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); NewServer(false).Serve(ctx, ln, newPayload()) }()
	end := running(attached(t, path, ClientOptions{}))
	cancel()
	<-served
	if e := <-end; !errors.Is(e.err, ErrLost) {
		t.Errorf("%+v", e)
	}
}
