package ledger

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// lockFile is the same for every checkout: they share the machine.
const lockFile = "/run/berth-tests.lock"

// held counts the ledgers of this process, which share one lock, so that a
// script's ledger may stand inside its test's.
var held struct {
	sync.Mutex
	users int
	file  *os.File
}

// lock waits until no other process has a ledger open. A test that waits
// longer than its own time limit is ended by the test runner.
func lock() (unlock func(), err error) {
	held.Lock()
	defer held.Unlock()
	if held.users == 0 {
		f, err := os.OpenFile(lockFile, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open ledger lock: %w", err)
		}
		for err = unix.EINTR; err == unix.EINTR; {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("flock %s: %w", lockFile, err)
		}
		held.file = f
	}
	held.users++
	return release, nil
}

func release() {
	held.Lock()
	defer held.Unlock()
	held.users--
	if held.users == 0 {
		held.file.Close()
		held.file = nil
	}
}
