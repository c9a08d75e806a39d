package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	urfave "github.com/urfave/cli/v2"

	"berth/cli/option"
)

// The help is urfave's, with docker's layout.
const (
	commandHelp = `Usage:  {{.UsageText}}

{{.Usage}}
{{if .Description}}
Aliases:
  {{.Description}}
{{end}}{{if .VisibleFlags}}
Options:
{{range .VisibleFlags}}  {{.}}
{{end}}{{end}}`

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
	categoryManagement = "Management commands"
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

// section is a heading of the program's help with lines below it.
type section struct {
	heading string
	lines   [][2]string
}

// sections are the commands as the program's help lists them.
func (s *session) sections(all []*command) []section {
	order := []string{categoryContainers, categoryImages, categoryManagement, categoryOther}
	under := func(c *command) string { return c.category }
	if s.program == "docker" {
		order = []string{"Common Commands", "Management Commands", "Commands"}
		under = func(c *command) string {
			if slices.Contains(commonCommands(), c.name) {
				return order[0]
			}
			return order[2]
		}
		slices.SortFunc(all, func(a, b *command) int {
			return cmp.Or(commonRank(a)-commonRank(b), strings.Compare(a.name, b.name))
		})
	}
	var list []section
	for _, heading := range order {
		sec := section{heading: heading}
		if heading == categoryManagement || heading == "Management Commands" {
			for _, g := range groups(all) {
				sec.lines = append(sec.lines, [2]string{g.name, g.usage})
			}
		}
		for _, c := range all {
			if !c.longOnly() && !c.hidden && under(c) == heading && (c.name != "oci" || s.program != "docker") {
				sec.lines = append(sec.lines, [2]string{c.name, c.short})
			}
		}
		list = append(list, sec)
	}
	return list
}

// commonCommands are what docker's help begins with, in its order.
func commonCommands() []string {
	return []string{"run", "exec", "ps", "images", "version", "info"}
}

func commonRank(c *command) int {
	if n := slices.Index(commonCommands(), c.name); n >= 0 {
		return n
	}
	return len(commonCommands())
}

// overview prints what there is, for a command line without a command.
func (s *session) overview(root []*option.Option) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "Usage:  %s [OPTIONS] COMMAND\n\n%s\n", s.program, s.tagline())
	for _, sec := range s.sections(commands()) {
		fmt.Fprintf(w, "\n%s:\n", sec.heading)
		for _, line := range sec.lines {
			fmt.Fprintf(w, "  %s\t%s\n", line[0], line[1])
		}
	}
	fmt.Fprint(w, "\nGlobal Options:\n")
	for _, o := range root {
		if !o.Hidden {
			fmt.Fprintf(w, "  %s\n", o)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "%s\nRun '%s COMMAND --help' for more information on a command.\n", b.String(), s.program)
	return err
}

// printGroup prints the list of a group's commands.
func (s *session) printGroup(g group, all []*command) {
	list := &urfave.Command{Name: g.name, Usage: g.usage, HelpName: s.program + " " + g.name, UsageText: s.program + " " + g.name}
	for _, c := range g.members(all) {
		list.Subcommands = append(list.Subcommands, &urfave.Command{Name: c.groupNames[0], Usage: c.short})
	}
	urfave.HelpPrinter(s.out, groupHelp, list)
}
