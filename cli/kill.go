package cli

import (
	"context"

	"berth/container"
)

func killCommand() *command {
	return &command{
		name: "kill", category: categoryContainers, group: "container", groupNames: []string{"kill"},
		args: "[OPTIONS] CONTAINER [CONTAINER...]", short: "Kill one or more running containers",
		about: "Kill sends a signal, SIGKILL unless -s says otherwise, to the container's first process.",
		min:   1, max: unlimited, mixed: true,
		build: func(s *session) ([]*option, action) {
			signal := "KILL"
			return []*option{
					textOption(&signal, "s,signal", "string", "Signal to send to the container"),
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
