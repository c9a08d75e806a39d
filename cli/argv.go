package cli

import (
	"fmt"
	"strings"
)

// vocabulary is the options of one command by every name they go by.
type vocabulary map[string]*option

func newVocabulary(options []*option) vocabulary {
	v := make(vocabulary, 2*len(options))
	for _, o := range options {
		v[o.name] = o
		if o.alias != "" {
			v[o.alias] = o
		}
		if o.short != "" {
			v[o.short] = o
		}
	}
	return v
}

// arrange reads args by docker's rules and spells each flag as --name=value,
// which means the same to every parser. Flags end at "--", and unless mixed also
// at the first word that is none (the image, whose command has flags of its
// own). The errors are worded as docker's.
func (v vocabulary) arrange(args []string, mixed bool) (flags, words []string, err error) {
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
		if strings.HasPrefix(arg, "--") {
			flags, used, err = v.long(flags, args)
		} else {
			flags, used, err = v.shorts(flags, args)
		}
		if err != nil {
			return nil, nil, err
		}
		args = args[used:]
	}
	return flags, words, nil
}

// long reads a flag of two dashes and returns how many args it took.
func (v vocabulary) long(flags, args []string) ([]string, int, error) {
	name, value, inline := strings.Cut(args[0][2:], "=")
	if name == "" || name[0] == '-' {
		return nil, 0, fmt.Errorf("bad flag syntax: %s", args[0])
	}
	o := v[name]
	// One letter is a short form, which two dashes do not introduce.
	if o == nil || len(name) == 1 {
		return nil, 0, fmt.Errorf("unknown flag: --%s", name)
	}
	switch {
	case inline:
	case o.isSwitch():
		value = o.bare()
	case len(args) > 1:
		return append(flags, "--"+o.name+"="+args[1]), 2, nil
	default:
		return nil, 0, fmt.Errorf("flag needs an argument: --%s", name)
	}
	return append(flags, "--"+o.name+"="+value), 1, nil
}

// shorts reads a run of one-letter flags: -it, -dm64m, -e K=V, -d=false.
func (v vocabulary) shorts(flags, args []string) ([]string, int, error) {
	letters := args[0][1:]
	for i := range len(letters) {
		letter, rest := letters[i:i+1], letters[i+1:]
		o := v[letter]
		switch {
		case o == nil:
			return nil, 0, fmt.Errorf("unknown shorthand flag: %q in %s", letters[i], args[0])
		case strings.HasPrefix(rest, "="):
			return append(flags, "--"+o.name+rest), 1, nil
		case o.isSwitch():
			flags = append(flags, "--"+o.name+"="+o.bare())
			continue
		case rest != "":
			return append(flags, "--"+o.name+"="+rest), 1, nil
		case len(args) > 1:
			return append(flags, "--"+o.name+"="+args[1]), 2, nil
		}
		return nil, 0, fmt.Errorf("flag needs an argument: %q in %s", letters[i], args[0])
	}
	return flags, 1, nil
}

// bare is the value of an option that was given none.
func (o *option) bare() string {
	if o.implied != "" {
		return o.implied
	}
	return "true"
}
