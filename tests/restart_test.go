package tests

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// TestRestartPauses: the time between two runs doubles from 100 ms on, as the
// log of a container that ends at once shows.
func TestRestartPauses(t *testing.T) {
	leaveToHost(t)
	l := soak(t)
	id := berthOutput(t, "run", "-d", "--restart", "on-failure:4", "box", "sh", "-c", "echo run; exit 1")
	var stamps []string
	for end := time.Now().Add(20 * time.Second); len(stamps) < 5 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		stamps = strings.Split(berthOutput(t, "logs", "-t", id), "\n")
	}
	if len(stamps) != 5 {
		t.Fatalf("%d runs, want 5", len(stamps))
	}
	var last time.Time
	// A busy machine takes its time to start a container.
	const slack = 2 * time.Second
	pause := 50 * time.Millisecond
	for i, line := range stamps {
		stamp, _, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			t.Fatal(err)
		}
		if gap := at.Sub(last); i > 0 && (gap < pause || gap > pause+slack) {
			t.Errorf("run %d came %v after the one before, want %v", i, gap, pause)
		}
		last, pause = at, 2*pause
	}
	berthOutput(t, "rm", "-f", id)
	l.Check(t, settle)
}

// TestStopRestarting stops containers that end and are started again all the
// time, at every point of that: once stop is back, nothing runs any more.
func TestStopRestarting(t *testing.T) {
	leaveToHost(t)
	l := soak(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 5 {
				id := berthOutput(t, "run", "-d", "--restart", "always", "box", "sh", "-c", "sleep 0.05")
				time.Sleep(time.Duration(i*60+j*23) * time.Millisecond)
				berthOutput(t, "stop", "-t", "0", id)
				if got := berthOutput(t, "inspect", "-f", "{{.State.Status}} {{.State.Restarting}} {{.State.Pid}}", id); got != "exited false 0" {
					t.Errorf("after stop: %s", got)
				}
				berthOutput(t, "rm", id)
			}
		})
	}
	wg.Wait()
	l.Check(t, settle)
}

// TestStopStarting stops containers that another command is just starting: the
// stop waits for the start, and both come to an end.
func TestStopStarting(t *testing.T) {
	leaveToHost(t)
	l := soak(t)
	for i := range 10 {
		id := berthOutput(t, "create", "box", "sleep", "100")
		var start sync.WaitGroup
		start.Go(func() { _ = berthCommand(t, "start", id).Run() })
		time.Sleep(time.Duration(i*3) * time.Millisecond)
		berthOutput(t, "stop", "-t", "0", id)
		start.Wait()
		berthOutput(t, "rm", "-f", id)
	}
	l.Check(t, settle)
}
