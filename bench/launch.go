package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// command is one process to start and wait for.
type command struct {
	argv []string
	env  []string
	dir  string
	on   *launcher
}

// timedRun is how a process ended, how long that took and how much memory it had
// at most, or one of the children it waited for, in bytes.
type timedRun struct {
	wall time.Duration
	peak int64
	code int
	err  error
}

// launcher starts processes from one OS thread of its own, whose mount
// namespace they inherit: that is how a peer gets another view of
// /sys/fs/cgroup without a wrapper process in the measured time.
type launcher struct {
	jobs chan func()
	done chan struct{}
}

// newLauncher runs setup on the new thread first. The thread ends, and what
// setup unshared with it, on close.
func newLauncher(setup func() error) (*launcher, error) {
	l := &launcher{jobs: make(chan func()), done: make(chan struct{})}
	ready := make(chan error)
	go onOwnThread(func() {
		defer close(l.done)
		ready <- setup()
		for job := range l.jobs {
			job()
		}
	})
	if err := <-ready; err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// onOwnThread runs f on a thread that ends with it: the goroutine never unlocks
// it. The process's first thread will not do, because it cannot end and what
// it unshares is what /proc/self shows.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		onOwnThread(f)
	}()
	<-ended
	runtime.UnlockOSThread()
}

func (l *launcher) close() {
	close(l.jobs)
	<-l.done
}

// onHost is the setup of a launcher that stays where the program is.
func onHost() error { return nil }

// privateCgroup2 gives the thread a mount namespace whose /sys/fs/cgroup is
// cgroup v2 alone. On a v2 host that changes nothing; on a hybrid one it is all
// that Debian's crun accepts.
func privateCgroup2() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount / private: %w", err)
	}
	if err := unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount cgroup2 /sys/fs/cgroup: %w", err)
	}
	return nil
}

// run starts the command with its files on /dev/null and waits. Nothing but
// fork, exec and wait4 stands between the two clock readings.
func (c command) run(null uintptr) timedRun {
	var r timedRun
	c.do([]uintptr{null, null, null}, &r)
	return r
}

// output is run with both output streams in a string, for what is not timed.
func (c command) output() (string, error) {
	file, err := os.CreateTemp("", "bench-output")
	if err != nil {
		return "", err
	}
	defer file.Close()
	// A file, not a pipe: a monitor that inherits it must not keep us waiting.
	os.Remove(file.Name())
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer null.Close()
	var r timedRun
	c.do([]uintptr{null.Fd(), file.Fd(), file.Fd()}, &r)
	text := make([]byte, 1<<20)
	n, _ := file.ReadAt(text, 0)
	out := strings.TrimSpace(string(text[:n]))
	switch {
	case r.err != nil:
		return out, fmt.Errorf("%s: %w", c, r.err)
	case r.code != 0:
		return out, fmt.Errorf("%s: exit code %d: %s", c, r.code, lastLine(out))
	}
	return out, nil
}

func (c command) do(files []uintptr, r *timedRun) {
	ended := make(chan struct{})
	c.on.jobs <- func() {
		defer close(ended)
		attr := &syscall.ProcAttr{Dir: c.dir, Env: c.env, Files: files}
		start := time.Now()
		pid, err := syscall.ForkExec(c.argv[0], c.argv, attr)
		if err != nil {
			r.err = fmt.Errorf("start: %w", err)
			return
		}
		var status syscall.WaitStatus
		var usage syscall.Rusage
		for {
			_, err = syscall.Wait4(pid, &status, 0, &usage)
			if !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		r.wall = time.Since(start)
		r.peak = usage.Maxrss << 10
		r.err = err
		r.code = status.ExitStatus()
		if status.Signaled() {
			r.code = 128 + int(status.Signal())
		}
	}
	<-ended
}

func (c command) String() string { return strings.Join(c.argv, " ") }

// with is the command with further arguments.
func (c command) with(args ...string) command {
	c.argv = append(append([]string{}, c.argv...), args...)
	return c
}

func lastLine(text string) string {
	return text[strings.LastIndexByte(text, '\n')+1:]
}
