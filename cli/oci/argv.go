package oci

import (
	"fmt"
	"strings"
)

// vocabulary is the options of one command by every form.
type vocabulary map[string]*option

func newVocabulary(options []*option) vocabulary {
	v := make(vocabulary, 2*len(options))
	for _, o := range options {
		v[o.name] = o
		for _, form := range o.short {
			v[form] = o
		}
	}
	return v
}

// arrange reads args as runc does and spells each flag as --name=value, which
// means the same to every parser. One dash is as good as two. Flags end at "--"
// and, unless mixed, at the first word that is none. The errors are worded as
// Go's package flag words them for runc.
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
		if flags, used, err = v.read(flags, args); err != nil {
			return nil, nil, err
		}
		args = args[used:]
	}
	return flags, words, nil
}

// read reads the flag that args begin with, and returns how many args it took.
func (v vocabulary) read(flags, args []string) ([]string, int, error) {
	name, value, inline := strings.Cut(strings.TrimPrefix(args[0][1:], "-"), "=")
	if name == "" || name[0] == '-' {
		return nil, 0, fmt.Errorf("bad flag syntax: %s", args[0])
	}
	o := v[name]
	if o == nil {
		letters, last := v.letters(args[0])
		if last == nil {
			return nil, 0, fmt.Errorf("flag provided but not defined: -%s", name)
		}
		flags, o = append(flags, letters...), last
	}
	switch {
	case inline:
	case o.isSwitch():
		value = "true"
	case len(args) > 1:
		return append(flags, "--"+o.name+"="+args[1]), 2, nil
	default:
		return nil, 0, fmt.Errorf("flag needs an argument: -%s", name)
	}
	return append(flags, "--"+o.name+"="+value), 1, nil
}

// letters reads switches that are run together behind one dash (-dt), as getopt
// allows for crun. The last letter is returned apart: it may take a value.
// Without one the argument is nothing of the kind.
func (v vocabulary) letters(arg string) (flags []string, last *option) {
	name, _, _ := strings.Cut(arg[1:], "=")
	if name == "" || name[0] == '-' {
		return nil, nil
	}
	for i := range len(name) {
		o := v[name[i:i+1]]
		switch {
		case o == nil:
			return nil, nil
		case i == len(name)-1:
			return flags, o
		case !o.isSwitch():
			return nil, nil
		}
		flags = append(flags, "--"+o.name+"=true")
	}
	return nil, nil
}
