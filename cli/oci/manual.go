package oci

import (
	"fmt"
	"strings"

	"berth/cli/option"
)

// Manual renders berth-oci(8) in Markdown as go-md2man reads it, from the
// commands themselves.
func Manual() string {
	s := newSession(Process{Args: []string{"berth", subcommand}, LookupEnv: func(string) (string, bool) { return "", false }})
	var b strings.Builder
	fmt.Fprintf(&b, "%% \"BERTH-OCI\" 8\n\n# NAME\n\nberth-oci - %s\n", tagline)
	b.WriteString("\n# SYNOPSIS\n\n**berth oci** [*global options*] *command* [*options*] [*arguments*]\n\n**berth-runc**, **runc**, **crun** [*global options*] *command* [*options*] [*arguments*]\n")
	b.WriteString("\n# DESCRIPTION\n\n" + option.Escape(`Berth oci is an OCI runtime: it makes containers from bundles, folders with a config.json and a root file system. It takes the command lines that runc and crun take, so that containerd, dockerd, podman and CRI-O can use berth in their place. Called by one of the three other names, berth is nothing but this.

Flags take one dash or two. Global flags stand in front of the command. Other flags may stand behind the id, but for exec and ps, where what follows the id belongs to the program.`) + "\n")
	b.WriteString("\n# GLOBAL OPTIONS\n")
	var g globals
	option.WriteManual(&b, g.options())
	b.WriteString("\n# COMMANDS\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "\n## %s %s\n\n%s\n", c.name, option.Escape(c.args), option.Escape(c.about))
		if c.refused == nil {
			options, _ := c.build(s)
			option.WriteManual(&b, options)
		}
	}
	b.WriteString("\n# EXIT STATUS\n\n**0** All went well.\n\n**1** An error, which is the last line on stderr and in the log.\n\n**255** Exec could not run the program.\n\nOtherwise, of run and exec, the program's own status; 128+n when signal n ended it.\n")
	b.WriteString("\n# LOG\n\nAn error is a line on stderr. With **--log** it goes to that file, as text or, with **--log-format json**, as an object with level, msg and time, and stderr has the bare text.\n")
	b.WriteString("\n# FILES\n\n*/run/berth/oci/ID*\n:   State of a container, below **--root**. It is no folder that runc or crun can read, nor the other way round.\n")
	b.WriteString("\n# ENVIRONMENT\n\n**BERTH\\_MODE**\n:   \"oci\" makes any name of the binary an OCI runtime's, \"engine\" makes none.\n\n**BERTH\\_ROOT**, **BERTH\\_RUNROOT**\n:   As for berth(1); the default of **--root** is oci below the second.\n\n**NOTIFY\\_SOCKET**, **LISTEN\\_FDS**, **LISTEN\\_FDNAMES**\n:   Are passed on to the container's program.\n")
	b.WriteString("\n# SEE ALSO\n\n**berth(1)**, **berth-explain(1)**\n")
	return b.String()
}
