package oci

import (
	"context"

	"berth/cli/option"
)

func pauseCommand() *command {
	return &command{
		name: "pause", args: idArg, short: "Suspend all processes of a container",
		about: "Pause freezes the container's cgroup: its processes keep everything and get no processor time.",
		min:   1, max: 1,
		build: func(s *session) ([]*option.Option, action) {
			return nil, s.with(func(ctx context.Context, b backend, id string) error { return b.Pause(ctx, id) })
		},
	}
}

func resumeCommand() *command {
	return &command{
		name: "resume", args: idArg, short: "Resume all processes of a paused container",
		about: "Resume thaws what pause froze.",
		min:   1, max: 1,
		build: func(s *session) ([]*option.Option, action) {
			return nil, s.with(func(ctx context.Context, b backend, id string) error { return b.Resume(ctx, id) })
		},
	}
}
