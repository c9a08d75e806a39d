package attach

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
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
