package oci

import (
	"errors"
	"flag"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// option is one flag of one command: urfave's Flag with one name, because
// arrange has brought short forms to the long one before urfave sees them.
type option struct {
	name string
	// short are further forms; those of one letter can be run together.
	short []string
	// arg names the value in the help; empty for a switch.
	arg, usage string
	// hidden flags are accepted for old or other callers, and mean nothing.
	hidden bool
	set    func(string) error
	text   string
}

// newOption takes the flag's forms as the help lists them: "bundle,b".
func newOption(forms, arg, usage string, set func(string) error) *option {
	all := strings.Split(forms, ",")
	return &option{name: all[0], short: all[1:], arg: arg, usage: usage, set: set}
}

func textOption(to *string, forms, arg, usage string) *option {
	o := newOption(forms, arg, usage, func(s string) error { *to = s; return nil })
	o.text = *to
	return o
}

func switchOption(to *bool, forms, usage string) *option {
	return newOption(forms, "", usage, func(s string) error {
		v, err := strconv.ParseBool(s)
		*to = v
		return simplify(err)
	})
}

// listOption collects every use. A value is taken as it is: commas in it are
// the value's own.
func listOption(to *[]string, forms, arg, usage string) *option {
	return newOption(forms, arg, usage, func(s string) error { *to = append(*to, s); return nil })
}

// countOption is a number from 0 up.
func countOption(to *int, forms, arg, usage string) *option {
	o := newOption(forms, arg, usage, func(s string) error {
		v, err := strconv.ParseUint(s, 10, 31)
		*to = int(v)
		return simplify(err)
	})
	o.text = strconv.Itoa(*to)
	return o
}

// parsedOption reads its value with parse.
func parsedOption[T any](to *T, parse func(string) (T, error), forms, arg, usage string) *option {
	return newOption(forms, arg, usage, func(s string) error {
		v, err := parse(s)
		if err == nil {
			*to = v
		}
		return simplify(err)
	})
}

// ignored are flags that callers may send and that change nothing here.
func ignored(o *option) *option {
	o.hidden = true
	return o
}

// simplify leaves out which of strconv's functions refused a value.
func simplify(err error) error {
	var number *strconv.NumError
	if errors.As(err, &number) {
		return number.Err
	}
	return err
}

func (o *option) isSwitch() bool { return o.arg == "" }

// Apply registers the option with one parse of a command line.
func (o *option) Apply(set *flag.FlagSet) error {
	set.Var(optionValue{o}, o.name, "")
	return nil
}

// Names is empty: urfave asks for them to find values in the environment and
// actions of flags, which these never have, and sorts all flags for each name.
func (o *option) Names() []string { return nil }

// IsSet is about values from the environment.
func (o *option) IsSet() bool { return false }

// String is the option's line in the help: its forms, a tab, what it does.
func (o *option) String() string {
	forms := make([]string, 0, 1+len(o.short))
	for _, form := range append([]string{o.name}, o.short...) {
		if len(form) > 1 {
			form = "-" + form
		}
		forms = append(forms, strings.TrimSpace("-"+form+" "+o.arg))
	}
	return strings.Join(forms, ", ") + "\t" + o.usage
}

// The rest of urfave's DocGenerationFlag and VisibleFlag.

func (o *option) IsVisible() bool        { return !o.hidden }
func (o *option) TakesValue() bool       { return !o.isSwitch() }
func (o *option) GetUsage() string       { return o.usage }
func (o *option) GetValue() string       { return o.text }
func (o *option) GetDefaultText() string { return "" }
func (o *option) GetEnvVars() []string   { return nil }

var (
	_ urfave.DocGenerationFlag = (*option)(nil)
	_ urfave.VisibleFlag       = (*option)(nil)
)

// optionValue is the option as package flag sees it: String means another thing
// there.
type optionValue struct{ o *option }

func (v optionValue) IsBoolFlag() bool   { return v.o.isSwitch() }
func (v optionValue) Set(s string) error { return v.o.set(s) }

func (v optionValue) String() string {
	if v.o == nil { // package flag asks the zero value
		return ""
	}
	return v.o.text
}
