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
Options:
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

// groups are the words that long forms begin with.
func groups() []struct{ name, usage string } {
	return []struct{ name, usage string }{
		{"container", "Manage containers"},
		{"image", "Manage images"},
	}
}

// outline lists commands for a help text; the flags stay unmade.
func outline(commands []*command) []*urfave.Command {
	var list []*urfave.Command
	for _, c := range commands {
		list = append(list, &urfave.Command{Name: c.name, Usage: c.short, Category: c.category, Hidden: c.hidden})
	}
	for _, g := range groups() {
		list = append(list, &urfave.Command{Name: g.name, Usage: g.usage, Category: "Management commands"})
	}
	return list
}

// printGroup prints the list of a group's commands.
func (s *session) printGroup(name, usage string) {
	group := &urfave.Command{Name: name, Usage: usage, HelpName: s.program + " " + name, UsageText: s.program + " " + name}
	for _, c := range commands() {
		if c.group == name {
			group.Subcommands = append(group.Subcommands, &urfave.Command{Name: c.groupNames[0], Usage: c.short})
		}
	}
	slices.SortFunc(group.Subcommands, func(a, b *urfave.Command) int { return strings.Compare(a.Name, b.Name) })
	urfave.HelpPrinter(s.out, groupHelp, group)
}

// suggest returns what the user may have meant by an unknown command.
func suggest(word string) string {
	var near []*urfave.Command
	for _, c := range commands() {
		// A name that shares nothing with the word is no help.
		if word != "" && (c.name[0] == word[0] || strings.Contains(c.name, word)) {
			near = append(near, &urfave.Command{Name: c.name})
		}
	}
	if len(near) == 0 || urfave.SuggestCommand == nil {
		return ""
	}
	return urfave.SuggestCommand(near, word)
}
