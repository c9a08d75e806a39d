package cli

import (
	"context"

	"berth/cli/option"
)

func pauseCommand() *command {
	return &command{
		name: "pause", category: categoryContainers, group: "container", groupNames: []string{"pause"},
		args: "CONTAINER [CONTAINER...]", short: "Pause all processes within one or more containers",
		about: "Pause stops every process of a container where it is, by the kernel's freezer, and prints the container as it was typed. The processes see nothing of it. They go on with unpause(1), or when the container is stopped or killed.",
		min:   1, max: unlimited, mixed: true,
		operands: []operand{runningContainer},
		examples: []example{
			{"Stop all processes of a container for a copy of its data.", "berth pause db"},
		},
		build: func(s *session) ([]*option.Option, action) {
			return nil, func(ctx context.Context, args []string) error {
				return s.onEach(func(b *backend, ref string) error { return b.Pause(ctx, ref) })(args)
			}
		},
	}
}
