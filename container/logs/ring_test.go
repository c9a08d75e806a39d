package logs

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// gate is a sink that waits to be opened and notes what it got.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	got  []entry
}

func (g *gate) put(e *entry) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = append(g.got, entry{e.stream, e.time, []byte(string(e.text)), e.part})
}
func (g *gate) flush()       {}
func (g *gate) close() error { return nil }

// TestRingDropsTheNewest floods a sink that does not take anything: the payload
// never waits, memory stays below the limit, and what is kept is the oldest.
func TestRingDropsTheNewest(t *testing.T) {
	const limit = 300_000
	g := &gate{open: make(chan struct{})}
	loss := &losses{path: filepath.Join(t.TempDir(), "log")}
	w := newWriter(g, loss, limit)
	line := strings.Repeat("x", 90)
	const total = 20_000
	begun := time.Now()
	for i := range total {
		fmt.Fprintf(w.Stream("stdout"), "%05d %s\n", i, line)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the payload waited: %s", took)
	}
	held := 0
	w.ring.mu.Lock()
	for _, p := range w.ring.pieces {
		held += cap(p)
	}
	w.ring.mu.Unlock()
	if held > limit+pieceSize {
		t.Errorf("%d bytes held, at most %d", held, limit+pieceSize)
	}
	close(g.open)
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "mode=non-blocking") {
		t.Errorf("close: %v", err)
	}
	if kept := int64(len(g.got)); kept+w.Dropped() != total || kept < limit/150 || kept > limit/90 {
		t.Errorf("%d kept, %d dropped of %d", kept, w.Dropped(), total)
	}
	for i, e := range g.got {
		if want := fmt.Sprintf("%05d %s\n", i, line); string(e.text) != want {
			t.Fatalf("record %d is %q", i, e.text)
		}
	}
	if n, cause := droppedIn(filepath.Dir(loss.path)); n != w.Dropped() || cause == "" {
		t.Errorf("on disk: %d, %q", n, cause)
	}
}

// TestRingKeepsAll passes on what fits, in order and with all it knows.
func TestRingKeepsAll(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	w := newWriter(g, &losses{path: filepath.Join(t.TempDir(), "log")}, 1<<20)
	at := time.Date(2026, 1, 1, 0, 0, 0, 7, time.UTC)
	w.now = func() time.Time { return at }
	fmt.Fprint(w.Stream("stderr"), "e\n"+strings.Repeat("x", 17<<10)+"\n")
	fmt.Fprint(w.Stream("stdout"), "last")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range g.got {
		got = append(got, fmt.Sprintf("%s %d %d %v", e.stream, len(e.text), e.part, e.time.Equal(at)))
	}
	if s := strings.Join(got, ", "); s != "stderr 2 0 true, stderr 16384 1 true, stderr 1025 2 true, stdout 4 1 true" {
		t.Errorf("got %s", s)
	}
}

// TestLossesBecomeKnown holds that the last of a flood is on disk soon, though
// nothing follows it.
func TestLossesBecomeKnown(t *testing.T) {
	dir := t.TempDir()
	l := &losses{path: filepath.Join(dir, "log")}
	for range 100 {
		l.add(3, errFull)
	}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		n, cause := droppedIn(dir)
		if n == 300 && strings.Contains(cause, "buffer was full") {
			return
		}
		if time.Since(begun) > 5*lossInterval {
			t.Fatalf("%d, %q on disk", n, cause)
		}
	}
}

// TestRingTakesOneLarge has a record larger than the whole buffer.
func TestRingTakesOneLarge(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	w := newWriter(g, &losses{path: filepath.Join(t.TempDir(), "log")}, 100)
	fmt.Fprintln(w.Stream("stdout"), strings.Repeat("x", 1000))
	fmt.Fprintln(w.Stream("stdout"), "dropped")
	close(g.open)
	w.Close()
	if len(g.got) != 1 || len(g.got[0].text) != 1001 || w.Dropped() != 1 {
		t.Errorf("%d kept, %d dropped", len(g.got), w.Dropped())
	}
}
