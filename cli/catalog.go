package cli

import "berth/cli/option"

// Entry is one command, for pages that are made from all of them.
type Entry struct {
	// Name is the short form, or "system df" where there is none; Forms are all
	// that the command goes by.
	Name  string
	Forms []string
	// Manual is the command's page: "berth-run(1)".
	Manual string
	Flags  []Flag
}

// Flag is one flag of a command.
type Flag struct {
	// Forms are its letter and its words, without dashes.
	Forms []string
	// Value tells that it takes one.
	Value, Hidden bool
}

// Catalog lists the commands with their flags. The flags in front of a command
// are those of an entry without a name.
func Catalog() []Entry {
	s := newSession(Process{Args: []string{"berth"}, LookupEnv: func(string) (string, bool) { return "", false }})
	var root globals
	list := []Entry{{Manual: "berth(1)", Flags: flagsOf(root.options())}}
	for _, c := range commands() {
		e := Entry{Name: c.name, Forms: c.forms(), Manual: c.pageName() + "(1)"}
		if c.manual != "" {
			e.Manual = c.manual
		}
		options, _ := c.build(s)
		e.Flags = flagsOf(append(options, helpOption(new(bool), options)))
		list = append(list, e)
	}
	return list
}

func flagsOf(options []*option.Option) []Flag {
	flags := make([]Flag, 0, len(options))
	for _, o := range sortOptions(options) {
		flags = append(flags, Flag{Forms: o.Forms(), Value: !o.IsSwitch(), Hidden: o.Hidden})
	}
	return flags
}

// Absences are the commands and flags of docker's that are refused, and why:
// "pull", "run --isolation".
func Absences() map[string]string {
	list := map[string]string{}
	for _, r := range absences() {
		text := r.why
		if r.instead != "" {
			text += "; instead: " + r.instead
		}
		list[r.what] = text
	}
	return list
}
