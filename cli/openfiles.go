package cli

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// fewestFiles is how many files a process must be able to open for a command to
// work, or to fail with an error: the runtime of Go ends a program with a dump of
// its stacks when it finds no descriptor for its own.
const fewestFiles = 32

// checkOpenFiles refuses to begin with a limit that no command can work with.
// The runtime has raised it as far as it may by now.
func checkOpenFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= fewestFiles {
		return nil //nolint:nilerr // without an answer the first open tells
	}
	return &hintError{
		err:  fmt.Errorf("no more than %d files may be open at once, and berth needs %d", limit.Cur, fewestFiles),
		hint: "raise the limit, as with ulimit -n 1024",
	}
}
