package oci

import (
	"context"

	"berth/cli/option"
)

func featuresCommand() *command {
	return &command{
		name: "features", args: "", short: "Show what this runtime supports",
		about: "Features prints the features document of the runtime specification (features.md) as JSON.",
		build: func(s *session) ([]*option.Option, action) {
			return nil, func(context.Context, []string) error {
				b, err := s.open()
				if err != nil {
					return err
				}
				return printJSON(s.out, b.Features(), "    ")
			}
		},
	}
}
