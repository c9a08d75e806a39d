package top

import (
	"fmt"
	"slices"
	"strings"
)

// UnknownError is an option or a column that this package does not have.
type UnknownError struct {
	// What is "option" or "column", Word is what was given; In is the cluster
	// of letters that it stands in, if any.
	What, Word, In string
}

func (e *UnknownError) Error() string {
	if e.In != "" {
		return fmt.Sprintf("unknown ps %s %q in %q", e.What, e.Word, e.In)
	}
	return fmt.Sprintf("unknown ps %s %q", e.What, e.Word)
}

// options are those of ps, as far as they are read.
type options struct {
	// output are the columns of -o; before and behind them stands what -O adds.
	output   []column
	extended bool
	// letters are the formats that were asked for, and bsd that it was without
	// a dash.
	letters  string
	bsd      bool
	noHeader bool
	forest   bool
	order    []sortKey
}

// Parse reads the options of ps. None at all are -ef.
func Parse(args []string) (*Format, error) {
	if len(args) == 0 {
		args = []string{"-ef"}
	}
	var o options
	for len(args) > 0 {
		arg := args[0]
		var err error
		switch {
		case strings.HasPrefix(arg, "--"):
			args, err = o.word(arg, args[1:])
		case strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "-ax") && !strings.HasPrefix(arg, "-aux"):
			args, err = o.cluster(arg, arg[1:], "eAadwy", "fFlj", args[1:])
		default:
			// The dash before aux is an old habit that ps forgives.
			o.bsd = true
			args, err = o.cluster(arg, strings.TrimPrefix(arg, "-"), "agxw", "ujl", args[1:])
		}
		if err != nil {
			return nil, err
		}
	}
	return o.format(), nil
}

// cluster reads letters behind one dash or none. Those in idle change nothing,
// those in styles are formats.
func (o *options) cluster(arg, letters, idle, styles string, rest []string) ([]string, error) {
	if letters == "" {
		return nil, &UnknownError{What: "option", Word: arg}
	}
	for i, letter := range letters {
		switch {
		case strings.ContainsRune(idle, letter) || o.plain(letter, styles):
		case letter == 'o' || letter == 'O':
			o.extended = o.extended || letter == 'O'
			return o.value(arg, letters[i+1:], rest, o.columns)
		case letter == 'k' && o.bsd:
			return o.value(arg, letters[i+1:], rest, o.sortBy)
		case i == 0 && len(letters) == 1:
			return nil, &UnknownError{What: "option", Word: arg}
		default:
			return nil, &UnknownError{What: "option", Word: string(letter), In: arg}
		}
	}
	return rest, nil
}

// plain reads a letter that needs no value.
func (o *options) plain(letter rune, styles string) bool {
	switch {
	case strings.ContainsRune(styles, letter):
		o.letters += string(letter)
	case o.bsd && letter == 'h':
		o.noHeader = true
	case o.bsd && letter == 'f':
		o.forest = true
	default:
		return false
	}
	return true
}

// value gives an option its value: the rest of the word, or the next one.
func (o *options) value(arg, attached string, rest []string, use func(string) error) ([]string, error) {
	if attached != "" {
		return rest, use(attached)
	}
	if len(rest) == 0 {
		return nil, fmt.Errorf("ps option %q needs a list of columns", arg)
	}
	return rest[1:], use(rest[0])
}

// word reads an option of two dashes.
func (o *options) word(arg string, rest []string) ([]string, error) {
	name, value, given := strings.Cut(arg, "=")
	uses := map[string]func(string) error{"--format": o.columns, "--sort": o.sortBy}
	switch {
	case uses[name] != nil && given:
		return rest, uses[name](value)
	case uses[name] != nil:
		return o.value(arg, "", rest, uses[name])
	case name == "--no-headers" || name == "--no-heading" || name == "--no-headings":
		o.noHeader = true
		return rest, nil
	case name == "--forest":
		o.forest = true
		return rest, nil
	case name == "--headers":
		return rest, nil
	}
	return nil, &UnknownError{What: "option", Word: arg}
}

// columns reads a list of columns, each with a heading of its own or none:
// "pid,comm=NAME".
func (o *options) columns(list string) error {
	all := known()
	for _, item := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		word, title, given := strings.Cut(item, "=")
		c, ok := all[strings.ToLower(word)]
		if !ok {
			return &UnknownError{What: "column", Word: word}
		}
		if given {
			c.title = title
		}
		o.output = append(o.output, c)
	}
	return nil
}

// sortBy reads the keys of an order: "-pcpu,pid".
func (o *options) sortBy(list string) error {
	all := known()
	for key := range strings.SplitSeq(list, ",") {
		word := strings.TrimLeft(key, "+-")
		c, ok := all[strings.ToLower(word)]
		if !ok {
			return &UnknownError{What: "column", Word: word}
		}
		o.order = append(o.order, sortKey{column: c, descending: strings.HasPrefix(key, "-")})
	}
	return nil
}

// format is what the options come to.
func (o *options) format() *Format {
	f := &Format{columns: o.output, order: o.order, noHeader: o.noHeader, forest: o.forest}
	if len(f.columns) == 0 || o.extended {
		f.columns = named(o.style())
	}
	if o.extended {
		pid := slices.IndexFunc(f.columns, func(c column) bool { return c.title == "PID" })
		f.columns = slices.Insert(f.columns, pid+1, o.output...)
	}
	untitled := func(c column) bool { return c.title != "" }
	f.noHeader = f.noHeader || !slices.ContainsFunc(f.columns, untitled)
	return f
}

// style is a format of ps: the letters that ask for it, without a dash or behind
// one.
type style struct {
	bsd              bool
	letters, columns string
}

// styles are ordered: the first whose letters were all given is the one.
func styles() []style {
	return []style{
		{true, "u", "user pid pcpu pmem vsz rss tname stat start_time bsdtime args"},
		{true, "j", "ppid pid pgid sid tname tpgid stat uid bsdtime args"},
		{true, "l", "f uid pid ppid priority ni vsz rss wchan stat tname bsdtime args"},
		{true, "", "pid tname stat bsdtime args"},
		{false, "F", "user=UID pid ppid c sz rss psr stime tname time cmd"},
		{false, "lf", "f s user=UID pid ppid c opri ni addr sz wchan stime tname time cmd"},
		{false, "l", "f s uid pid ppid c opri ni addr sz wchan tname time ucmd"},
		{false, "jf", "user=UID pid ppid pgid sid c stime tname time cmd"},
		{false, "j", "pid pgid sid tname time ucmd"},
		{false, "f", "user=UID pid ppid c stime tname time cmd"},
		{false, "", "pid tname time ucmd"},
	}
}

// style lists the columns of the format that was asked for.
func (o *options) style() string {
	missing := func(letter rune) bool { return !strings.ContainsRune(o.letters, letter) }
	all := styles()
	i := slices.IndexFunc(all, func(s style) bool { return s.bsd == o.bsd && !strings.ContainsFunc(s.letters, missing) })
	return all[i].columns
}

// named are the columns of a list that is known to be right.
func named(list string) []column {
	var o options
	if err := o.columns(list); err != nil {
		panic("top: " + err.Error()) // a test has every style made
	}
	return o.output
}
