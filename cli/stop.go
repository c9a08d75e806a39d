package cli

import (
	"context"

	"berth/cli/option"
)

// stopFlags say how a container is asked to end.
type stopFlags struct {
	timeout *int
	signal  string
}

func (f *stopFlags) options() []*option.Option {
	return []*option.Option{
		option.Parsed(&f.signal, checkSignal, "s,signal", "string", "Signal to send to the container"),
		option.Parsed(&f.timeout, parseInt, "t,timeout,time", "int", "Seconds to wait before killing the container"),
	}
}

func stopCommand() *command {
	return &command{
		name: "stop", category: categoryContainers, group: "container", groupNames: []string{"stop"},
		args: "[OPTIONS] CONTAINER [CONTAINER...]", short: "Stop one or more running containers",
		about: "Stop sends the container's stop signal (SIGTERM unless the image or --stop-signal says otherwise) to its first process, waits ten seconds or what -t says, and then kills all of its processes.",
		min:   1, max: unlimited, mixed: true,
		operands: []operand{liveContainer},
		examples: []example{
			{"Stop containers, with half a minute to end.", "berth stop -t 30 web db"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f stopFlags
			return f.options(), func(ctx context.Context, args []string) error {
				return s.onEach(func(b *backend, ref string) error {
					return b.Stop(ctx, ref, f.timeout, f.signal)
				})(args)
			}
		},
	}
}
