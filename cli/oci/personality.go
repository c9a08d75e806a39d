package oci

import "path/filepath"

// modeEnv overrides what the name of the binary says: "oci" or "engine".
const modeEnv = "BERTH_MODE"

// subcommand is berth's word for this command line.
const subcommand = "oci"

// Claims tells whether a command line is an OCI runtime's: berth was called by
// the name of one, or its first word says so. It reads args and the environment
// only, so it can be asked before any flag is parsed.
func Claims(args []string, lookupEnv func(string) (string, bool)) bool {
	if len(args) == 0 {
		return false
	}
	mode, _ := lookupEnv(modeEnv)
	name := filepath.Base(args[0])
	switch {
	case mode == "oci":
		return true
	case mode == "engine" || !isRuntime(name):
		// docker has no command of that name, and berth must not give it one.
		return (name != "docker" || mode == "engine") && len(args) > 1 && args[1] == subcommand
	}
	return true
}

// isRuntime tells whether callers of OCI runtimes know a binary by this name.
func isRuntime(name string) bool { return name == "runc" || name == "crun" || name == "berth-runc" }

// personality splits a command line that Claims accepted into the program as
// messages call it, the name that --version answers to, and the rest.
//
// containerd and dockerd parse "runc version …"; only callers of crun know
// another name.
func personality(args []string) (program, versionName string, rest []string) {
	program, rest = "berth "+subcommand, args[1:]
	if len(rest) > 0 && rest[0] == subcommand {
		rest = rest[1:]
	}
	versionName = "runc"
	if name := filepath.Base(args[0]); isRuntime(name) {
		program = name
		if name == "crun" {
			versionName = name
		}
	}
	return program, versionName, rest
}
