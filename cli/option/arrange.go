package option

import (
	"fmt"
	"strings"
)

// Vocabulary is the options of one command by every form.
type Vocabulary map[string]*Option

// Reader reads the flag that args begin with. It returns flags with that one
// appended as [Option.Spell] writes it, several when letters are run together,
// and how many args it took.
type Reader func(v Vocabulary, flags, args []string) (more []string, used int, err error)

// Arrange sorts args into flags, spelled out, and the other words. Flags end at
// "--", and unless mixed also at the first word that is none (an image or an id,
// whose command has flags of its own).
func Arrange(options []*Option, args []string, mixed bool, read Reader) (flags, words []string, err error) {
	v := vocabularyOf(options)
	for len(args) > 0 {
		arg := args[0]
		switch {
		case arg == "--":
			return flags, append(words, args[1:]...), nil
		case len(arg) < 2 || arg[0] != '-':
			if !mixed {
				return flags, args, nil
			}
			words, args = append(words, arg), args[1:]
			continue
		}
		var used int
		if flags, used, err = read(v, flags, args); err != nil {
			return nil, nil, err
		}
		args = args[used:]
	}
	return flags, words, nil
}

func vocabularyOf(options []*Option) Vocabulary {
	v := make(Vocabulary, 2*len(options))
	for _, o := range options {
		for form := range strings.SplitSeq(o.forms, ",") {
			v[form] = o
		}
	}
	return v
}

// Take appends the option to flags as args give it: with what stands behind "="
// in the first of them, without a value for a switch, or with the next one. It
// returns how many args that took; none means that the value is missing.
func (o *Option) Take(flags, args []string) (more []string, used int) {
	_, value, inline := strings.Cut(args[0], "=")
	switch {
	case inline:
		return append(flags, o.Spell(value)), 1
	case o.IsSwitch():
		return append(flags, o.Bare()), 1
	case len(args) > 1:
		return append(flags, o.Spell(args[1])), 2
	}
	return flags, 0
}

// Spell writes the option as --name=value, which means the same to every parser.
func (o *Option) Spell(value string) string { return "--" + o.Name + "=" + value }

// Bare spells an option that was given without a value.
func (o *Option) Bare() string {
	if o.Implied != "" {
		return o.Spell(o.Implied)
	}
	return o.Spell("true")
}

// Assign gives arranged flags to their options. It returns the first refusal.
// urfave does the same for the flags of a command that it runs.
func Assign(options []*Option, flags []string) error {
	v := vocabularyOf(options)
	for _, flag := range flags {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		o := v[name]
		if err := (flagValue{o}).Set(value); err != nil {
			return fmt.Errorf("invalid argument %q for %q flag: %w", value, o.Label(), err)
		}
	}
	return nil
}
