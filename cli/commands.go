package cli

// commands lists all commands. It is made anew for every use, since commands
// keep nothing and a list that anyone could change would be a global.
func commands() []*command {
	return []*command{
		runCommand(), createCommand(), startCommand(), stopCommand(), restartCommand(), killCommand(), rmCommand(),
		pauseCommand(), unpauseCommand(), renameCommand(), updateCommand(), containerPruneCommand(), imagePruneCommand(), systemPruneCommand(), dfCommand(), checkCommand(),
		psCommand(), portCommand(), logsCommand(), execCommand(), attachCommand(), inspectCommand(), inspectOf("container"), inspectOf("image"), waitCommand(),
		diffCommand(), exportCommand(), cpCommand(), commitCommand(),
		eventsCommand(), statsCommand(),
		topCommand(),
		healthcheckCommand(),
		pullCommand(), pushCommand(),
		manifestCreateCommand(), manifestAnnotateCommand(), manifestInspectCommand(), manifestPushCommand(), manifestRmCommand(),
		searchCommand(),
		loginCommand(), logoutCommand(),
		importCommand(), imagesCommand(), rmiCommand(), tagCommand(), historyCommand(), saveCommand(), loadCommand(),
		explainCommand(), bundlesCommand(), versionCommand(), infoCommand(), completionCommand(),
	}
}
