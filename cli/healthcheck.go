package cli

import (
	"context"
	"fmt"

	"berth/cli/option"
	"berth/cli/status"
	"berth/container"
)

func healthcheckCommand() *command {
	return &command{
		name: "healthcheck run", category: categoryContainers, group: "healthcheck", groupNames: []string{"run"},
		args: "CONTAINER", short: "Run the health check of a container now",
		about: "Healthcheck run probes a running container once, beside the probes that its supervisor makes, and puts the result on record. The status is 0 when the probe succeeded, 1 when it did not, and 125 when there is nothing to run.",
		min:   1, max: 1, mixed: true,
		operands: []operand{runningContainer},
		examples: []example{
			{"Ask a container for its health in a script.", "berth healthcheck run web && echo healthy"},
		},
		build: func(s *session) ([]*option.Option, action) {
			return nil, func(ctx context.Context, args []string) error { return s.healthcheck(ctx, args[0]) }
		},
	}
}

func (s *session) healthcheck(ctx context.Context, ref string) error {
	b, err := s.open()
	if err != nil {
		return err
	}
	result, health, err := b.CheckHealth(ctx, ref)
	if err != nil && health == nil {
		return &status.Error{Code: exitBerth, Err: err}
	}
	if err != nil {
		s.warn(err.Error())
	}
	if result.ExitCode == 0 {
		return nil
	}
	// A container in its start period is not unhealthy yet.
	word := health.Status
	if word == container.Healthy {
		word = container.Unhealthy
	}
	if _, err := fmt.Fprintln(s.out, word); err != nil {
		return err
	}
	return status.Exit(exitFailed)
}
