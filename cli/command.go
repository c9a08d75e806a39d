package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"berth/cli/option"
)

// action is what a command does with its positional arguments.
type action func(ctx context.Context, args []string) error

// any is a command's max that sets no limit.
const unlimited = -1

// command is one verb of the command line.
type command struct {
	name string
	// category is the heading in the help that the command stands under.
	category string
	// group and groupNames are the long form: "container ls". A command without
	// a short form has a name of two words: "system df".
	group      string
	groupNames []string
	// typed is the name that the command was called by in its long form.
	typed string
	// args follows the name in the usage line.
	args  string
	short string
	// about is the description in the man page; paragraphs are separated by a
	// blank line.
	about string
	// examples are for the man page.
	examples []example
	// manual is the page of a command whose page is not made here.
	manual string
	// min and max count positional arguments.
	min, max int
	// operands are what the positional arguments name, for completion, where args
	// does not say it all; the last one goes for those that follow.
	operands []operand
	// mixed tells that flags may stand behind positional arguments.
	mixed bool
	// starts marks run and create, whose failures have a status and words of
	// their own.
	starts bool
	hidden bool
	// build makes the flags, and the action that sees their values. It runs for
	// the invoked command only.
	build func(s *session) ([]*option.Option, action)
}

// path is what the user types for a command: "berth run".
func (s *session) path(c *command) string {
	if c.typed != "" {
		return s.program + " " + s.group + c.typed
	}
	return s.program + " " + s.group + c.name
}

// example is a command line, as it is typed in a shell under the name berth, and
// what it is for.
type example struct{ what, line string }

// longOnly tells whether the command has no short form.
func (c *command) longOnly() bool { return strings.Contains(c.name, " ") }

// invocation is a command with its flags read, ready for urfave.
type invocation struct {
	*command
	path    string
	options []*option.Option
	run     action
	help    bool
	flags   []string
	words   []string
}

// invoke builds the command and reads its arguments.
func (s *session) invoke(c *command, args []string) (*invocation, error) {
	inv := &invocation{command: c, path: s.path(c)}
	inv.options, inv.run = c.build(s)
	inv.options = append(inv.options, helpOption(&inv.help, inv.options))
	var err error
	inv.flags, inv.words, err = option.Arrange(inv.options, args, c.mixed, readFlag)
	if err != nil {
		return nil, inv.misuse(exitBerth, err)
	}
	return inv, nil
}

// helpOption is --help, and -h where that is not the host name.
func helpOption(asked *bool, options []*option.Option) *option.Option {
	words := "h,help"
	for _, o := range options {
		if o.GoesBy("h") {
			words = "help"
		}
	}
	return option.Switch(asked, words, "Print usage")
}

func (i *invocation) misuse(code int, err error) *usageError {
	e := misuse(code, err, i.options, i.path, usageLines(i.path, i.args))
	var unknown *unknownFlagError
	if errors.As(err, &unknown) {
		if r, ok := absentFlag(i.name, unknown.name); ok {
			e.hint = r.explained()
		}
	}
	return e
}

// misuse is the refusal of a command line that knows these options. Its hint is
// the error's own, or the flag that an unknown one was meant to be.
func misuse(code int, err error, options []*option.Option, path, usage string) *usageError {
	e := &usageError{text: err.Error(), path: path, usage: usage, code: code}
	var hint *hintError
	var unknown *unknownFlagError
	switch {
	case errors.As(err, &hint):
		e.hint = hint.hint
	case errors.As(err, &unknown):
		var names []string
		for _, o := range options {
			for _, form := range o.Forms() {
				if len(form) > 1 && !o.Hidden {
					names = append(names, form)
				}
			}
		}
		e.hint = didYouMean(unknown.name, "--", names)
	}
	return e
}

// urfave returns the command as urfave runs it.
func (i *invocation) urfave(s *session) *urfave.Command {
	return &urfave.Command{
		Name: i.name, Flags: option.Flags(i.options), HideHelp: true,
		OnUsageError: func(_ *urfave.Context, err error, _ bool) error { return i.badValue(err) },
		Action: func(c *urfave.Context) error {
			if i.help {
				return i.printHelp(s.out, s.helpWidth())
			}
			args := c.Args().Slice()
			if text := i.miscounted(len(args)); text != "" {
				refusal := i.misuse(exitFailed, errors.New(text))
				refusal.see = len(args) < i.min && i.max == unlimited
				return refusal
			}
			return i.run(c.Context, args)
		},
	}
}

// aliases lists all that the command goes by, when there is more than one form.
func (i *invocation) aliases() string {
	forms := i.forms()
	if len(forms) < 2 || i.longOnly() {
		return ""
	}
	program, _, _ := strings.Cut(i.path, " ")
	var list []string
	for _, form := range append(forms[1:], forms[0]) {
		list = append(list, program+" "+form)
	}
	return strings.Join(list, ", ")
}

// badValue replaces package flag's wording of a refused value.
func (i *invocation) badValue(err error) error {
	for _, o := range i.options {
		if value, why := o.Refused(); why != nil {
			err = fmt.Errorf("invalid argument %q for %q flag: %w", value, o.Label(), why)
		}
	}
	return i.misuse(exitBerth, err)
}

// miscounted says in docker's words what is wrong with n arguments, if anything.
func (i *invocation) miscounted(n int) string {
	switch {
	case n >= i.min && (n <= i.max || i.max == unlimited):
		return ""
	case i.max == 0:
		return fmt.Sprintf("'%s' accepts no arguments", i.path)
	case i.min == i.max:
		return fmt.Sprintf("'%s' requires %s", i.path, arguments(i.min))
	case i.min > 0 && i.max != unlimited:
		return fmt.Sprintf("'%s' requires at least %d and at most %s", i.path, i.min, arguments(i.max))
	case n < i.min:
		return fmt.Sprintf("'%s' requires at least %s", i.path, arguments(i.min))
	}
	return fmt.Sprintf("'%s' requires at most %s", i.path, arguments(i.max))
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// app wraps commands into urfave's App. Nothing in it may end the process, and
// nothing is looked up that berth does not show (urfave would stat the binary
// for its build time).
func (s *session) app(commands ...*urfave.Command) *urfave.App {
	return &urfave.App{
		Name: s.program, HelpName: s.program,
		Commands: commands, HideHelp: true, HideVersion: true,
		Compiled: time.Unix(1, 0),
		Reader:   s.stdio.In, Writer: s.out, ErrWriter: s.err,
		ExitErrHandler: func(*urfave.Context, error) {},
	}
}
