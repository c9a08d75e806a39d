package cli

import (
	"context"
	"slices"
	"strings"

	"berth/cli/oci"
	"berth/cli/option"
)

// completer finds what may be meant by the word at the cursor.
type completer struct {
	*session
	completion
}

// typed is how far a command's line goes before the cursor.
type typed struct {
	// flag is the one whose value comes next.
	flag *option.Option
	// words are positional; only is set when no flag may follow.
	words []string
	only  bool
}

// readTyped sorts args as option.Arrange does, but passes over what is wrong.
func readTyped(options []*option.Option, mixed bool, args []string) typed {
	var t typed
	for _, arg := range args {
		switch {
		case t.flag != nil:
			t.flag = nil
		case t.only || len(arg) < 2 || arg[0] != '-':
			t.words = append(t.words, arg)
			t.only = t.only || !mixed
		case arg == "--":
			t.only = true
		default:
			t.flag = openFlag(options, arg)
		}
	}
	return t
}

// openFlag returns the option of arg whose value is the next word, if any.
func openFlag(options []*option.Option, arg string) *option.Option {
	if name, long := strings.CutPrefix(arg, "--"); long {
		if o := optionOf(options, name); o != nil && !o.IsSwitch() {
			return o
		}
		return nil
	}
	for i := range arg[1:] {
		o := optionOf(options, arg[i+1:i+2])
		if o == nil || !o.IsSwitch() {
			if i+2 == len(arg) {
				return o
			}
			return nil
		}
	}
	return nil
}

func optionOf(options []*option.Option, form string) *option.Option {
	for _, o := range options {
		if o.GoesBy(form) {
			return o
		}
	}
	return nil
}

// add offers a word when it begins as what was typed does.
func (c *completer) add(cur, word, about string) {
	if strings.HasPrefix(word, cur) {
		c.candidates = append(c.candidates, candidate{word, about})
	}
}

// line completes a whole command line.
func (c *completer) line(ctx context.Context, before []string, cur string) {
	var g globals
	root := g.options()
	t := readTyped(root, false, before)
	words := t.words
	if len(words) > 0 && words[0] == "help" {
		words = words[1:]
	}
	if len(words) == 0 {
		if len(t.words) > 0 {
			root = nil
		}
		c.word(ctx, &command{name: c.program, operands: []operand{commandName}, max: 1}, root, typed{flag: t.flag, only: t.only}, cur)
		return
	}
	all := commands()
	for _, cmd := range all {
		switch {
		case cmd.name != words[0] || cmd.longOnly():
		case cmd.name == "oci":
			c.verbs(words[1:], cur)
			return
		default:
			c.command(ctx, cmd, words[1:], cur)
			return
		}
	}
	for _, g := range groups(all) {
		if g.name == words[0] {
			c.member(ctx, g, all, words[1:], cur)
		}
	}
}

// verbs completes the command of the other command line.
func (c *completer) verbs(words []string, cur string) {
	if len(words) == 0 && c.program != "docker" {
		for name, short := range oci.Verbs() {
			c.add(cur, name, short)
		}
	}
}

// member completes a command's long form.
func (c *completer) member(ctx context.Context, g group, all []*command, words []string, cur string) {
	for _, cmd := range all {
		switch {
		case cmd.group != g.name:
		case len(words) == 0:
			c.add(cur, cmd.groupNames[0], cmd.short)
		case slices.Contains(cmd.groupNames, words[0]):
			c.command(ctx, cmd, words[1:], cur)
		}
	}
}

// command completes behind a command's name.
func (c *completer) command(ctx context.Context, cmd *command, before []string, cur string) {
	options, _ := cmd.build(c.session)
	options = append(options, helpOption(new(bool), options))
	t := readTyped(options, cmd.mixed, before)
	if cmd.name == "explain" && len(t.words) > 0 && (t.words[0] == "run" || t.words[0] == "create") {
		c.command(ctx, explainedRun(&explanation{}, t.words[0]), t.words[1:], cur)
		return
	}
	c.word(ctx, cmd, options, t, cur)
}

// word completes a value, a flag, or an operand.
func (c *completer) word(ctx context.Context, cmd *command, options []*option.Option, t typed, cur string) {
	if t.flag != nil {
		c.value(ctx, cmd, t.flag, "", cur)
		return
	}
	if t.only || !strings.HasPrefix(cur, "-") {
		c.operand(ctx, cmd, t.words, cur)
		return
	}
	if name, value, inline := strings.Cut(strings.TrimPrefix(cur, "--"), "="); inline && strings.HasPrefix(cur, "--") {
		if o := optionOf(options, name); o != nil {
			c.value(ctx, cmd, o, cur[:len(cur)-len(value)], value)
		}
		return
	}
	for _, o := range options {
		if !o.Hidden {
			c.add(cur, "--"+o.Name, o.Usage)
		}
	}
}
