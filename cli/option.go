package cli

import (
	"flag"
	"fmt"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// option is one flag of one command. It is urfave's Flag, but its short form and
// its alias are known to arrange and to the help only, so that urfave need not
// keep several names of a flag in step.
type option struct {
	name string
	// short is the one-letter form, alias another long one; either may be empty.
	short, alias string
	// arg names the value in the help ("list", "bytes"); empty for a switch.
	arg   string
	usage string
	// implied is the value of an option that may be given with or without one
	// (--trace, --trace=json); empty for all others.
	implied string
	set     func(string) error

	// text is the value as it was last given.
	text string
	// refused is what set said; urfave would reword it.
	refused error
}

// The constructors below take the flag's words in the order of the help:
// "m,memory" is a short and a long form, "network|net" two long ones.

func newOption(words, arg, usage string, set func(string) error) *option {
	o := &option{arg: arg, usage: usage, set: set}
	if short, long, both := strings.Cut(words, ","); both {
		o.short, words = short, long
	}
	o.name, o.alias, _ = strings.Cut(words, "|")
	return o
}

func textOption(to *string, words, arg, usage string) *option {
	o := newOption(words, arg, usage, func(s string) error { *to = s; return nil })
	o.text = *to
	return o
}

func switchOption(to *bool, words, usage string) *option {
	o := newOption(words, "", usage, func(s string) error {
		v, err := strconv.ParseBool(s)
		*to = v
		return err
	})
	o.text = strconv.FormatBool(*to)
	return o
}

// listOption collects what every use of the flag gave.
func listOption(to *[]string, words, arg, usage string) *option {
	return newOption(words, arg, usage, func(s string) error { *to = append(*to, s); return nil })
}

// parsedOption reads its value with parse, which gives an error in docker's
// words.
func parsedOption[T any](to *T, parse func(string) (T, error), words, arg, usage string) *option {
	return newOption(words, arg, usage, func(s string) error {
		v, err := parse(s)
		if err == nil {
			*to = v
		}
		return err
	})
}

// parsedListOption is parsedOption for a flag that is given several times.
func parsedListOption[T any](to *[]T, parse func(string) (T, error), words, arg, usage string) *option {
	return newOption(words, arg, usage, func(s string) error {
		v, err := parse(s)
		if err == nil {
			*to = append(*to, v)
		}
		return err
	})
}

// isSwitch tells whether the option stands without a value.
func (o *option) isSwitch() bool { return o.arg == "" || o.implied != "" }

// label is how an error calls the option: "-m, --memory" (docker's form).
func (o *option) label() string {
	if o.short != "" {
		return "-" + o.short + ", --" + o.name
	}
	return "--" + o.name
}

// Apply registers the option with one parse of a command line.
func (o *option) Apply(set *flag.FlagSet) error {
	set.Var(optionValue{o}, o.name, "")
	return nil
}

// Names is empty. urfave asks for names to find flags that have an action or
// take values from the environment, which these never do, and it pays for every
// name by sorting all flags that were given: half a millisecond for fifty.
// Parsing goes by the name that Apply registers.
func (o *option) Names() []string { return nil }

// IsSet is about values from the environment, which berth's flags never take.
func (o *option) IsSet() bool { return false }

// String is the option's line in the help: its forms, a tab, what it does.
func (o *option) String() string {
	head := "    --" + o.name
	if o.short != "" {
		head = "-" + o.short + ", --" + o.name
	}
	if o.arg != "" && o.implied == "" {
		head += " " + o.arg
	} else if o.implied != "" {
		head += "[=" + o.arg + "]"
	}
	return head + "\t" + o.usage
}

// The rest of urfave's DocGenerationFlag and VisibleFlag.

func (o *option) IsVisible() bool        { return true }
func (o *option) TakesValue() bool       { return o.arg != "" }
func (o *option) GetUsage() string       { return o.usage }
func (o *option) GetValue() string       { return o.text }
func (o *option) GetDefaultText() string { return "" }
func (o *option) GetEnvVars() []string   { return nil }

var (
	_ urfave.DocGenerationFlag = (*option)(nil)
	_ urfave.VisibleFlag       = (*option)(nil)
)

// optionValue is the option as package flag sees it. (option itself cannot be
// that: String means another thing there.)
type optionValue struct{ o *option }

func (v optionValue) IsBoolFlag() bool { return v.o.isSwitch() }

// String is for package flag's own help, which nobody gets to see, and for
// urfave's look for a help flag, which takes words behind it for its topic.
func (v optionValue) String() string { return "" }

func (v optionValue) Set(s string) error {
	if err := v.o.set(s); err != nil {
		v.o.refused = fmt.Errorf("invalid argument %q for %q flag: %w", s, v.o.label(), err)
		return err
	}
	v.o.text = s
	return nil
}
