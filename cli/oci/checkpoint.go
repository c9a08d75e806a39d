package oci

import "errors"

// Checkpoints would need a container's processes to be written out by CRIU. The
// commands are there to say so in words that reach the caller's user; --help
// fails as well, because podman takes its status for the answer to whether the
// runtime can do it.

func checkpointCommand() *command {
	return &command{
		name: "checkpoint", args: "[OPTIONS] " + idArg, short: "Not supported: says so and fails", max: unlimited,
		about:   "Checkpoint always fails: berth does not save the processes of a container. It takes any arguments.",
		refused: errors.New("checkpoint is not supported by berth: stop the container and start it anew instead"),
	}
}

func restoreCommand() *command {
	return &command{
		name: "restore", args: "[OPTIONS] " + idArg, short: "Not supported: says so and fails", max: unlimited,
		about:   "Restore always fails, as checkpoint does. It takes any arguments.",
		refused: errors.New("restore is not supported by berth: create the container anew from its bundle instead"),
	}
}
