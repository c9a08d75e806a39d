package oci

// commands lists all commands. It is made anew for every use: a list that
// anyone could change would be a global.
func commands() []*command {
	return []*command{
		createCommand(), startCommand(), runCommand(), execCommand(),
		stateCommand(), listCommand(), psCommand(), eventsCommand(),
		killCommand(), deleteCommand(), pauseCommand(), resumeCommand(), updateCommand(),
		specCommand(), featuresCommand(), checkpointCommand(), restoreCommand(),
	}
}
