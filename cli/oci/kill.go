package oci

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"berth/cli/option"
	"berth/container"
)

func killCommand() *command {
	return &command{
		name: "kill", args: "[OPTIONS] " + idArg + " [SIGNAL]", short: "Send a signal to a container's first process",
		about: "Kill sends SIGTERM or the signal given, by number or by name with or without SIG, to the first process of a container. Signal 0 only tests whether there is one.",
		min:   1, max: 2,
		build: func(s *session) ([]*option.Option, action) {
			var all bool
			options := []*option.Option{switchOption(&all, "all,a", "Send the signal to all processes of the container")}
			return options, func(ctx context.Context, args []string) error {
				sig, err := parseSignal(append(args, "TERM")[1])
				if err != nil {
					return err
				}
				b, err := s.open()
				if err != nil {
					return err
				}
				return b.Kill(ctx, args[0], sig, all)
			}
		},
	}
}

// parseSignal reads a signal as kill(1) takes it.
func parseSignal(word string) (unix.Signal, error) {
	if word == "0" {
		return 0, nil
	}
	sig, err := container.ParseSignal(word)
	if err != nil {
		return 0, fmt.Errorf("unknown signal %q", word) // as runc says it
	}
	return sig, nil
}
