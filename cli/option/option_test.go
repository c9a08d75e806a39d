package option

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// parse gives args, arranged already, to package flag as urfave does.
func parse(t *testing.T, options []*Option, args ...string) error {
	t.Helper()
	set := flag.NewFlagSet("test", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, f := range Flags(options) {
		if err := f.Apply(set); err != nil {
			t.Fatal(err)
		}
	}
	return set.Parse(args)
}

func TestValues(t *testing.T) {
	text, on, number := "default", true, 0
	var list []string
	var numbers []int
	options := []*Option{
		Text(&text, "t,text", "string", ""), Switch(&on, "on", ""), List(&list, "list", "list", ""),
		Parsed(&number, strconv.Atoi, "number", "int", ""), ParsedList(&numbers, strconv.Atoi, "numbers", "list", ""),
	}
	if err := parse(t, options); err != nil || text != "default" || !on {
		t.Errorf("without flags: %q, %v, error %v", text, on, err)
	}
	err := parse(t, options, "--text=", "--on=false", "--list=a,b", "--list=c", "--number=5", "--numbers=1", "--numbers=2")
	if err != nil {
		t.Fatal(err)
	}
	if text != "" || on || number != 5 || !slices.Equal(list, []string{"a,b", "c"}) || !slices.Equal(numbers, []int{1, 2}) {
		t.Errorf("got %q, %v, %d, %q, %v", text, on, number, list, numbers)
	}
}

func TestRefused(t *testing.T) {
	number, numbers, on := 7, []int{7}, true
	for _, o := range []*Option{
		Parsed(&number, strconv.Atoi, "x", "int", ""), ParsedList(&numbers, strconv.Atoi, "xs", "int", ""), Switch(&on, "on", ""),
	} {
		o.Name = "x"
		if err := parse(t, []*Option{o}, "--x=bad"); err == nil {
			t.Errorf("%q takes a bad value", o.Forms())
		}
		if value, why := o.Refused(); value != "bad" || !errors.Is(why, strconv.ErrSyntax) {
			t.Errorf("%q refuses %q: %v", o.Forms(), value, why)
		}
	}
	if number != 7 || len(numbers) != 1 || !on {
		t.Errorf("values that were refused are kept: %d, %v, %v", number, numbers, on)
	}
}

func TestForms(t *testing.T) {
	for forms, want := range map[string]struct{ name, label, line, manual string }{
		"m,memory":     {"memory", "-m, --memory", "-m, --memory n\tSet _it_", "**-m**, **--memory** *n*"},
		"memory":       {"memory", "--memory", "    --memory n\tSet _it_", "**--memory** *n*"},
		"network,net":  {"network", "--network", "    --network n\tSet _it_", "**--network**, **--net** *n*"},
		"bundle,b":     {"bundle", "-b, --bundle", "-b, --bundle n\tSet _it_", "**--bundle**, **-b** *n*"},
		"t,timeout,ti": {"timeout", "-t, --timeout", "-t, --timeout n\tSet _it_", "**-t**, **--timeout**, **--ti** *n*"},
	} {
		o := New(forms, "n", "Set _it_", nil)
		if o.Name != want.name || o.Label() != want.label || o.String() != want.line {
			t.Errorf("%s: name %q, label %q, line %q", forms, o.Name, o.Label(), o.String())
		}
		for _, form := range strings.Split(forms, ",") {
			if !o.GoesBy(form) || o.GoesBy(form+",") || o.GoesBy("") {
				t.Errorf("%s goes by %s: %v", forms, form, o.GoesBy(form))
			}
		}
		var b strings.Builder
		WriteManual(&b, []*Option{o, {Name: "gone", Hidden: true}})
		if got, want := b.String(), "\n"+want.manual+"\n:   Set \\_it\\_\n"; got != want {
			t.Errorf("%s: manual %q, want %q", forms, got, want)
		}
	}
}

func TestImplied(t *testing.T) {
	o := New("trace", "text|json", "", nil)
	if o.IsSwitch() {
		t.Error("an option with an argument stands without")
	}
	o.Implied = "text"
	if !o.IsSwitch() || o.Bare() != "--trace=text" || o.String() != "    --trace[=text|json]\t" {
		t.Errorf("implied: switch %v, bare %q, line %q", o.IsSwitch(), o.Bare(), o)
	}
}

func TestTake(t *testing.T) {
	var b bool
	var s string
	on, text := Switch(&b, "on", ""), Text(&s, "text", "string", "")
	for _, tt := range []struct {
		o    *Option
		args string
		want string
		used int
	}{
		{on, "--on x", "--on=true", 1},
		{on, "-o=false x", "--on=false", 1},
		{text, "--text x y", "--text=x", 2},
		{text, "--text=a=b y", "--text=a=b", 1},
		{text, "--text= y", "--text=", 1},
		{text, "--text", "", 0},
	} {
		flags, used := tt.o.Take(nil, strings.Fields(tt.args))
		if got := strings.Join(flags, " "); got != tt.want || used != tt.used {
			t.Errorf("%s: %q of %d args, want %q of %d", tt.args, got, used, tt.want, tt.used)
		}
	}
}

// TestArrange holds where flags end; how a flag is read is its reader's.
func TestArrange(t *testing.T) {
	var s string
	options := []*Option{Text(&s, "t,text", "string", "")}
	read := func(v Vocabulary, flags, args []string) ([]string, int, error) {
		o := v[strings.TrimLeft(args[0], "-")]
		if o == nil {
			return nil, 0, errors.New("unknown " + args[0])
		}
		flags, used := o.Take(flags, args)
		return flags, used, nil
	}
	for _, tt := range []struct {
		args, flags, words, err string
		mixed                   bool
	}{
		{args: "-t a b -t c", flags: "--text=a", words: "b -t c"},
		{args: "-t a b -t c d", flags: "--text=a --text=c", words: "b d", mixed: true},
		{args: "b --text -- -- -t", flags: "--text=--", words: "b -t", mixed: true},
		{args: "- -t", words: "- -t"},
		{args: "-t a -x", err: "unknown -x"},
		{},
	} {
		flags, words, err := Arrange(options, strings.Fields(tt.args), tt.mixed, read)
		switch {
		case tt.err != "" && (err == nil || err.Error() != tt.err):
			t.Errorf("%q: error %v, want %s", tt.args, err, tt.err)
		case tt.err == "" && err != nil:
			t.Errorf("%q: %v", tt.args, err)
		case strings.Join(flags, " ") != tt.flags || strings.Join(words, " ") != tt.words:
			t.Errorf("%q: flags %q and words %q", tt.args, flags, words)
		}
	}
}
