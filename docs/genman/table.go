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

// flags writes which flags are the same, in one table, and which are not, in one
// for each command. What create has is run's.
func (c *comparison) flags(b *strings.Builder) {
	var same, others strings.Builder
	for _, d := range c.docker {
		e, have := c.berth[d.name]
		if !have {
			continue
		}
		alike, rows := c.flagRows(d, e)
		title := "`" + d.name + "`"
		switch d.name {
		case inFront:
			title = "in front of the command"
		case "create":
			continue
		case "run":
			title = "`run`, `create`"
		}
		if len(alike) > 0 {
			fmt.Fprintf(&same, "| %s | %s |\n", title, strings.Join(alike, ", "))
		}
		if len(rows) > 0 {
			fmt.Fprintf(&others, "\n### %s\n\n| flag | in berth | |\n|---|---|---|\n%s", strings.ToUpper(title[:1])+title[1:], strings.Join(rows, ""))
		}
	}
	fmt.Fprintf(b, "\n## Flags that are the same\n\n| command | flags |\n|---|---|\n%s\n## Flags that differ, or are refused\n%s", same.String(), others.String())
}

// flagRows compares the flags of one command: those that are the same, and rows
// for the others.
func (c *comparison) flagRows(d dockerCommand, e cli.Entry) (same, rows []string) {
	for _, f := range d.flags {
		own, have := flagOf(e, f.name)
		why, said := noteOf(c.refused, d.name, f.name), noteOf(c.differs, d.name, f.name)
		if have {
			c.checkFlag(d, f, own, why)
		}
		switch {
		case !have && why == "":
			c.problem("docker's %s --%s is neither there nor refused", d.name, f.name)
		case !have:
			rows = append(rows, fmt.Sprintf("| %s | refused | %s |\n", f.label(), cell(why)))
		case said.refused != "":
			rows = append(rows, fmt.Sprintf("| %s | refused | %s |\n", f.label(), said.how))
		case said.how != "":
			rows = append(rows, fmt.Sprintf("| %s | differs | %s |\n", f.label(), said.how))
		default:
			same = append(same, f.label())
		}
	}
	return same, rows
}

// checkFlag holds that a flag of berth's is read as docker's.
func (c *comparison) checkFlag(d dockerCommand, f dockerFlag, own cli.Flag, refused string) {
	if refused != "" {
		c.problem("%s --%s is refused and a flag", d.name, f.name)
	}
	if own.Value != f.value {
		c.problem("%s --%s takes a value here or with docker, and not with both", d.name, f.name)
	}
	if f.short != "" && !slices.Contains(own.Forms, f.short) {
		c.problem("%s --%s has no -%s", d.name, f.name, f.short)
	}
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

// cell makes a sentence of a reason, and keeps it from ending a table's cell.
func cell(text string) string {
	text = strings.ReplaceAll(text, "|", "\\|")
	if !strings.HasPrefix(text, "berth") {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return text + "."
}
