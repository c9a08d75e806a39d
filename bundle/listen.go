package bundle

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstFile is the first descriptor that is handed on (sd_listen_fds(3)).
const firstFile = 3

// maxFiles bounds what one command hands on: systemd's own limit for a store
// is below that, and a wrong number must not become a loop without end.
const maxFiles = 4096

// passedFiles lists the descriptors of this process that the payload gets as
// its 3, 4 and so on (container.Input.Files): those of socket activation, which
// LISTEN_FDS counts, and preserve more behind them (--preserve-fds). env are
// the variables that tell the payload about the former; see withListenEnv.
// The descriptors stay open here.
//
// Call it first of all in create, run and exec: one that is not there is an
// error before anything is made. Variables that are meant for another process
// (LISTEN_PID) count for nothing. LISTEN_PIDFDID names a process of the host,
// so it is not passed on.
func passedFiles(getenv func(string) string, preserve int) (files []int, env []string, err error) {
	if preserve < 0 || preserve > maxFiles {
		return nil, nil, fmt.Errorf("--preserve-fds %d is not between 0 and %d", preserve, maxFiles)
	}
	n, err := listenCount(getenv)
	if err != nil {
		return nil, nil, err
	}
	for i := range n + preserve {
		fd := firstFile + i
		if err := inherited(fd); err != nil {
			if i < n {
				return nil, nil, fmt.Errorf("LISTEN_FDS=%d: please check that you requested file descriptor %d: %w", n, fd, err)
			}
			return nil, nil, fmt.Errorf("--preserve-fds %d: please check that you requested file descriptor %d: preserved-fd %d (of %d) is not present: %w",
				preserve, fd, i-n, preserve, err)
		}
		files = append(files, fd)
	}
	if n > 0 {
		// The payload is PID 1, or believes so.
		env = []string{"LISTEN_FDS=" + strconv.Itoa(n), "LISTEN_PID=1"}
		if names := getenv("LISTEN_FDNAMES"); names != "" {
			env = append(env, "LISTEN_FDNAMES="+names)
		}
	}
	return files, env, nil
}

// listenCount is how many descriptors the service manager passed to this very
// process.
func listenCount(getenv func(string) string) (int, error) {
	count := getenv("LISTEN_FDS")
	if count == "" || getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxFiles {
		return 0, fmt.Errorf("LISTEN_FDS=%q is not a number between 0 and %d", count, maxFiles)
	}
	return n, nil
}

// errOwnFile is a descriptor that nobody passed to this process.
var errOwnFile = errors.New("it is one that berth opened itself")

// inherited checks that a descriptor came from the caller. What this process
// opened since has the close-on-exec flag, which no descriptor that came over
// an execve can have.
func inherited(fd int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		return err
	}
	if flags&unix.FD_CLOEXEC != 0 {
		return errOwnFile
	}
	return nil
}

// withListenEnv returns a payload's environment with the variables that
// passedFiles returned instead of its own ones of socket activation, which can
// only be somebody else's. Without passed descriptors env is returned as it is.
func withListenEnv(env, passed []string) []string {
	if len(passed) == 0 {
		return env
	}
	kept := slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES":
			return true
		}
		return false
	})
	return append(kept, passed...)
}
