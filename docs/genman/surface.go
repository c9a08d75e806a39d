package main

import (
	_ "embed"
	"fmt"
	"strings"
)

// dockerClient is the list of what docker's client has; its first lines tell the
// format.
//
//go:embed docker.txt
var dockerClient string

// dockerCommand is a command of docker's client.
type dockerCommand struct {
	name  string
	long  []string
	flags []dockerFlag
}

// dockerFlag is one of its flags.
type dockerFlag struct {
	short, name string
	value       bool
}

// readSurface reads the list.
func readSurface(text string) ([]dockerCommand, error) {
	var list []dockerCommand
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		names, flags, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("docker.txt: no colon in %q", line)
		}
		name, long, _ := strings.Cut(names, " = ")
		c := dockerCommand{name: name}
		if long != "" {
			c.long = strings.Split(long, ", ")
		}
		for flag := range strings.FieldsSeq(flags) {
			var f dockerFlag
			flag, f.value = strings.CutSuffix(flag, "=")
			if short, long, both := strings.Cut(flag, ","); both {
				f.short, flag = short, long
			}
			f.name = flag
			c.flags = append(c.flags, f)
		}
		list = append(list, c)
	}
	return list, nil
}

// label is the flag as a page shows it.
func (f dockerFlag) label() string {
	if f.short != "" {
		return "`-" + f.short + "`, `--" + f.name + "`"
	}
	return "`--" + f.name + "`"
}
