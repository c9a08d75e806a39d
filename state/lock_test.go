package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// playHold takes a lock and keeps it.
func playHold(path string) {
	_, err := Lock(context.Background(), path)
	say("locked %v", err)
	awaitEnd()
}

func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := TryLock(path)
	must(t, err)
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("second TryLock: %v", err)
	}
	must(t, l.Close())
	must(t, l.Close())
	l, err = TryLock(path)
	must(t, err)
	must(t, l.Close())
}

func TestRLockShares(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, err := RLock(t.Context(), path)
	must(t, err)
	b, err := RLock(t.Context(), path)
	must(t, err)
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("TryLock beside readers: %v", err)
	}
	must(t, errors.Join(a.Close(), b.Close()))
	l, err := TryLock(path)
	must(t, err)
	must(t, l.Close())
}

func TestLockHonoursContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := TryLock(path)
	must(t, err)
	defer held.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = Lock(ctx, path)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(begin))
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err = Lock(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
}

func TestLockDiesWithHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	cmd, _, lines := play(t, "hold="+path)
	if got := waitLine(t, lines); got != "locked <nil>" {
		t.Fatal(got)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Fatalf("other process's lock not seen: %v", err)
	}
	must(t, cmd.Process.Kill())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	l, err := Lock(ctx, path)
	must(t, err)
	must(t, l.Close())
}

// A waiter must not end up with the lock on a file that is gone.
func TestLockSurvivesUnlink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := TryLock(path)
	must(t, err)
	got := make(chan *Locked)
	go func() {
		l, err := Lock(t.Context(), path)
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	time.Sleep(20 * time.Millisecond) // let it wait on the first file
	must(t, os.Remove(path))
	must(t, first.Close())
	second := <-got
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("the file at path is not locked: %v", err)
	}
	must(t, second.Close())
}

// A child that was forked but has not exec'd yet shares the open file.
func TestCloseReleasesDespiteDuplicate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := TryLock(path)
	must(t, err)
	dup, err := unix.Dup(l.fd)
	must(t, err)
	defer unix.Close(dup)
	must(t, l.Close())
	l, err = TryLock(path)
	must(t, err)
	must(t, l.Close())
}

func TestLockIsNotInherited(t *testing.T) {
	l, err := TryLock(filepath.Join(t.TempDir(), "lock"))
	must(t, err)
	defer l.Close()
	flags, err := unix.FcntlInt(uintptr(l.fd), unix.F_GETFD, 0)
	must(t, err)
	if flags&unix.FD_CLOEXEC == 0 {
		t.Error("lock is inherited across exec")
	}
}

func TestLockRefusesSymlink(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("/etc/passwd", dir+"/lock"))
	if _, err := TryLock(dir + "/lock"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("got %v, want ELOOP", err)
	}
}

// The lock file is unlinked all the time; the count shows every overlap.
func TestLockContended(t *testing.T) {
	dir := t.TempDir()
	// Atomic only for the race detector, which knows nothing of flock: load and
	// store are two steps, so an overlap loses a count.
	var count atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				l, err := Lock(t.Context(), dir+"/lock")
				if err != nil {
					t.Error(err)
					return
				}
				// Whoever unlinks has no lock from then on, so it counts nothing.
				if i%5 == 0 {
					err = os.Remove(dir + "/lock")
				} else {
					before := count.Load()
					runtime.Gosched()
					count.Store(before + 1)
				}
				if err != nil {
					t.Error(err)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := count.Load(); got != 8*40 {
		t.Errorf("count %d, want %d: two held the lock at once", got, 8*40)
	}
}

func BenchmarkLock(b *testing.B) {
	path := filepath.Join(b.TempDir(), "lock")
	for b.Loop() {
		l, err := Lock(b.Context(), path)
		must(b, err)
		must(b, l.Close())
	}
}
