package cli

import (
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// The help is urfave's, with docker's layout.
const (
	commandHelp = `Usage:  {{.UsageText}}

{{.Usage}}
{{if .VisibleFlags}}
Options:
{{range .VisibleFlags}}  {{.}}
{{end}}{{end}}`

	programHelp = `Usage:  {{.UsageText}}

{{.Usage}}
{{range .VisibleCategories}}
{{.Name}}:
{{range .VisibleCommands}}  {{.Name}}	{{.Usage}}
{{end}}{{end}}
Global Options:
{{range .VisibleFlags}}  {{.}}
{{end}}
Run '{{.Name}} COMMAND --help' for more information on a command.
`

	groupHelp = `Usage:  {{.UsageText}} COMMAND

{{.Usage}}

Commands:
{{range .VisibleCommands}}  {{.Name}}	{{.Usage}}
{{end}}
Run '{{.HelpName}} COMMAND --help' for more information on a command.
`
)

// Headings of the list of commands.
const (
	categoryContainers = "Container commands"
	categoryImages     = "Image commands"
	categoryOther      = "Other commands"
)

// group is a word that long forms begin with.
type group struct{ name, usage string }

// groups are those of docker that have commands here.
func groups(all []*command) []group {
	list := []group{
		{"container", "Manage containers"},
		{"image", "Manage images"},
		{"system", "Manage berth"},
		{"healthcheck", "Check the health of containers"},
	}
	return slices.DeleteFunc(list, func(g group) bool {
		return !slices.ContainsFunc(all, func(c *command) bool { return c.group == g.name })
	})
}

// members are the group's commands in the order of their names.
func (g group) members(all []*command) []*command {
	list := slices.DeleteFunc(slices.Clone(all), func(c *command) bool { return c.group != g.name })
	slices.SortFunc(list, func(a, b *command) int { return strings.Compare(a.groupNames[0], b.groupNames[0]) })
	return list
}

// tagline says what the program is, below its usage line.
func (s *session) tagline() string {
	if s.program == "docker" {
		return "A self-sufficient runtime for containers"
	}
	return "Run containers without a daemon"
}

// groupUsage is the usage line of a group. Docker's errors have it without the
// word that its help has.
func (s *session) groupUsage(g group) string {
	if s.program == "docker" {
		return s.program + " " + g.name
	}
	return s.program + " " + g.name + " COMMAND"
}

// outline lists commands for a help text; the flags stay unmade.
func (s *session) outline(commands []*command) []*urfave.Command {
	var list []*urfave.Command
	for _, c := range commands {
		if !c.longOnly() {
			list = append(list, &urfave.Command{Name: c.name, Usage: c.short, Category: c.category, Hidden: c.hidden || c.name == "oci" && s.program == "docker"})
		}
	}
	for _, g := range groups(commands) {
		list = append(list, &urfave.Command{Name: g.name, Usage: g.usage, Category: "Management commands"})
	}
	return list
}

// printGroup prints the list of a group's commands.
func (s *session) printGroup(g group, all []*command) {
	list := &urfave.Command{Name: g.name, Usage: g.usage, HelpName: s.program + " " + g.name, UsageText: s.program + " " + g.name}
	for _, c := range g.members(all) {
		list.Subcommands = append(list.Subcommands, &urfave.Command{Name: c.groupNames[0], Usage: c.short})
	}
	urfave.HelpPrinter(s.out, groupHelp, list)
}
