package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
	"berth/nsenter"
)

const (
	// hookOutput is how many bytes of what a hook writes are kept for errors.
	hookOutput = 16 << 10
	// hookDrain is how long a hook that has ended is listened to: something
	// that it left running may hold the pipes open for ever.
	hookDrain = 200 * time.Millisecond
)

// hookProcess is a hook that runs, as the leader of a session.
type hookProcess struct {
	pid   int
	wait  func() (unix.WaitStatus, error)
	close func()
}

// onHost starts a hook as a process of the host's, with its own environment
// and nothing else.
func (x *hookRunner) onHost(hook specs.Hook, files []*os.File) (*hookProcess, error) {
	p, err := os.StartProcess(hook.Path, container.HookArgs(hook), &os.ProcAttr{
		Dir: x.about.Bundle, Env: append([]string{}, hook.Env...), Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	wait := func() (unix.WaitStatus, error) {
		s, err := p.Wait()
		if err != nil {
			return 0, err
		}
		status, _ := s.Sys().(syscall.WaitStatus)
		return unix.WaitStatus(status), nil
	}
	return &hookProcess{pid: p.Pid, wait: wait, close: func() {}}, nil
}

// inContainer starts a hook through a plan.
func (x *hookRunner) inContainer(ctx context.Context, plan *nsenter.Plan, files []*os.File) (*hookProcess, error) {
	run, err := plan.Start(ctx, nsenter.Options{Stdin: files[0], Stdout: files[1], Stderr: files[2], Empty: x.r.emptyDir()})
	if err != nil {
		run.Close()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	return &hookProcess{pid: run.Pid(), wait: run.Wait, close: run.Close}, nil
}

// talk starts a hook, gives it its input, and waits for its end. The error of
// one that fails says what it wrote.
func talk(ctx context.Context, input []byte, launch func(context.Context, []*os.File) (*hookProcess, error)) error {
	var s hookStreams
	files, err := s.open(input)
	if err != nil {
		return err
	}
	p, err := launch(ctx, files)
	for _, f := range files {
		_ = f.Close() // the hook has its own
	}
	if err == nil {
		err = p.end(ctx)
		p.close()
	}
	stdout, stderr := s.finish()
	if err != nil {
		return fmt.Errorf("%w, stdout: %s, stderr: %s", err, stdout, stderr)
	}
	return nil
}

// end waits for a hook, and kills it when the context ends before.
func (p *hookProcess) end(ctx context.Context) error {
	type result struct {
		status unix.WaitStatus
		err    error
	}
	ended := make(chan result, 1)
	go func() {
		status, err := p.wait()
		ended <- result{status, err}
	}()
	select {
	case r := <-ended:
		return describe(r.status, r.err)
	case <-ctx.Done():
		// Its number is its own until wait has returned; if that happens just
		// now, the group is empty at worst.
		_ = unix.Kill(-p.pid, unix.SIGKILL)
		<-ended
		return context.Cause(ctx)
	}
}

// describe turns an end that is not a success into an error.
func describe(status unix.WaitStatus, err error) error {
	switch {
	case err != nil:
		return err
	case status.Signaled():
		return fmt.Errorf("signal: %s", unix.SignalName(status.Signal()))
	case status.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return nil
}

// hookStreams are our ends of a hook's three pipes.
type hookStreams struct {
	output [2]bytes.Buffer
	ends   [2]*os.File
	input  *os.File
	copies sync.WaitGroup
}

// open makes the pipes and returns the hook's ends.
func (s *hookStreams) open(input []byte) ([]*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe for a hook: %w", err)
	}
	files := []*os.File{r}
	s.input = w
	for i := range s.ends {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(append(files, s.input, s.ends[0]))
			return nil, fmt.Errorf("make pipe for a hook: %w", err)
		}
		s.ends[i] = r
		files = append(files, w)
	}
	go func() {
		// EPIPE is a hook that does not care for its input.
		_, _ = s.input.Write(input)
		_ = s.input.Close()
	}()
	for i := range s.ends {
		s.copies.Go(func() { s.copy(i) })
	}
	return files, nil
}

// copy keeps the first part of what comes, and drops the rest.
func (s *hookStreams) copy(i int) {
	// A deadline ends a copy that would take for ever: not an error.
	_, _ = io.CopyN(&s.output[i], s.ends[i], hookOutput)
	_, _ = io.Copy(io.Discard, s.ends[i])
}

// finish ends the copies and returns what came.
func (s *hookStreams) finish() (stdout, stderr string) {
	for _, f := range s.ends {
		_ = f.SetReadDeadline(time.Now().Add(hookDrain))
	}
	s.copies.Wait()
	// A hook that never read has the writer waiting.
	if err := s.input.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return "", err.Error()
	}
	closeAll(s.ends[:])
	return strings.TrimSpace(s.output[0].String()), strings.TrimSpace(s.output[1].String())
}

// closeAll closes pipes, which can only fail for those that are closed.
func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
