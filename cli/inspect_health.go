package cli

import (
	"time"

	"berth/container"
)

// healthState is State.Health of docker's inspect.
type healthState struct {
	Status        string
	FailingStreak int
	Log           []probeResult
}

type probeResult struct {
	Start, End time.Time
	ExitCode   int
	Output     string
}

// healthConfig is Config.Healthcheck of docker's inspect; times are in
// nanoseconds.
type healthConfig struct {
	Test          []string      `json:",omitempty"`
	Interval      time.Duration `json:",omitempty"`
	Timeout       time.Duration `json:",omitempty"`
	StartPeriod   time.Duration `json:",omitempty"`
	StartInterval time.Duration `json:",omitempty"`
	Retries       int           `json:",omitempty"`
}

func describeHealth(h *container.Health) *healthState {
	if h == nil {
		return nil
	}
	s := &healthState{Status: string(h.Status), FailingStreak: h.FailingStreak, Log: []probeResult{}}
	for _, r := range h.Log {
		s.Log = append(s.Log, probeResult{Start: r.Start, End: r.End, ExitCode: r.ExitCode, Output: r.Output})
	}
	return s
}

func describeHealthCheck(c *container.HealthCheck) *healthConfig {
	if c == nil {
		return nil
	}
	return &healthConfig{
		Test: c.Test, Interval: c.Interval, Timeout: c.Timeout,
		StartPeriod: c.StartPeriod, StartInterval: c.StartInterval, Retries: c.Retries,
	}
}
