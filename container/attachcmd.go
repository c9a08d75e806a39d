package container

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"berth/container/attach"
)

// AttachOptions say how a command stays with a container.
type AttachOptions struct {
	// DetachKeys is the sequence that leaves the container running, in
	// docker's syntax; empty is ctrl-p,ctrl-q.
	DetachKeys string
	// NoStdin does not pass on the command's input.
	NoStdin bool
	// NoSigProxy does not pass on the command's signals.
	NoSigProxy bool
}

// Attach connects the caller's streams with a running container until its end,
// or until the detach keys. Several callers may be attached.
func (e *Engine) Attach(ctx context.Context, ref string, o AttachOptions, stdio Stdio) (code int, detached bool, err error) {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return 0, false, err
	}
	switch v.Status {
	case Paused:
		return 0, false, fmt.Errorf("container %s %w, unpause the container before attach", v.ID, ErrPaused)
	case Restarting:
		return 0, false, v.waits()
	}
	if v.Status != Running {
		return 0, false, fmt.Errorf("cannot attach to container %s: it %w", v.ID, ErrNotRunning)
	}
	if !v.Live.Attach {
		return 0, false, fmt.Errorf("cannot attach to container %s: it runs in the foreground of another command", v.ID)
	}
	e.emit(v.Config, "attach")
	return e.attachEnd(v.Config)(attach.Attach(ctx, e.attachPath(v.ID), clientOptions(v.Config, o, stdio, false)))
}

// attachEnd is attachResult, and tells of a client that has left.
func (e *Engine) attachEnd(c *Config) func(r attach.Result, err error) (int, bool, error) {
	return func(r attach.Result, err error) (int, bool, error) {
		code, left, err := attachResult(r, err)
		if left {
			e.emit(c, "detach")
		}
		return code, left, err
	}
}

// clientOptions describe an attachment.
func clientOptions(c *Config, o AttachOptions, stdio Stdio, lossless bool) attach.ClientOptions {
	opts := attach.ClientOptions{
		Stdin: stdio.In, Stdout: stdio.Out, Stderr: stdio.Err,
		TTY: c.Spec.Process.Terminal, DetachKeys: o.DetachKeys, SigProxy: !o.NoSigProxy, Lossless: lossless,
	}
	if o.NoStdin || !c.OpenStdin {
		opts.Stdin = nil
	}
	return opts
}

// attachResult turns the end of an attachment into the payload's exit status. A
// client that a signal has ended has left, with the status that says so.
func attachResult(r attach.Result, err error) (code int, left bool, _ error) {
	var ended *attach.SignalError
	if errors.As(err, &ended) {
		if n, ok := ended.Signal.(unix.Signal); ok {
			return 128 + int(n), true, nil
		}
	}
	return r.ExitCode, r.Detached, err
}
