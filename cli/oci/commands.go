package oci

import "iter"

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

// Verbs yields the commands' names with what each does, for completion.
func Verbs() iter.Seq2[string, string] {
	return func(yield func(name, short string) bool) {
		for _, c := range commands() {
			if !yield(c.name, c.short) {
				return
			}
		}
	}
}
