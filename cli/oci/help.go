package oci

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"berth/cli/option"
)

// tagline is what the program is, in a line.
const tagline = "run containers from OCI bundles, as runc and crun do"

// printOverview writes the help of the program.
func (s *session) printOverview(to io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:  %s [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARG...]\n\nberth %s: %s\n\nCommands:\n", s.program, s.version, tagline)
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %s\t%s\n", c.name, c.short)
	}
	// tabwriter fails when what it writes to does, and a Builder does not.
	_ = w.Flush()
	var g globals
	b.WriteString("\nGlobal options:\n")
	writeOptions(&b, g.options())
	fmt.Fprintf(&b, "\nRun '%s COMMAND --help' for more information on a command.\n", s.program)
	_, err := io.WriteString(to, b.String())
	return err
}

// printCommand writes the help of one command.
func (s *session) printCommand(to io.Writer, i *invocation) error {
	if i.build == nil {
		return s.printOverview(to)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:  %s %s %s\n\n%s\n\nOptions:\n", s.program, i.name, i.args, i.short)
	writeOptions(&b, i.options)
	_, err := io.WriteString(to, b.String())
	return err
}

func writeOptions(b *strings.Builder, options []*option.Option) {
	w := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	for _, o := range options {
		if o.IsVisible() {
			fmt.Fprintf(w, "  %s\t%s\n", heading(o), o.Usage)
		}
	}
	_ = w.Flush() // as above
}

// heading is an option's forms, each with its argument.
func heading(o *option.Option) string {
	forms := o.Forms()
	for i, form := range forms {
		forms[i] = strings.TrimSpace(option.Dashed(form) + " " + o.Arg)
	}
	return strings.Join(forms, ", ")
}
