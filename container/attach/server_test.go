package attach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
	settle(t, "input", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.in.size == 0 && !s.in.pumping
	})
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

// BenchmarkOutput is one foreground client.
func BenchmarkOutput(b *testing.B) {
	path := filepath.Join(b.TempDir(), SocketName)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ln, err := Listen(ctx, path)
	if err != nil {
		b.Fatal(err)
	}
	s := NewServer(false)
	go s.Serve(ctx, ln, newPayload())
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	c, err := Dial(ctx, path, ClientOptions{Stdout: null, Lossless: true})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	chunk := make([]byte, 32<<10)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		s.Stdout().Write(chunk)
	}
	s.Exit(ctx, Status{})
	<-done
}
