package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"berth/cli/option"
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
		{"manifest", "Manage Docker image manifests and manifest lists"},
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

// overview prints what there is: to errors, as docker does, when nobody asked.
func (s *session) overview(w io.Writer, root []*option.Option) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Usage:  %s [OPTIONS] COMMAND\n\n%s\n", s.program, s.tagline())
	for _, sec := range s.sections(commands()) {
		fmt.Fprintf(&b, "\n%s:\n", sec.heading)
		if err := printNames(&b, sec.lines); err != nil {
			return err
		}
	}
	fmt.Fprint(&b, "\nGlobal Options:\n")
	if err := printOptions(&b, root, s.helpWidth()); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nRun '%s COMMAND --help' for more information on a command.\n", s.program)
	_, err := b.WriteTo(w)
	return err
}

// printGroup prints the list of a group's commands.
func (s *session) printGroup(w io.Writer, g group, all []*command) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Usage:  %[1]s %[2]s COMMAND\n\n%[3]s\n\nCommands:\n", s.program, g.name, g.usage)
	var lines [][2]string
	for _, c := range g.members(all) {
		lines = append(lines, [2]string{c.groupNames[0], c.short})
	}
	if err := printNames(&b, lines); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nRun '%s %s COMMAND --help' for more information on a command.\n", s.program, g.name)
	_, err := b.WriteTo(w)
	return err
}

// printHelp prints what a command does and its options.
func (i *invocation) printHelp(w io.Writer, width int) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Usage:  %s\n\n%s\n", usageLines(i.path, i.args), i.short)
	if aliases := i.aliases(); aliases != "" {
		fmt.Fprintf(&b, "\nAliases:\n  %s\n", aliases)
	}
	fmt.Fprint(&b, "\nOptions:\n")
	if err := printOptions(&b, i.options, width); err != nil {
		return err
	}
	_, err := b.WriteTo(w)
	return err
}

// usageLines is what is typed for a command; its forms, of which there may be
// more than one, stand below each other.
func usageLines(path, args string) string {
	return strings.TrimSpace(path + " " + strings.ReplaceAll(args, " | ", "\n\t"+path+" [OPTIONS] "))
}
