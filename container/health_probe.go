package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// maxProbeOutput is how much of a probe's output is kept, in bytes: docker's.
const maxProbeOutput = 4096

// probeDrain is how long a probe's output may still come after its end.
const probeDrain = 100 * time.Millisecond

// probe runs a container's health check once. It is one more program in the
// container, in a group of its own: whatever a probe has started ends with it,
// and with its time.
type probe struct {
	x *execution
	// out is what it has printed so far.
	out []byte
}

// runProbe runs one probe and never fails: what keeps it from running is its
// result. After the end of ctx the result means nothing.
func (e *Engine) runProbe(ctx context.Context, c *Config, live *Live) ProbeResult {
	r := ProbeResult{Start: time.Now().UTC(), ExitCode: -1}
	timeout := orDefault(c.HealthCheck.Timeout, defaultProbeTimeout)
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p := &probe{x: &execution{
		e: e, v: &View{Config: c, Live: live, Status: Running}, o: ExecOptions{Args: c.HealthCheck.command()},
		// Two may run side by side: the supervisor's, and one by hand.
		nest: "berth-probe-" + strconv.Itoa(os.Getpid()),
	}}
	status, err := p.run(limit)
	r.End, r.Output = time.Now().UTC(), string(p.out)
	if len(p.out) > maxProbeOutput {
		r.Output = string(p.out[:maxProbeOutput]) + "..."
	}
	switch {
	case limit.Err() != nil:
		text := fmt.Sprintf("Health check exceeded timeout (%v)", timeout)
		if r.Output != "" {
			text += ": " + r.Output
		}
		r.Output = text
	case err != nil:
		r.Output = err.Error()
	default:
		r.ExitCode = exitCode(status)
	}
	return r
}

// run starts the probe and waits for its end, or ends it with the context.
func (p *probe) run(ctx context.Context) (unix.WaitStatus, error) {
	err := p.x.compile(ctx)
	if p.x.nested != nil {
		defer p.clear(ctx)
	}
	if err != nil {
		return 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make pipe for health check: %w", err)
	}
	defer r.Close()
	run, err := p.x.start(ctx, nsenter.Options{Stdout: w, Stderr: w})
	w.Close()
	if err != nil {
		run.Close()
		return 0, err
	}
	defer run.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.read(r)
	}()
	stop := context.AfterFunc(ctx, func() { p.kill(ctx) })
	status, err := run.Wait()
	stop()
	p.kill(ctx)
	// A process that has left the group, as a privileged one can, holds the
	// pipe open.
	_ = r.SetReadDeadline(time.Now().Add(probeDrain))
	<-read
	return status, err
}

// read takes the output; what is too much is taken and dropped, so that the
// probe is not held up.
func (p *probe) read(r io.Reader) {
	p.out, _ = io.ReadAll(io.LimitReader(r, maxProbeOutput+1))
	_, _ = io.Copy(io.Discard, r)
}

// kill ends whatever is in the probe's group.
func (p *probe) kill(ctx context.Context) {
	ctx, cancel := settling(ctx)
	defer cancel()
	// The removal of the group reports what could not be killed.
	_ = p.x.nested.Kill(ctx)
}

// clear removes the probe's group. One that stays is removed with the
// container's own, or by the next probe.
func (p *probe) clear(ctx context.Context) {
	p.kill(ctx)
	ctx, cancel := settling(ctx)
	defer cancel()
	_ = p.x.nested.Remove(ctx)
}

// ErrNoHealthCheck is a container without a health check.
var ErrNoHealthCheck = errors.New("has no defined healthcheck")

// CheckHealth runs a container's health check now, puts the result on record,
// and returns it with the container's health. An error beside a health says why
// the result is not on record.
func (e *Engine) CheckHealth(ctx context.Context, ref string) (ProbeResult, *Health, error) {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return ProbeResult{}, nil, err
	}
	switch {
	case !v.HealthCheck.Probes():
		return ProbeResult{}, nil, fmt.Errorf("container %s %w", ref, ErrNoHealthCheck)
	case v.Status == Paused:
		return ProbeResult{}, nil, fmt.Errorf("container %s %w", ref, ErrPaused)
	case v.Status != Running:
		return ProbeResult{}, nil, fmt.Errorf("container %s %w", ref, ErrNotRunning)
	}
	// A signal ends the probe, not this process in the middle of it.
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	r := e.runProbe(ctx, v.Config, v.Live)
	if err := ctx.Err(); err != nil {
		return r, nil, fmt.Errorf("health check of container %s: %w", ref, err)
	}
	h := &Health{Started: v.Live.Started, Status: Starting}
	err = e.recordProbe(ctx, v.Config, h, r)
	return r, h, err
}
