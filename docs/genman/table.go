package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/cli"
)

// The table stands in the page between these lines.
const (
	tableBegins = "<!-- The rest is written by \"make man\" from docs/genman. -->\n"
	inFront     = "docker"
)

// comparison is docker's client beside berth's commands.
type comparison struct {
	docker   []dockerCommand
	berth    map[string]cli.Entry
	refused  map[string]string
	differs  map[string]note
	problems []string
}

func compare() (*comparison, error) {
	docker, err := readSurface(dockerClient)
	if err != nil {
		return nil, err
	}
	c := &comparison{docker: docker, berth: map[string]cli.Entry{}, refused: cli.Absences(), differs: differences()}
	for _, e := range cli.Catalog() {
		if e.Name == "" {
			e.Name = inFront
		}
		c.berth[e.Name] = e
	}
	return c, nil
}

// problem notes what keeps the table from being true.
func (c *comparison) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// reason finds why a command is refused: by its own name or its group's.
func (c *comparison) reason(name string) string {
	if why := c.refused[name]; why != "" {
		return why
	}
	first, _, _ := strings.Cut(name, " ")
	return c.refused[first]
}

// flagOf finds berth's flag of a name.
func flagOf(e cli.Entry, name string) (cli.Flag, bool) {
	for _, f := range e.Flags {
		if slices.Contains(f.Forms, name) {
			return f, true
		}
	}
	return cli.Flag{}, false
}

// page puts the tables behind the text of the page.
func (c *comparison) page(text []byte) ([]byte, error) {
	before, _, found := bytes.Cut(text, []byte(tableBegins))
	if !found {
		return nil, fmt.Errorf("coming-from-docker.md: no line %q", strings.TrimSpace(tableBegins))
	}
	var b strings.Builder
	b.Write(before)
	b.WriteString(tableBegins)
	c.commands(&b)
	c.flags(&b)
	c.own(&b)
	return []byte(b.String()), nil
}

// commands writes the table of docker's commands.
func (c *comparison) commands(b *strings.Builder) {
	b.WriteString("\n## Every command\n\n*Same*: what a script can see is docker's. The flags are in the next section. A refused command is refused with its flags.\n\n| docker | in berth | |\n|---|---|---|\n")
	groups := map[string]bool{}
	for _, d := range c.docker {
		if d.name == inFront {
			continue
		}
		e, have := c.berth[d.name]
		why := c.reason(d.name)
		switch {
		case have && why != "":
			c.problem("%s is refused and a command", d.name)
		case have:
			c.checkForms(d, e)
			said := c.differs[d.name].how
			fmt.Fprintf(b, "| `%s`%s | %s | %s |\n", d.name, alsoCalled(d.long), status(said), said)
		case why == "":
			c.problem("docker's command %s is neither there nor refused", d.name)
		default:
			first, _, _ := strings.Cut(d.name, " ")
			if c.refused[d.name] != "" {
				fmt.Fprintf(b, "| `%s`%s | refused | %s |\n", d.name, alsoCalled(d.long), cell(why))
			} else if !groups[first] {
				groups[first] = true
				fmt.Fprintf(b, "| %s | refused | %s |\n", c.members(first), cell(why))
			}
		}
	}
}

func status(said string) string {
	if said != "" {
		return "differs"
	}
	return "same"
}

// members lists the commands of a group that is refused as a whole.
func (c *comparison) members(group string) string {
	var names []string
	for _, d := range c.docker {
		if member, ok := strings.CutPrefix(d.name, group+" "); ok {
			names = append(names, "`"+member+"`")
		}
	}
	return "`" + group + "`: " + strings.Join(names, " ")
}

func alsoCalled(long []string) string {
	text := ""
	for _, name := range long {
		text += ", `" + name + "`"
	}
	return text
}

// checkForms holds that a command has docker's long forms.
func (c *comparison) checkForms(d dockerCommand, e cli.Entry) {
	for _, long := range d.long {
		if !slices.Contains(e.Forms, long) {
			c.problem("%s has no long form %q", d.name, long)
		}
	}
}

// flags writes a table for the flags of each command that is there.
func (c *comparison) flags(b *strings.Builder) {
	b.WriteString("\n## Every flag\n")
	for _, d := range c.docker {
		e, have := c.berth[d.name]
		// create has run's flags but for a few, which nothing is said about.
		if !have || len(d.flags) == 0 {
			continue
		}
		title := "`" + d.name + "`"
		if d.name == inFront {
			title = "In front of the command"
		}
		fmt.Fprintf(b, "\n### %s\n\n| flag | in berth | |\n|---|---|---|\n", title)
		c.flagRows(b, d, e)
	}
}

func (c *comparison) flagRows(b *strings.Builder, d dockerCommand, e cli.Entry) {
	var same []string
	var rows strings.Builder
	for _, f := range d.flags {
		own, have := flagOf(e, f.name)
		why, said := noteOf(c.refused, d.name, f.name), noteOf(c.differs, d.name, f.name)
		switch {
		case have && why != "":
			c.problem("%s --%s is refused and a flag", d.name, f.name)
		case have && own.Value != f.value:
			c.problem("%s --%s takes a value here or with docker, and not with both", d.name, f.name)
		case have && f.short != "" && !slices.Contains(own.Forms, f.short):
			c.problem("%s --%s has no -%s", d.name, f.name, f.short)
		case have && said.refused != "":
			fmt.Fprintf(&rows, "| %s | refused | %s |\n", f.label(), said.how)
		case have && said.how != "":
			fmt.Fprintf(&rows, "| %s | differs | %s |\n", f.label(), said.how)
		case have:
			same = append(same, f.label())
		case why != "":
			fmt.Fprintf(&rows, "| %s | refused | %s |\n", f.label(), cell(why))
		default:
			c.problem("docker's %s --%s is neither there nor refused", d.name, f.name)
		}
	}
	if len(same) > 0 {
		fmt.Fprintf(b, "| %s | same | |\n", strings.Join(same, ", "))
	}
	b.WriteString(rows.String())
}

// noteOf finds what is said of a flag; what is said of run's goes for create.
func noteOf[T comparable](notes map[string]T, command, flag string) T {
	text, said := notes[command+" --"+flag]
	if !said && command == "create" {
		text = notes["run --"+flag]
	}
	return text
}

// own lists what docker does not have.
func (c *comparison) own(b *strings.Builder) {
	b.WriteString("\n## What docker does not have\n\n| command | flags |\n|---|---|\n")
	docker := map[string]dockerCommand{}
	for _, d := range c.docker {
		docker[d.name] = d
	}
	for _, name := range slices.Sorted(maps.Keys(c.berth)) {
		e := c.berth[name]
		d, both := docker[name]
		var flags []string
		for _, f := range e.Flags {
			if !f.Hidden && !d.has(f) && !slices.Contains(f.Forms, "help") {
				flags = append(flags, "`--"+f.Forms[len(f.Forms)-1]+"`")
			}
		}
		switch {
		case both && len(flags) == 0:
		case both:
			fmt.Fprintf(b, "| `%s` | %s |\n", name, strings.Join(flags, ", "))
		default:
			fmt.Fprintf(b, "| `%s` (not docker's) | %s |\n", name, strings.Join(flags, ", "))
		}
	}
}

func (d dockerCommand) has(f cli.Flag) bool {
	return slices.ContainsFunc(d.flags, func(own dockerFlag) bool { return slices.Contains(f.Forms, own.name) })
}

// cell keeps a text from ending a table's cell.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
