package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"berth/container/attach"
	"berth/nsenter"
)

// A program that may outlive the command that starts it, in the background or
// on a terminal that can be left, has a monitor of its own, as a container has
// one: it waits for the program, owns its terminal, and ends with it. The
// protocol is that of monitor.go; what to run comes in a file without a name.

// ExecMonitorName is argv[0] of such a monitor.
const ExecMonitorName = "berth-exec"

// Descriptors of the monitor, behind the socket: the request, and the files
// that the program is to have.
const (
	requestFd = 4
	passedFd  = 5
)

// execRequest is what the command asks for.
type execRequest struct {
	// ID is the execution's.
	ID      string
	Options ExecOptions
	// Size is that of the caller's terminal, zero without one.
	Size attach.Size
}

// socket is where the monitor of an execution is attached to. With the
// container's folder it goes, if the monitor could not remove it.
func (x *execution) socket() string {
	return path.Join(x.e.Dirs.RunContainer(x.v.ID), "exec-"+x.id[:12]+".sock")
}

// monitored has a monitor run the program. Unless that is to run in the
// background, the command stays with it until its end, or the detach keys.
func (x *execution) monitored(ctx context.Context, stdio Stdio) (Exit, error) {
	m, err := x.launch(stdio)
	if err != nil {
		return Exit{}, &StartError{Code: 126, Err: err}
	}
	defer m.close()
	if x.o.Detach {
		return Exit{}, m.start()
	}
	if err := m.expect("listening"); err != nil {
		return Exit{}, err
	}
	client, err := attach.Dial(ctx, x.socket(), attach.ClientOptions{
		Stdin: stdio.In, Stdout: stdio.Out, Stderr: stdio.Err, TTY: true, DetachKeys: x.o.DetachKeys, Lossless: true,
	})
	if err != nil {
		return Exit{}, &StartError{Code: 126, Err: err}
	}
	if err := m.start(); err != nil {
		_ = client.Close() // the error to report is the start's
		return Exit{}, err
	}
	code, left, err := attachResult(client.Run(ctx))
	if err != nil {
		return Exit{}, err
	}
	if left {
		x.tell("exec_detach")
	}
	return Exit{Code: &code}, nil
}

// launch starts the monitor and hands over the request.
func (x *execution) launch(stdio Stdio) (*launcher, error) {
	request := execRequest{ID: x.id, Options: x.o}
	request.Size, _ = attach.TerminalSize(stdio.Out, stdio.In)
	data, err := json.Marshal(&request)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	fd, err := unix.MemfdCreate("berth exec", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make file for request: %w", err)
	}
	file := os.NewFile(uintptr(fd), "request")
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		return nil, err
	}
	files := []uintptr{file.Fd()}
	for _, fd := range x.o.Files {
		files = append(files, uintptr(fd))
	}
	return x.e.launchMonitor(ExecMonitorName, x.v.ID, nil, files...)
}

// readRequest reads what the command asks for, and closes the file.
func readRequest() (*execRequest, error) {
	file := os.NewFile(requestFd, "request")
	defer file.Close()
	data, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<30))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	var r execRequest
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	for i := range r.Options.Files {
		r.Options.Files[i] = passedFd + i
		unix.CloseOnExec(passedFd + i)
	}
	return &r, nil
}

// ExecMonitor is the life of an execution's monitor: it starts the program in
// the container and waits for its end.
func (e *Engine) ExecMonitor(ctx context.Context, id string) error {
	unix.CloseOnExec(monitorFd)
	d := &detached{}
	defer d.close()
	x, run, err := e.execute(ctx, id, d)
	var start *StartError
	switch {
	case errors.As(err, &start):
		return tell(report{Code: start.Code, Error: start.Error()})
	case err != nil:
		return tell(report{Code: 126, Error: err.Error()})
	}
	defer run.Close()
	_ = tell(report{Stage: "started"})
	unix.Close(monitorFd)
	for _, fd := range x.o.Files {
		unix.Close(fd) // an end of a pipe that stayed open here would be no end
	}
	debug.FreeOSMemory()
	status, err := run.Wait()
	if err != nil {
		return err
	}
	end := x.tellEnd(ended(status))
	d.drainBriefly()
	d.end(ctx, end)
	return nil
}

// execute makes the plan, waits for the command's word, and starts the program
// with d as its terminal, if it has one.
func (e *Engine) execute(ctx context.Context, id string, d *detached) (*execution, *nsenter.Run, error) {
	r, err := readRequest()
	if err != nil {
		return nil, nil, err
	}
	v, err := e.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	// It may have ended since the command looked.
	if err := mayExec(v.ID, v); err != nil {
		return nil, nil, &StartError{Code: 1, Err: err}
	}
	x := &execution{e: e, v: v, o: r.Options, id: r.ID, size: r.Size}
	if err := x.create(ctx); err != nil {
		return nil, nil, err
	}
	var opts nsenter.Options
	if x.o.TTY {
		d.server = attach.NewServer(true)
		opts.Keep = []nsenter.Slot{x.compiled.Terminal.Master}
		if !x.o.Detach {
			if err := d.serve(ctx, x.socket()); err != nil {
				return nil, nil, err
			}
			// The only client comes before the program. Nobody else knows the
			// name, so it need not stay until the end.
			defer func() { _ = os.Remove(x.socket()) }()
		}
	}
	if err := tell(report{Stage: "listening"}); err != nil {
		return nil, nil, err
	}
	if err := awaitGo(); err != nil {
		return nil, nil, err
	}
	run, err := x.begin(ctx, opts)
	if err != nil {
		return nil, nil, err
	}
	d.run = run
	if x.o.TTY {
		d.attachTerminal(run.Fd(x.compiled.Terminal.Master))
	}
	return x, run, nil
}
