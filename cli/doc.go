// Package cli owns berth's command line: which commands and flags there are,
// what they print, and the status they exit with.
//
// A [command] is a row of data (its words, its usage line, its flags) with one
// function; a file holds one command. Flags are read as package option draws it,
// by docker's rules (-it, -e K=V, -m64m, where flags stop), which urfave/cli/v2
// does not know; refusals are worded as docker does. Only the command that was
// called is given to urfave, so that the price of sixty flags is not paid by
// every command.
//
// The package guarantees that flags write straight into the OCI spec of a
// [container.Config]: a group of flags (identityFlags, memoryFlags, …) owns
// its flags, their checks and the part of the spec that they set, and notes in
// Config.From which flag asked for what.
//
// Help, manual pages, completion and the tables of docs/coming-from-docker.md are
// made from the same rows: what a command's words name (operands) and examples of
// it stand there, too.
//
// It never ends the process: [Main] returns the exit status. What needs no
// words from a user (an API server, a monitor) uses package container directly.
package cli
