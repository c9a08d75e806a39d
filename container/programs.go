package container

import (
	"fmt"
	"math"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// candidate is a place where the program could be, with the steps that look.
type candidate struct {
	path           string
	access, folder int // indices of steps in the plan
}

// firstSlot is the lowest descriptor that a plan can have sent: below are the
// streams, the control socket and the plan's memory (nsenter/executor.c).
const firstSlot = 5

// closeRest closes what the steps so far have worked with. Close-on-exec is too
// late: execve looks the program up first, and its interpreters, and an image
// may have a link to /proc/self/fd/7/.. in their place; the host's /proc is
// among the descriptors, and what is above it is the host's root
// (CVE-2024-21626).
func (pl *payload) closeRest() error {
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_CLOSE_RANGE, nsenter.Int(firstSlot), nsenter.Int(uint32(math.MaxUint32)), nsenter.Int(0)).
		For(pl.fromField("process.args"), "no path of the image leads through a descriptor of the host's"))
	return nil
}

// checkProgram looks for the program and for the working directory before the
// payload waits to be started: who creates a container wants to hear of it
// then. The child asks as the payload's user, and the host judges.
func (pl *payload) checkProgram() error {
	if !pl.check {
		return nil
	}
	from := pl.fromField("process.args")
	var list []candidate
	for _, place := range searchPath(pl.spec.Args[0], pl.spec.Env) {
		c := candidate{path: place, access: len(pl.p.Steps), folder: len(pl.p.Steps) + 1}
		pl.child(access(place, "may the payload's user execute it?", from))
		pl.child(access(strings.TrimRight(place, "/")+"/.", "a folder is no program, though it may be entered", from))
		list = append(list, c)
	}
	pl.p.Add(nsenter.Control(nsenter.Host, nsenter.OpSync, "wait for the child").
		For(from, "the judgement needs the child's answers"))
	program, cwd, tries := pl.spec.Args[0], pl.spec.Cwd, pl.cwdSteps
	pl.p.Add(nsenter.Do("judge whether the program can be executed", func(h *nsenter.Run) error {
		if err := judgeCwd(cwd, tries, h.ChildResult); err != nil {
			return err
		}
		return judgeProgram(program, list, h.ChildResult)
	}).On(program).For(from, "a program that is missing fails the container's creation, not its start"))
	return nil
}

// access asks whether a file can be executed, with the effective ids and
// capabilities (faccessat2(2)).
func access(file, why, from string) nsenter.Step {
	return nsenter.Call(nsenter.Child, unix.SYS_FACCESSAT2, nsenter.Int(unix.AT_FDCWD), nsenter.Str(file), nsenter.Int(unix.X_OK), nsenter.Int(unix.AT_EACCESS)).
		Tolerate(unix.ENOENT, unix.ENOTDIR, unix.EACCES, unix.EPERM, unix.ELOOP, unix.ENAMETOOLONG).
		On(file).For(from, why)
}

// judgeCwd fails when neither the first try at the working directory nor the
// one as the payload's user was allowed to enter it.
func judgeCwd(cwd string, tries []int, result func(int) nsenter.Result) error {
	if len(tries) == 0 {
		return nil
	}
	var errno unix.Errno
	for _, step := range tries {
		open, enter := result(step), result(step+1)
		if enter.State == nsenter.Done {
			return nil
		}
		if errno = enter.Errno(); open.State != nsenter.Done {
			errno = open.Errno()
		}
	}
	return &StartError{Code: 126, Err: fmt.Errorf("chdir to cwd (%q) set in config.json failed: %w", cwd, errno)}
}

// judgeProgram says in the words that callers match why there is no program
// that could be executed; see startError. One that may not be executed
// outweighs any number of places without it.
func judgeProgram(program string, list []candidate, result func(int) nsenter.Result) error {
	var cause unix.Errno
	for _, c := range list {
		r := result(c.access)
		errno := r.Errno()
		switch {
		case r.State == nsenter.Done && result(c.folder).State != nsenter.Done:
			return nil
		case r.State == nsenter.Done:
			errno = unix.EISDIR
		case errno == unix.EPERM:
			errno = unix.EACCES
		case errno == unix.ENOTDIR:
			errno = unix.ENOENT
		}
		if cause == 0 || cause == unix.ENOENT {
			cause = errno
		}
	}
	if program == "" {
		cause = unix.ENOENT // what was asked about are the folders of PATH
	}
	return cannotExecute(program, cause)
}

// cannotExecute is the error of a program that cannot be executed for a cause.
func cannotExecute(program string, cause unix.Errno) error {
	inPath := !strings.Contains(program, "/")
	switch {
	case cause == unix.ENOENT && inPath:
		return &StartError{Code: 127, Err: fmt.Errorf("exec: %q: executable file not found in $PATH", program)}
	case cause == unix.ENOENT:
		return &StartError{Code: 127, Err: fmt.Errorf("exec: %q: stat %s: %w", program, program, cause)}
	case cause == unix.EISDIR && inPath:
		// What execve says of a folder, and a search goes on behind.
		cause = unix.EACCES
	case cause == unix.EISDIR:
		// dockerd before version 23 knows exit code 126 by the second reason.
		return &StartError{Code: 126, Err: fmt.Errorf("exec: %q: %w: %w", program, cause, unix.EACCES)}
	}
	return &StartError{Code: 126, Err: fmt.Errorf("exec: %q: %w", program, cause)}
}

// openGate opens the FIFO that the payload waits at. Open for writing too, it
// has no end of file and waits for nobody.
func openGate(p *nsenter.Plan, path string) nsenter.Slot {
	if path == "" {
		return nsenter.NoSlot
	}
	gate := p.NewSlot("start")
	p.Add(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str(path), nsenter.Int(unix.O_RDWR|unix.O_CLOEXEC), nsenter.Int(0)).
		To(gate).On(path).For("create", "the payload waits here to be started"))
	return gate
}

// wait is where the payload of a created container waits for its start.
func (pl *payload) wait() {
	if pl.gate == nsenter.NoSlot {
		return
	}
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_READ, nsenter.Fd(pl.gate), nsenter.Bytes(make([]byte, 1), "/* one byte */"), nsenter.Int(1)).
		On("start").For("create", "start lets the payload go on"))
	pl.p.Hold()
}
