package cli

import (
	"context"

	"berth/cli/option"
)

func restartCommand() *command {
	return &command{
		name: "restart", category: categoryContainers, group: "container", groupNames: []string{"restart"},
		args: "[OPTIONS] CONTAINER [CONTAINER...]", short: "Restart one or more containers",
		about: "Restart stops a container as stop(1) does, with its stop signal and ten seconds or what -t says, and starts it again. One that does not run is started.",
		min:   1, max: unlimited, mixed: true,
		examples: []example{
			{"Restart a container, with half a minute to end.", "berth restart -t 30 web"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f stopFlags
			return f.options(), func(ctx context.Context, args []string) error {
				return s.onEach(func(b *backend, ref string) error {
					return startFailed(b.Restart(ctx, ref, f.timeout, f.signal))
				})(args)
			}
		},
	}
}
