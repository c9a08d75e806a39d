package cli

import (
	"context"
	"errors"
	"fmt"

	"berth/cli/option"
	"berth/nsenter"
	"berth/teach"
)

func explainCommand() *command {
	return &command{
		name: "explain", category: categoryOther,
		args: "[OPTIONS] run [RUN OPTIONS] IMAGE [COMMAND] [ARG...]", short: "Show every step that a run would make, without making it",
		about: `Explain prints the plan of a container: each system call with its arguments, who makes it, which flag or config field asked for it, and why. Nothing is run.

The words behind explain are those of run(1). With --bundle the plan is that of an OCI bundle: a folder with a config.json.`,
		max: unlimited, operands: []operand{plannedCommand},
		examples: []example{
			{"See which system calls a read-only container takes.", "berth explain run --rm --read-only box true"},
			{"The plan of an OCI bundle, for a program to read.", "berth explain --bundle /srv/bundle --format json"},
		},
		build: func(s *session) ([]*option.Option, action) {
			e := explanation{format: "text"}
			return []*option.Option{
				option.Text(&e.bundle, "bundle", "dir", "Explain an OCI bundle"),
				option.Parsed(&e.format, parseListing, "format", "string", "Format output: text or json"),
				option.Switch(&e.full, "full", "Show constants, strings and lists in full"),
			}, func(ctx context.Context, args []string) error { return s.explain(ctx, &e, args) }
		},
	}
}

// explanation is the flags of explain.
type explanation struct {
	bundle, format string
	full           bool
}

func parseListing(s string) (string, error) {
	if s != "text" && s != "json" {
		return "", errors.New("must be \"text\" or \"json\"")
	}
	return s, nil
}

func (s *session) explain(ctx context.Context, e *explanation, args []string) error {
	usage := func(text string) error {
		c := explainCommand()
		return &usageError{text: text, path: s.path(c), usage: s.path(c) + " " + c.args, code: exitFailed}
	}
	switch {
	case e.bundle != "" && len(args) > 0:
		return usage("--bundle explains a bundle, not a command line")
	case e.bundle != "":
		b, err := s.open()
		if err != nil {
			return err
		}
		plan, _, err := b.bundles.Plan(ctx, e.bundle)
		if err != nil {
			return err
		}
		return s.printPlan(e, plan)
	case len(args) == 0:
		return usage(fmt.Sprintf("'%s explain' needs the words of a run, or --bundle", s.program))
	case args[0] != "run" && args[0] != "create":
		return usage(fmt.Sprintf("cannot explain %q: only run, create and --bundle have a plan", args[0]))
	}
	s.group = "explain "
	inv, err := s.invoke(explainedRun(e, args[0]), args[1:])
	if err != nil {
		return err
	}
	argv := append(append([]string{s.program, inv.name}, inv.flags...), "--")
	return s.app(inv.urfave(s)).RunContext(ctx, append(argv, inv.words...))
}

// explainedRun is run with another end: its flags are read, and the plan is
// printed.
func explainedRun(e *explanation, name string) *command {
	c := runCommand()
	c.name, c.starts = name, false
	c.build = func(s *session) ([]*option.Option, action) {
		var made creation
		var f runFlags
		return sortOptions(append(made.options(), f.options()...)), func(ctx context.Context, args []string) error {
			b, err := s.open()
			if err != nil {
				return err
			}
			// A plan of what is there: nothing is fetched to explain it.
			made.identity.pull = "never"
			d, err := made.draft(ctx, s, b, args)
			if err != nil {
				return err
			}
			plan, err := b.Plan(d.Config)
			if err != nil {
				return err
			}
			return s.printPlan(e, plan)
		}
	}
	return c
}

func (s *session) printPlan(e *explanation, plan *nsenter.Plan) error {
	if e.format == "json" {
		return teach.ExplainJSON(s.out, plan, teach.Options{})
	}
	o := s.listingOptions(s.stdio.Out)
	o.Full = e.full
	return teach.Explain(s.out, plan, o)
}
