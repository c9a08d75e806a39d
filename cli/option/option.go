// Package option owns the flags of one command: their forms, what their values
// are written to, and how a command line is read, up to the point where
// urfave/cli/v2 parses it:
//
//	argv ──Arrange──▶ --name=value … -- words ──urfave──▶ Option ──▶ variables
//
// Berth has two command lines, docker's (package cli) and runc's (package
// cli/oci). What their callers can tell apart stays there: how a word is split
// into flags, and how a refusal is worded.
//
// Making an option costs no more than its struct, because a run has some eighty
// of them before anything of a container happens. Not for this package: what
// flags mean, and how many words a command takes.
package option

import (
	"flag"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// Option is one flag of one command. It is urfave's Flag, but has one name there:
// its other forms are known to Arrange and to the help only, so that urfave need
// not keep several names of a flag in step.
type Option struct {
	// Name is the first form longer than a letter.
	Name string
	// Arg names the value in the help ("list", "bytes"); empty for a switch.
	Arg, Usage string
	// Implied is the value of an option that may be given with or without one
	// (--trace, --trace=json); empty for all others.
	Implied string
	// Hidden keeps the option out of the help and the manual.
	Hidden bool

	// forms are the words that the option goes by, with commas between.
	forms string
	set   func(string) error

	// value is what set refused, and refused what it said: package flag would
	// reword it.
	value   string
	refused error
}

// New returns an option that gives its value to set. Here as in the constructors
// below, forms are its letter and words in the order of the help: "m,memory",
// "timeout,time", "bundle,b".
func New(forms, arg, usage string, set func(string) error) *Option {
	o := &Option{forms: forms, Arg: arg, Usage: usage, set: set}
	for form := range strings.SplitSeq(forms, ",") {
		if len(form) > 1 {
			o.Name = form
			break
		}
	}
	return o
}

// Text takes its value as it is.
func Text(to *string, forms, arg, usage string) *Option {
	return New(forms, arg, usage, func(s string) error { *to = s; return nil })
}

// Switch needs no value, and takes those of strconv.ParseBool.
func Switch(to *bool, forms, usage string) *Option {
	return Parsed(to, strconv.ParseBool, forms, "", usage)
}

// List collects what every use of the flag gave. Commas are the value's own.
func List(to *[]string, forms, arg, usage string) *Option {
	return New(forms, arg, usage, func(s string) error { *to = append(*to, s); return nil })
}

// Parsed reads its value with parse, whose error is what the user gets to see.
func Parsed[T any](to *T, parse func(string) (T, error), forms, arg, usage string) *Option {
	return New(forms, arg, usage, func(s string) error {
		v, err := parse(s)
		if err == nil {
			*to = v
		}
		return err
	})
}

// ParsedList is Parsed for a flag that is given several times.
func ParsedList[T any](to *[]T, parse func(string) (T, error), forms, arg, usage string) *Option {
	return New(forms, arg, usage, func(s string) error {
		v, err := parse(s)
		if err == nil {
			*to = append(*to, v)
		}
		return err
	})
}

// Forms are the words that the option goes by, without dashes.
func (o *Option) Forms() []string { return strings.Split(o.forms, ",") }

// GoesBy tells whether form is one of the option's.
func (o *Option) GoesBy(form string) bool {
	for own := range strings.SplitSeq(o.forms, ",") {
		if own == form {
			return true
		}
	}
	return false
}

// IsSwitch tells whether the option stands without a value.
func (o *Option) IsSwitch() bool { return o.Arg == "" || o.Implied != "" }

// Label is how docker's errors and help call the option: "-m, --memory".
func (o *Option) Label() string {
	for form := range strings.SplitSeq(o.forms, ",") {
		if len(form) == 1 {
			return "-" + form + ", --" + o.Name
		}
	}
	return "--" + o.Name
}

// Refused returns the value that the option did not take, and why; a nil error
// when there was none.
func (o *Option) Refused() (value string, why error) { return o.value, o.refused }

// Flags are options as urfave takes them.
func Flags(options []*Option) []urfave.Flag {
	flags := make([]urfave.Flag, len(options))
	for n, o := range options {
		flags[n] = o
	}
	return flags
}

// Apply registers the option with one parse of a command line.
func (o *Option) Apply(set *flag.FlagSet) error {
	set.Var(flagValue{o}, o.Name, "")
	return nil
}

// Names is empty. urfave asks for names to find flags that have an action or
// take values from the environment, which these never do, and it pays for every
// name by sorting all flags that were given: half a millisecond for fifty.
// Parsing goes by the name that Apply registers.
func (o *Option) Names() []string { return nil }

// IsSet is about values from the environment, which berth's flags never take.
func (o *Option) IsSet() bool { return false }

// String is the option's line in urfave's help, with docker's layout: its letter
// and name, a tab, what it does.
func (o *Option) String() string {
	head := o.Label()
	if head[1] == '-' {
		head = "    " + head // where others have a letter
	}
	if o.Implied != "" {
		head += "[=" + o.Arg + "]"
	} else if o.Arg != "" {
		head += " " + o.Arg
	}
	return head + "\t" + o.Usage
}

// IsVisible is for urfave's help.
func (o *Option) IsVisible() bool { return !o.Hidden }

var _ urfave.VisibleFlag = (*Option)(nil)

// flagValue is the option as package flag sees it. (Option itself cannot be
// that: String means another thing there.)
type flagValue struct{ o *Option }

func (v flagValue) IsBoolFlag() bool { return v.o.IsSwitch() }

// String is for package flag's own help, which nobody gets to see, and for
// urfave's look for a help flag, which both command lines answer themselves.
func (v flagValue) String() string { return "" }

func (v flagValue) Set(s string) error {
	err := v.o.set(s)
	if err != nil {
		v.o.value, v.o.refused = s, err
	}
	return err
}
