package cli

import (
	"context"

	"berth/cli/option"
	"berth/container"
)

func killCommand() *command {
	return &command{
		name: "kill", category: categoryContainers, group: "container", groupNames: []string{"kill"},
		args: "[OPTIONS] CONTAINER [CONTAINER...]", short: "Kill one or more running containers",
		about: "Kill sends a signal, SIGKILL unless -s says otherwise, to the container's first process.",
		min:   1, max: unlimited, mixed: true,
		operands: []operand{liveContainer},
		examples: []example{
			{"End a container at once.", "berth kill web"},
			{"Have a program read its configuration again.", "berth kill -s HUP web"},
		},
		build: func(s *session) ([]*option.Option, action) {
			signal := "KILL"
			return []*option.Option{
					option.Text(&signal, "s,signal", "string", "Signal to send to the container"),
				}, func(ctx context.Context, args []string) error {
					sig, err := container.ParseSignal(signal)
					if err != nil {
						return err
					}
					return s.onEach(func(b *backend, ref string) error {
						return b.Kill(ctx, ref, sig)
					})(args)
				}
		},
	}
}
