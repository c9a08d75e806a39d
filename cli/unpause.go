package cli

import (
	"context"

	"berth/cli/option"
)

func unpauseCommand() *command {
	return &command{
		name: "unpause", category: categoryContainers, group: "container", groupNames: []string{"unpause"},
		args: "CONTAINER [CONTAINER...]", short: "Unpause all processes within one or more containers",
		about: "Unpause lets the processes of a paused container go on, and prints the container as it was typed.",
		min:   1, max: unlimited, mixed: true,
		operands: []operand{pausedContainer},
		examples: []example{
			{"Let a paused container go on.", "berth unpause db"},
		},
		build: func(s *session) ([]*option.Option, action) {
			return nil, func(ctx context.Context, args []string) error {
				return s.onEach(func(b *backend, ref string) error { return b.Unpause(ctx, ref) })(args)
			}
		},
	}
}
