package oci

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"berth/bundle"
	"berth/cli/option"
)

func listCommand() *command {
	return &command{
		name: "list", args: "[OPTIONS]", short: "List the containers below the root folder",
		about: "List shows the containers below --root, as a table or as a JSON array of what state prints.",
		build: func(s *session) ([]*option.Option, action) {
			format, quiet := "table", false
			options := []*option.Option{
				option.Text(&format, "format,f", "format", "Print a table or json (table)"),
				switchOption(&quiet, "quiet,q", "Print ids only"),
			}
			return options, func(ctx context.Context, _ []string) error { return s.list(ctx, format, quiet) }
		},
	}
}

func (s *session) list(ctx context.Context, format string, quiet bool) error {
	if err := checkFormat(format); err != nil && !quiet {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	all, err := b.List(ctx)
	switch {
	case err != nil:
		return err
	case quiet:
		for _, c := range all {
			if _, err := fmt.Fprintln(s.out, c.ID); err != nil {
				return err
			}
		}
		return nil
	case format == "json":
		// Never null: jq's .[] takes an empty array.
		return printJSON(s.out, append([]bundle.State{}, all...), "  ")
	}
	return printTable(s.out, all)
}

// printTable writes the columns of runc, which scripts cut by name.
func printTable(to io.Writer, all []bundle.State) error {
	w := tabwriter.NewWriter(to, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", c.ID, c.Pid, c.Status, c.Bundle, c.Created.Format(time.RFC3339Nano), c.Owner)
	}
	return w.Flush()
}

// checkFormat is for the commands that print a table or json.
func checkFormat(format string) error {
	if format != "table" && format != "json" {
		return fmt.Errorf("invalid format option %q: must be table or json", format)
	}
	return nil
}
