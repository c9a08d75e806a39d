package attach

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
