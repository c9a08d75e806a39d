package oci

import (
	"fmt"
	"strings"

	"berth/cli/option"
)

// readFlag reads a flag as runc does: one dash is as good as two. The errors are
// worded as Go's package flag words them for runc.
func readFlag(v option.Vocabulary, flags, args []string) ([]string, int, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(args[0][1:], "-"), "=")
	if name == "" || name[0] == '-' {
		return nil, 0, fmt.Errorf("bad flag syntax: %s", args[0])
	}
	o := v[name]
	if o == nil {
		letters, last := readLetters(v, args[0])
		if last == nil {
			return nil, 0, fmt.Errorf("flag provided but not defined: -%s", name)
		}
		flags, o = append(flags, letters...), last
	}
	flags, used := o.Take(flags, args)
	if used == 0 {
		return nil, 0, fmt.Errorf("flag needs an argument: -%s", name)
	}
	return flags, used, nil
}

// readLetters reads switches that are run together behind one dash (-dt), as
// getopt allows for crun. The last letter is returned apart: it may take a
// value. Without one the argument is nothing of the kind.
func readLetters(v option.Vocabulary, arg string) (flags []string, last *option.Option) {
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
		case !o.IsSwitch():
			return nil, nil
		}
		flags = append(flags, o.Bare())
	}
	return nil, nil
}
