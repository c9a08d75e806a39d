package oci

import (
	"context"
	"fmt"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"berth/cli/option"
)

// action is what a command does with its positional arguments.
type action func(ctx context.Context, args []string) error

// unlimited is a command's max that sets no limit.
const unlimited = -1

// idArg is how usage lines call a container's id.
const idArg = "CONTAINER-ID"

// command is one verb of the command line.
type command struct {
	name string
	// args follows the name in the usage line.
	args  string
	short string
	// about is the description in the man page; paragraphs are separated by a
	// blank line.
	about string
	// min and max count positional arguments.
	min, max int
	// ordered ends flags at the first word, whose own flags follow.
	ordered bool
	// refused makes no sense of its words: it only says what berth lacks.
	refused error
	// build makes the flags, and the action that sees their values. It runs for
	// the invoked command only.
	build func(s *session) ([]*option.Option, action)
}

// invocation is a command with its flags arranged, ready for urfave.
type invocation struct {
	*command
	options []*option.Option
	run     action
	help    bool
	flags   []string
	words   []string
}

// invoke finds the command that words begin with and reads its arguments.
func (s *session) invoke(words []string) (*invocation, error) {
	if words[0] == "help" || words[0] == "h" {
		if len(words) == 1 {
			return helpInvocation(), nil
		}
		words = []string{words[1], "--help"}
	}
	c := find(words[0])
	switch {
	case c == nil:
		return nil, fmt.Errorf("unknown command %q: '%s --help' lists the commands", words[0], s.program)
	case c.refused != nil:
		return nil, c.refused
	}
	inv := &invocation{command: c}
	inv.options, inv.run = c.build(s)
	inv.options = append(inv.options, switchOption(&inv.help, "help,h,?", "Show this help"))
	var err error
	if inv.flags, inv.words, err = option.Arrange(inv.options, words[1:], !c.ordered, readFlag); err != nil {
		return nil, s.misuse(inv, err.Error())
	}
	return inv, nil
}

func find(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

// helpInvocation is the word help alone, which does as --help.
func helpInvocation() *invocation {
	return &invocation{command: &command{name: "help"}, help: true}
}

func (s *session) misuse(i *invocation, text string) error {
	return &usageError{text: text, help: func() { _ = s.printCommand(s.err, i) }}
}

// urfave returns the command as urfave runs it.
func (i *invocation) urfave(s *session) *urfave.Command {
	return &urfave.Command{
		Name: i.name, Flags: option.Flags(i.options), HideHelp: true,
		OnUsageError: func(_ *urfave.Context, err error, _ bool) error { return s.misuse(i, err.Error()) },
		Action: func(c *urfave.Context) error {
			args := c.Args().Slice()
			if i.help {
				return s.printCommand(s.out, i)
			}
			if text := i.miscounted(len(args)); text != "" {
				return s.misuse(i, fmt.Sprintf("%s: %q %s", s.program, i.name, text))
			}
			// The first word only: what exec runs may hold secrets.
			s.log.debugf("%s %s", s.program, strings.Join(append([]string{i.name}, args[:min(len(args), 1)]...), " "))
			return s.attribute(c.Context, i.name, args, i.run(c.Context, args))
		},
	}
}

// miscounted says in runc's words what is wrong with n arguments, if anything.
func (i *invocation) miscounted(n int) string {
	switch {
	case n >= i.min && (n <= i.max || i.max == unlimited):
		return ""
	case i.min == i.max:
		return fmt.Sprintf("requires exactly %d argument(s)", i.min)
	case n < i.min:
		return fmt.Sprintf("requires a minimum of %d argument(s)", i.min)
	}
	return fmt.Sprintf("requires a maximum of %d argument(s)", i.max)
}

// app is urfave's App with the global flags. Nothing in it may end the process,
// and nothing is looked up that is not shown (urfave would stat the binary for
// its build time).
func (s *session) app(options []*option.Option) *urfave.App {
	return &urfave.App{
		Name: s.program, HelpName: s.program, Flags: option.Flags(options),
		HideHelp: true, HideVersion: true, Compiled: time.Unix(1, 0),
		Reader: s.stdio.In, Writer: s.out, ErrWriter: s.err,
		ExitErrHandler: func(*urfave.Context, error) {},
		OnUsageError: func(_ *urfave.Context, err error, _ bool) error {
			return &usageError{text: err.Error(), help: func() { _ = s.printOverview(s.err) }}
		},
	}
}

// with opens the containers for a command that works on the one its first
// argument names.
func (s *session) with(do func(ctx context.Context, b backend, id string) error) action {
	return func(ctx context.Context, args []string) error {
		b, err := s.open()
		if err != nil {
			return err
		}
		return do(ctx, b, args[0])
	}
}
