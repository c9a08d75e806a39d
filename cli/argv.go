package cli

import (
	"fmt"
	"strings"

	"berth/cli/option"
)

// readFlag reads a flag by docker's rules; errors are worded as docker's.
func readFlag(v option.Vocabulary, flags, args []string) ([]string, int, error) {
	if strings.HasPrefix(args[0], "--") {
		return readLong(v, flags, args)
	}
	return readShorts(v, flags, args)
}

// readLong reads a flag of two dashes.
func readLong(v option.Vocabulary, flags, args []string) ([]string, int, error) {
	name, _, _ := strings.Cut(args[0][2:], "=")
	if name == "" || name[0] == '-' {
		return nil, 0, fmt.Errorf("bad flag syntax: %s", args[0])
	}
	o := v[name]
	// One letter is a short form, which two dashes do not introduce.
	if o == nil || len(name) == 1 {
		return nil, 0, &unknownFlagError{"unknown flag: --" + name, name}
	}
	flags, used := o.Take(flags, args)
	if used == 0 {
		return nil, 0, fmt.Errorf("flag needs an argument: --%s", name)
	}
	return flags, used, nil
}

// readShorts reads a run of one-letter flags: -it, -dm64m, -e K=V, -d=false.
func readShorts(v option.Vocabulary, flags, args []string) ([]string, int, error) {
	letters := args[0][1:]
	for i := range len(letters) {
		o, rest := v[letters[i:i+1]], letters[i+1:]
		switch {
		case o == nil:
			name, _, _ := strings.Cut(letters, "=")
			return nil, 0, &unknownFlagError{fmt.Sprintf("unknown shorthand flag: %q in %s", letters[i], args[0]), name}
		case rest == "" || rest[0] == '=':
			flags, used := o.Take(flags, args)
			if used == 0 {
				return nil, 0, fmt.Errorf("flag needs an argument: %q in %s", letters[i], args[0])
			}
			return flags, used, nil
		case !o.IsSwitch():
			return append(flags, o.Spell(rest)), 1, nil
		}
		flags = append(flags, o.Bare())
	}
	return flags, 1, nil
}
