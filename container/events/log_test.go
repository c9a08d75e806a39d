package events

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
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

// small makes logs that rotate after a few events.
func small(dir string) *Log {
	l := New(dir)
	l.max = 1 << 10
	return l
}

func TestRotationKeepsTwoFiles(t *testing.T) {
	dir := t.TempDir()
	l := small(dir)
	defer l.Close()
	for i := range 100 {
		l.Append(Event{Type: Container, Action: "start", ID: strconv.Itoa(i)})
	}
	list := append(lines(t, dir+rotatedName), lines(t, dir+fileName)...)
	if len(list) < 10 || len(list) > 40 || list[len(list)-1].ID != "99" {
		t.Fatalf("%d events, the last of them %s", len(list), list[len(list)-1].ID)
	}
	for i, ev := range list {
		if want := strconv.Itoa(100 - len(list) + i); ev.ID != want {
			t.Errorf("event %d is %s, want %s", i, ev.ID, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("files %v, %v", entries, err)
	}
}

// TestStoppedWriter: one that was stopped with the lock in its hands does not
// hold up the others.
func TestStoppedWriter(t *testing.T) {
	dir := t.TempDir()
	l, stopped := New(dir), New(dir)
	defer l.Close()
	defer stopped.Close()
	stopped.Append(Event{Action: "first"})
	if !stopped.lock(unix.LOCK_EX) {
		t.Fatal("no lock")
	}
	began := time.Now()
	l.Append(Event{Action: "second"})
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	if n := len(lines(t, dir+fileName)); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// TestFullFileSystem: nothing fails, and what got in is whole.
func TestFullFileSystem(t *testing.T) {
	fixture.NeedRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=16k"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	l := New(dir)
	for i := range 200 {
		l.Append(Event{Type: Container, Action: "start", ID: strconv.Itoa(i), Attributes: map[string]string{"label": strings.Repeat("x", 300)}})
	}
	l.Close()
	list := lines(t, dir+fileName)
	if len(list) == 0 || len(list) == 200 {
		t.Errorf("%d events on 16 KiB", len(list))
	}
}
