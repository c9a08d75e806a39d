package events

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
)

// lines reads a file of events; a line that is none fails the test.
func lines(t *testing.T, path string) []Event {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []Event
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		var ev Event
		if err := json.Unmarshal(scanner.Bytes(), &ev); err != nil {
			t.Fatalf("line %q: %v", scanner.Text(), err)
		}
		list = append(list, ev)
	}
	return list
}

func TestWritersDoNotMix(t *testing.T) {
	const writers, each = 8, 200
	dir := t.TempDir() + "/event"
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			l := New(dir)
			defer l.Close()
			for i := range each {
				l.Append(Event{Type: Container, Action: "start", ID: fmt.Sprint(w, "-", i)})
			}
		})
	}
	group.Wait()
	seen := map[string]bool{}
	for _, ev := range lines(t, dir+fileName) {
		if seen[ev.ID] || ev.Time.IsZero() {
			t.Errorf("event %+v is there twice, or without a time", ev)
		}
		seen[ev.ID] = true
	}
	if len(seen) != writers*each {
		t.Errorf("%d events, want %d", len(seen), writers*each)
	}
}

func TestAppendWithoutFolderIsSilent(t *testing.T) {
	l := New(t.TempDir() + "/missing/event")
	l.Append(Event{Action: "start"})
	if l.fd >= 0 {
		t.Error("a file is open")
	}
}
