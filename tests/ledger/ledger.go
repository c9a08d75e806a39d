// Package ledger proves that a test left the machine as it found it. It writes
// down what the kernel and the disk hold before a test and compares afterwards:
// mounts, cgroups, namespaces, processes, network links and addresses, the nft
// ruleset, open files and what lies under berth's roots.
//
// Only what can be traced to the test counts among things that come and go on any
// machine: a process counts when it descends from the test, carries its mark
// in the environment, runs a berth binary, sits in a berth cgroup or, in the
// test's own cgroup, has a namespace that was not there before. Namespaces count
// when such a process or a thread of the test is in them. Everything else is
// compared whole.
//
// Ledgers of different processes exclude each other through a lock, because two
// root tests at once would see each other's containers. Not for unit tests,
// and not for a test that shares the machine with containers it does not own.
package ledger

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// mark is the environment variable that children of the test inherit.
const mark = "BERTH_LEDGER"

// Ledger is what was there when it was opened.
type Ledger struct {
	dirs    []string
	token   string
	before  snapshot
	known   map[processKey]bool
	spaces  map[string]bool
	watched []int
	unlock  func()
	oldMark string
	percent int
}

// Take opens a ledger for a test that needs root and closes it when the test
// ends. The dirs are berth's roots: what stands below them is compared too,
// apart from what growth in files.go allows.
func Take(t testing.TB, dirs ...string) *Ledger {
	t.Helper()
	l, err := Open(dirs...)
	if err != nil {
		t.Fatalf("open ledger: %v", err)
	}
	t.Cleanup(l.Close)
	return l
}

// Open is Take for callers without a testing.TB, which must call Close.
func Open(dirs ...string) (*Ledger, error) {
	unlock, err := lock()
	if err != nil {
		return nil, err
	}
	l := &Ledger{dirs: dirs, token: rand.Text(), unlock: unlock, oldMark: os.Getenv(mark)}
	// The network poller and its files come with the first pipe, and stay.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	runtime.GC()
	// A collection would close a forgotten os.File and hide the leak.
	l.percent = debug.SetGCPercent(-1)
	os.Setenv(mark, l.token)
	all := processes()
	l.known, l.spaces = baseline(all)
	l.before = l.look(all)
	return l, nil
}

// Close gives the lock back and may be called again. It does not compare.
func (l *Ledger) Close() {
	if l.unlock == nil {
		return
	}
	if l.oldMark == "" {
		os.Unsetenv(mark)
	} else {
		os.Setenv(mark, l.oldMark)
	}
	debug.SetGCPercent(l.percent)
	l.unlock()
	l.unlock = nil
}

// Environ is the mark in the form NAME=value, for children that do not
// inherit the test's environment.
func (l *Ledger) Environ() string { return mark + "=" + l.token }

// Watch adds the open files of a process that lives through the test.
func (l *Ledger) Watch(pid int) {
	l.watched = append(l.watched, pid)
	for entry, n := range openFiles(pid) {
		l.before.add(kindFiles(pid), entry, n)
	}
}

// Check fails the test when the machine does not get back to what the ledger
// holds within the given time, and says what is different.
func (l *Ledger) Check(t testing.TB, within time.Duration) {
	t.Helper()
	if diff := l.Wait(within); diff != "" {
		t.Fatalf("not as before after %s:\n%s", within, diff)
	}
}

// Wait compares until all is equal or the time is up, and returns what is then
// still different, or nothing.
func (l *Ledger) Wait(within time.Duration) string {
	deadline := time.Now().Add(within)
	pause := 5 * time.Millisecond
	for {
		diff := compare(l.before, l.look(processes()))
		if diff == "" || time.Now().After(deadline) {
			return diff
		}
		time.Sleep(pause)
		pause = min(2*pause, 200*time.Millisecond)
	}
}

// look writes down everything once.
func (l *Ledger) look(all []process) snapshot {
	s := snapshot{}
	s.merge("mounts", mounts("self"))
	s.merge("mounts seen elsewhere", foreignMounts(all, l.spaces))
	s.merge("cgroups", cgroups())
	s.merge("links and addresses", links())
	s.merge("nft ruleset", ruleset())
	s.merge(kindFiles(os.Getpid()), openFiles(os.Getpid()))
	for _, pid := range l.watched {
		s.merge(kindFiles(pid), openFiles(pid))
	}
	for _, dir := range l.dirs {
		s.merge("files", files(dir))
	}
	ours := l.ours(all)
	s.merge("processes", describe(ours))
	s.merge("namespaces", l.newSpaces(ours))
	return s
}

func kindFiles(pid int) string { return fmt.Sprintf("open files of process %d", pid) }
