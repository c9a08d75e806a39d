package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"berth/cli/option"
)

func psCommand() *command {
	return &command{
		name: "ps", args: "[OPTIONS] " + idArg + " [PS-OPTION...]", short: "List the processes of a container",
		about: "Ps shows the lines of ps(1), called with -ef or the options given, that belong to the container's processes. Where there is no ps(1) it prints a table of its own. With --format json it prints the pids.",
		min:   1, max: unlimited, ordered: true,
		build: func(s *session) ([]*option.Option, action) {
			format := "table"
			options := []*option.Option{option.Text(&format, "format,f", "format", "Print a table or json (table)")}
			return options, func(ctx context.Context, args []string) error { return s.ps(ctx, format, args) }
		},
	}
}

func (s *session) ps(ctx context.Context, format string, args []string) error {
	if err := checkFormat(format); err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	pids, err := b.Processes(ctx, args[0])
	switch {
	case err != nil:
		return err
	case format == "json":
		return json.NewEncoder(s.out).Encode(append([]int{}, pids...))
	}
	words := args[1:]
	if len(words) == 0 {
		words = []string{"-ef"}
	}
	out, err := exec.CommandContext(ctx, "ps", words...).CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound) && len(args) == 1:
		return printProcesses(s.out, "/proc", pids)
	case err != nil:
		return fmt.Errorf("run ps %s: %w: %s", strings.Join(words, " "), err, bytes.TrimSpace(out))
	}
	return selectProcesses(s.out, string(out), pids)
}

// selectProcesses prints the header of ps(1) and the lines of some processes.
func selectProcesses(to io.Writer, table string, pids []int) error {
	header, rows, _ := strings.Cut(table, "\n")
	column := slices.Index(strings.Fields(header), "PID")
	if column < 0 {
		return fmt.Errorf("no column PID in the output of ps: %q", header)
	}
	kept := header + "\n"
	for row := range strings.Lines(rows) {
		fields := strings.Fields(row)
		if len(fields) <= column {
			continue
		}
		pid, err := strconv.Atoi(fields[column])
		if err != nil {
			return fmt.Errorf("read pid in the output of ps: %q: %w", strings.TrimSpace(row), simplify(err))
		}
		if slices.Contains(pids, pid) {
			kept += row
		}
	}
	_, err := io.WriteString(to, kept)
	return err
}
