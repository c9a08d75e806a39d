package ledger

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"
)

// settle is how long what a package's tests have left may take to go.
const settle = 5 * time.Second

// Main runs a package's tests and returns the exit code for TestMain. What the
// machine holds must be the same behind the last one as before the first, and
// no other package with a ledger runs meanwhile. Without root it only runs the
// tests. A test that must know by itself what it leaves takes its own ledger.
func Main(m interface{ Run() int }) int {
	// The workers of a fuzz test belong to a process that has a ledger and waits for
	// them.
	if os.Geteuid() != 0 || slices.Contains(os.Args, "-test.fuzzworker") {
		return m.Run()
	}
	l, err := Open()
	if err != nil {
		fmt.Fprintln(os.Stderr, "open ledger:", err)
		return 1
	}
	defer l.Close()
	// For all tests of a package memory must be collected.
	debug.SetGCPercent(l.percent)
	code := m.Run()
	if code != 0 {
		return code // a test that fails may leave things
	}
	if diff := l.Wait(settle); diff != "" {
		fmt.Fprintf(os.Stderr, "not as before the tests of this package after %s:\n%s\n", settle, diff)
		return 1
	}
	return 0
}
