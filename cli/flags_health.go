package cli

import (
	"errors"
	"fmt"
	"time"

	"berth/cli/option"
	"berth/container"
)

// healthFlags say how a container's health is found out.
type healthFlags struct {
	cmd  string
	none bool
	// Zero is the image's value, or docker's default.
	interval, timeout, startPeriod, startInterval time.Duration
	retries                                       int
}

func (f *healthFlags) options() []*option.Option {
	const unit = "duration"
	return []*option.Option{
		option.Text(&f.cmd, "health-cmd", "string", "Command to run to check health"),
		option.Parsed(&f.interval, time.ParseDuration, "health-interval", unit, "Time between running the check (ms|s|m|h) (default 30s)"),
		option.New("health-retries", "int", "Consecutive failures needed to report unhealthy (default 3)", func(s string) error {
			n, err := parseInt(s)
			f.retries = *n
			return err
		}),
		option.Parsed(&f.startInterval, time.ParseDuration, "health-start-interval", unit, "Time between running the check during the start period (ms|s|m|h) (default 5s)"),
		option.Parsed(&f.startPeriod, time.ParseDuration, "health-start-period", unit, "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)"),
		option.Parsed(&f.timeout, time.ParseDuration, "health-timeout", unit, "Maximum time to allow one check to run (ms|s|m|h) (default 30s)"),
		option.Switch(&f.none, "no-healthcheck", "Disable any container-specified HEALTHCHECK"),
	}
}

// given tells whether any of the settings was.
func (f *healthFlags) given() bool {
	return f.cmd != "" || f.interval != 0 || f.timeout != 0 || f.startPeriod != 0 || f.startInterval != 0 || f.retries != 0
}

// check refuses in the words of docker's client what that refuses, and in its
// daemon's words the rest.
func (f *healthFlags) check() error {
	if f.none && f.given() {
		return errors.New("--no-healthcheck conflicts with --health-* options")
	}
	times := []struct {
		flag, field string
		value       time.Duration
	}{
		{"--health-interval", "Interval", f.interval},
		{"--health-timeout", "Timeout", f.timeout},
		{"--health-start-period", "StartPeriod", f.startPeriod},
		{"--health-start-interval", "StartInterval", f.startInterval},
	}
	for _, t := range times {
		if t.value < 0 {
			return fmt.Errorf("%s cannot be negative", t.flag)
		}
	}
	if f.retries < 0 {
		return errors.New("--health-retries cannot be negative")
	}
	for _, t := range times {
		if t.value != 0 && t.value < container.MinProbeTime {
			return &daemonError{verbatim("%s in Healthcheck cannot be less than %s", t.field, container.MinProbeTime)}
		}
	}
	return nil
}

// apply takes the image's check, with what the flags say instead.
func (f *healthFlags) apply(d *draft) error {
	check := container.HealthCheck{}
	if h := d.image.Healthcheck; h != nil {
		check = container.HealthCheck{
			Test: h.Test, Shell: d.image.Shell, Interval: h.Interval, Timeout: h.Timeout,
			StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
		}
	} else if !f.none && !f.given() {
		return nil
	}
	if f.cmd != "" {
		check.Test, check.Shell = []string{"CMD-SHELL", f.cmd}, d.image.Shell
	}
	for _, v := range []struct{ to, from *time.Duration }{
		{&check.Interval, &f.interval}, {&check.Timeout, &f.timeout},
		{&check.StartPeriod, &f.startPeriod}, {&check.StartInterval, &f.startInterval},
	} {
		if *v.from != 0 {
			*v.to = *v.from
		}
	}
	if f.retries != 0 {
		check.Retries = f.retries
	}
	if f.none {
		check = container.HealthCheck{Test: []string{"NONE"}}
	}
	d.HealthCheck = &check
	return nil
}
