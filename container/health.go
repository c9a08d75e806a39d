package container

import (
	"context"
	"errors"
	"path"
	"time"

	"berth/state"
)

// HealthCheck says how a container's health is found out: docker's HEALTHCHECK.
// A number that is zero stands for docker's default.
type HealthCheck struct {
	// Test is empty or ["NONE"] for no check, ["CMD", argument…] for a program,
	// or ["CMD-SHELL", text] for a line of the shell.
	Test []string `json:"test,omitempty"`
	// Shell runs a CMD-SHELL test, its text being the last argument; empty is
	// /bin/sh -c. An image may have another (SHELL).
	Shell []string `json:"shell,omitempty"`
	// Interval is the time between two probes, Timeout what one may take.
	Interval time.Duration `json:"interval,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"`
	// StartPeriod is how long after the start failures do not count, while no
	// probe has succeeded yet; in it, StartInterval is the time between two.
	StartPeriod   time.Duration `json:"start_period,omitempty"`
	StartInterval time.Duration `json:"start_interval,omitempty"`
	// Retries is how many failures in a row make a container unhealthy.
	Retries int `json:"retries,omitempty"`
}

// Docker's defaults.
const (
	defaultProbeInterval = 30 * time.Second
	defaultProbeTimeout  = 30 * time.Second
	defaultStartInterval = 5 * time.Second
	defaultProbeRetries  = 3
)

// MinProbeTime is the least time that docker takes for an interval, a timeout
// or a period.
const MinProbeTime = time.Millisecond

// Probes tells whether there is anything to run.
func (c *HealthCheck) Probes() bool { return c.command() != nil }

// command is what a probe runs; nil for nothing. Tests of another kind are of a
// docker to come, which this one ignores too.
func (c *HealthCheck) command() []string {
	if c == nil || len(c.Test) < 2 {
		return nil
	}
	switch c.Test[0] {
	case "CMD":
		return c.Test[1:]
	case "CMD-SHELL":
		shell := c.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(append([]string{}, shell...), c.Test[1:]...)
	}
	return nil
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// next is how long to wait before the next probe.
func (c *HealthCheck) next(status HealthStatus, age time.Duration) time.Duration {
	if status == Starting && age < c.StartPeriod {
		return orDefault(c.StartInterval, defaultStartInterval)
	}
	return orDefault(c.Interval, defaultProbeInterval)
}

// HealthStatus is what the probes say of a container, in docker's words.
type HealthStatus string

// The states of health.
const (
	Starting  HealthStatus = "starting"
	Healthy   HealthStatus = "healthy"
	Unhealthy HealthStatus = "unhealthy"
)

// Health is the record of a container's probes (RunContainer(id)/health.json).
// It lies on a tmpfs, so a reboot forgets it.
type Health struct {
	state.Header
	// Started is the beginning of the run that Status is about.
	Started time.Time    `json:"started"`
	Status  HealthStatus `json:"status"`
	// FailingStreak is how many probes have failed in a row.
	FailingStreak int `json:"failing_streak"`
	// Log has the last results, the newest at the end.
	Log []ProbeResult `json:"log"`
}

// ProbeResult is what came of one probe.
type ProbeResult struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// ExitCode is the program's, or -1 when it did not run or took too long.
	ExitCode int `json:"exit_code"`
	// Output is the beginning of what it printed, or why it did not run.
	Output string `json:"output"`
}

// maxResults is how many results a record keeps, docker's.
const maxResults = 5

// last is the end of the last probe.
func (h *Health) last() time.Time {
	if len(h.Log) == 0 {
		return time.Time{}
	}
	return h.Log[len(h.Log)-1].End
}

// judge takes in the result of one probe, by docker's rules.
func (h *Health) judge(c *HealthCheck, r ProbeResult) {
	h.Log = append(h.Log, r)
	if over := len(h.Log) - maxResults; over > 0 {
		h.Log = append([]ProbeResult(nil), h.Log[over:]...)
	}
	if r.ExitCode == 0 {
		h.FailingStreak, h.Status = 0, Healthy
		return
	}
	if h.Status == Starting && r.Start.Sub(h.Started) < c.StartPeriod {
		return
	}
	if h.FailingStreak++; h.FailingStreak >= orDefault(c.Retries, defaultProbeRetries) {
		h.Status = Unhealthy
	}
}

func (e *Engine) healthPath(id string) string {
	return path.Join(e.Dirs.RunContainer(id), "health.json")
}

// health is a container's health as a command shows it; nil for a container
// that has none. One that does not run is unhealthy, as docker has it.
func (e *Engine) health(v *View) *Health {
	runs := v.Status == Running || v.Status == Paused
	ran := v.Exit != nil || v.Status == Restarting
	if !v.HealthCheck.Probes() || !runs && !ran {
		return nil
	}
	var h Health
	// What cannot be read is a record that is yet to be written, or one that
	// the next probe writes anew.
	err := state.ReadJSON(e.healthPath(v.ID), &h)
	switch {
	case !runs:
		h.Status = Unhealthy
	case err != nil || !h.Started.Equal(v.Live.Started):
		h = Health{Started: v.Live.Started, Status: Starting, Log: h.Log}
	}
	return &h
}

// recordTime bounds how long a probe's result may wait for the lock.
const recordTime = time.Second

// recordProbe puts a result on record and tells when the status is another one.
// kept is what the caller knows of the run, and what is known after it; the
// record counts more when it is newer, since others may probe too. With no byte
// free on the tmpfs the old record stays, and kept grows.
func (e *Engine) recordProbe(ctx context.Context, c *Config, kept *Health, r ProbeResult) error {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	// Not Engine.lock: that would make the folder of a container that is gone.
	lock, err := state.Lock(ctx, e.lockPath(c.ID))
	if err == nil {
		defer unlock(lock)
	}
	var h Health
	if state.ReadJSON(e.healthPath(c.ID), &h) == nil && h.Started.Equal(kept.Started) && !h.last().Before(kept.last()) {
		*kept = h
	}
	was := kept.Status
	kept.judge(c.HealthCheck, r)
	err = errors.Join(err, state.WriteJSON(e.healthPath(c.ID), kept, state.Fast))
	if kept.Status != was {
		e.emit(c, "health_status: "+string(kept.Status))
	}
	return err
}
