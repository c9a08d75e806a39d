package cli

import (
	"context"

	"berth/cli/oci"
	"berth/cli/option"
	"berth/cli/status"
)

// bundlesCommand is the other command line, for the lists of this one: its words
// are never parsed here (CLI contract, section 8).
func bundlesCommand() *command {
	return &command{
		name: "oci", category: categoryOther, manual: "berth-oci(8)",
		args: "[GLOBAL OPTIONS] COMMAND [OPTIONS] [ARG...]", short: "Run containers from OCI bundles, as runc and crun do",
		max:      unlimited,
		examples: []example{{"Run a bundle.", "berth oci run -b /srv/bundle job"}},
		build: func(s *session) ([]*option.Option, action) {
			return nil, s.bundles
		},
	}
}

// bundles hands a command line over.
func (s *session) bundles(ctx context.Context, args []string) error {
	return status.Exit(oci.Main(ctx, oci.Process{
		Args: append([]string{s.program, "oci"}, args...), LookupEnv: s.env, Stdio: s.stdio, Version: s.version,
	}))
}
