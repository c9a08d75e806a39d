package bundle

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"berth/container"
	"berth/nsenter"
)

// accompany connects this process with a payload that has just started in the
// foreground: it forwards signals to it, reaps orphans when this process is a
// subreaper (see adoptOrphans), and, when terminal is not -1, copies between
// the caller's streams and the payload's terminal, which it owns from then on,
// also after an error. Without a terminal the payload has the caller's streams
// itself.
//
// Call finish once, when run.Wait has returned: it returns when all output has
// been copied, and everything is as it was before. In between this process must
// not start other children and wait for them, as the reaper would be faster:
// hooks run before accompany or after finish.
//
// Signals are caught in the channel given, which may hold earlier ones already, and
// is the caller's to stop.
func accompany(run *nsenter.Run, terminal int, stdio container.Stdio, signals chan os.Signal) (finish func(), err error) {
	e := &escort{run: run, stdio: stdio, stop: make(chan struct{}), signals: signals}
	first := []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE}
	if terminal >= 0 {
		first = append(first, unix.SIGWINCH)
	}
	// Before anything is copied: a write to a stdout that nobody reads would
	// end this process.
	signal.Notify(e.signals, first...)
	if terminal >= 0 {
		if e.console, err = startConsole(terminal, stdio); err != nil {
			return nil, err
		}
	}
	e.subreaper = isSubreaper()
	e.work.Go(e.forward)
	return e.finish, nil
}

// signalQueue is how many signals can wait to be forwarded.
const signalQueue = 64

// escort is what accompany leaves running.
type escort struct {
	run       *nsenter.Run
	stdio     container.Stdio
	console   *console
	subreaper bool
	signals   chan os.Signal
	stop      chan struct{}
	work      sync.WaitGroup
}

// restOfSignals is how long after the start the rest of the signals is caught.
// Catching one costs a hand-over between threads, and there are sixty; who
// would send them cannot know of the payload earlier.
const restOfSignals = 20 * time.Millisecond

// forward passes on signals until finish.
func (e *escort) forward() {
	rest := time.After(restOfSignals)
	for {
		select {
		case <-e.stop:
			return
		case <-rest:
			signal.Notify(e.signals, caughtSignals(e.subreaper)...)
			e.reap()
		case sig := <-e.signals:
			if n, ok := sig.(unix.Signal); ok {
				e.handle(n)
			}
		}
	}
}

// handle obeys one signal.
func (e *escort) handle(sig unix.Signal) {
	switch sig {
	case unix.SIGCHLD:
		e.reap()
	case unix.SIGPIPE: // this process's own
	case unix.SIGWINCH:
		if e.console != nil {
			e.console.resize(e.stdio)
		}
	default:
		// ESRCH means that it has just ended.
		_ = e.run.Signal(sig)
	}
}

// caughtSignals lists all signals but those that cannot be caught or belong to
// the C library (32, 33), to the Go runtime (SIGURG), and to the job control of
// the caller's shell: a command in the background that reads its terminal, or
// writes it, stops.
func caughtSignals(children bool) []os.Signal {
	var list []os.Signal
	for n := unix.Signal(1); n <= 64; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP, 32, 33, unix.SIGURG, unix.SIGTTIN, unix.SIGTTOU:
		case unix.SIGCHLD:
			if children {
				list = append(list, n)
			}
		default:
			list = append(list, n)
		}
	}
	return list
}

// finish ends the escort; see accompany.
func (e *escort) finish() {
	if e.console != nil {
		e.console.finish()
	}
	close(e.stop)
	e.work.Wait()
	e.reap()
}

// reap takes the exit statuses of orphans that became children of this
// process, and leaves the payload's to run.Wait.
func (e *escort) reap() {
	if !e.subreaper {
		return
	}
	payload := e.run.Pid()
	for {
		pid := endedChild()
		if pid <= 0 || pid == payload {
			return
		}
		// The next look tells whether it went well.
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}

// endedChild returns the pid of a child that has ended and was not waited for,
// or 0.
func endedChild() int {
	// struct siginfo of waitid(2): si_pid is behind three ints and padding.
	var info struct {
		signo, errno, code, _ int32
		pid                   int32
		_                     [108]byte
	}
	err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil {
		return 0
	}
	return int(info.pid)
}

// adoptOrphans makes this process a subreaper (prctl(2),
// PR_SET_CHILD_SUBREAPER): processes that the payload leaves behind become its
// children, as runc and crun do it in `run` and `exec`. Call it first of all
// in a foreground Run or Exec, unless --no-subreaper is given.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

// isSubreaper reports whether orphans come to this process.
func isSubreaper() bool {
	var on int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&on)), 0, 0, 0)
	return err == nil && on != 0
}
