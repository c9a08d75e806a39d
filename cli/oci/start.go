package oci

import (
	"context"

	"berth/cli/option"
)

func startCommand() *command {
	return &command{
		name: "start", args: idArg, short: "Start the program of a created container",
		about: "Start runs the hooks that are due and lets the first process of a created container execute its program.",
		min:   1, max: 1,
		build: func(s *session) ([]*option.Option, action) {
			return nil, s.with(func(ctx context.Context, b backend, id string) error { return b.Start(ctx, id) })
		},
	}
}
