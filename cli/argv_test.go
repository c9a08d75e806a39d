package cli

import (
	"slices"
	"strings"
	"testing"

	"berth/cli/option"
)

func testOptions() []*option.Option {
	var b bool
	var s string
	trace := option.Text(&s, "trace", "text|json", "")
	trace.Implied = "text"
	return []*option.Option{
		option.Switch(&b, "i,interactive", ""), option.Switch(&b, "t,tty", ""), option.Switch(&b, "rm", ""),
		option.Text(&s, "e,env", "list", ""), option.Text(&s, "network,net", "string", ""), trace,
	}
}

func TestArrange(t *testing.T) {
	for _, tt := range []struct {
		name, args, flags, words string
		mixed                    bool
	}{
		{name: "joined shorts", args: "-it img", flags: "--interactive=true --tty=true", words: "img"},
		{name: "short with value", args: "-e A=1 img", flags: "--env=A=1", words: "img"},
		{name: "short with value in one word", args: "-eA=1 img", flags: "--env=A=1", words: "img"},
		{name: "short with equals sign", args: "-e=A img", flags: "--env=A", words: "img"},
		{name: "switch, then value", args: "-ite A img", flags: "--interactive=true --tty=true --env=A", words: "img"},
		{name: "short switch off", args: "-t=false img", flags: "--tty=false", words: "img"},
		{name: "long switch off", args: "--rm=false img", flags: "--rm=false", words: "img"},
		{name: "long switch takes no word", args: "--rm true", flags: "--rm=true", words: "true"},
		{name: "alias", args: "--net host img", flags: "--network=host", words: "img"},
		{name: "value that looks like a flag", args: "--env --rm img", flags: "--env=--rm", words: "img"},
		{name: "empty value", args: "--env= img", flags: "--env=", words: "img"},
		{name: "implied value", args: "--trace img", flags: "--trace=text", words: "img"},
		{name: "value instead of the implied one", args: "--trace=json img", flags: "--trace=json", words: "img"},
		{name: "flags end at the image", args: "img --rm -i", words: "img --rm -i"},
		{name: "flags end at two dashes", args: "--rm -- -i", flags: "--rm=true", words: "-i"},
		{name: "mixed", args: "a --rm b -i", flags: "--rm=true --interactive=true", words: "a b", mixed: true},
		{name: "mixed ends at two dashes", args: "a -- --rm", words: "a --rm", mixed: true},
		{name: "one dash is a word", args: "- --rm", words: "- --rm"},
		{name: "nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			flags, words, err := option.Arrange(testOptions(), strings.Fields(tt.args), tt.mixed, readFlag)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(flags, " "); got != tt.flags {
				t.Errorf("flags %q, want %q", got, tt.flags)
			}
			if got := strings.Join(words, " "); got != tt.words {
				t.Errorf("words %q, want %q", got, tt.words)
			}
		})
	}
}

func TestArrangeRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"-rm":        "unknown shorthand flag: 'r' in -rm",
		"-ix":        "unknown shorthand flag: 'x' in -ix",
		"--nope":     "unknown flag: --nope",
		"--nope=1":   "unknown flag: --nope",
		"--i":        "unknown flag: --i",
		"--env":      "flag needs an argument: --env",
		"-e":         "flag needs an argument: 'e' in -e",
		"-ite":       "flag needs an argument: 'e' in -ite",
		"--=x":       "bad flag syntax: --=x",
		"---rm":      "bad flag syntax: ---rm",
		"-interact":  "unknown shorthand flag: 'n' in -interact",
		"--rm -- -x": "",
	} {
		_, _, err := option.Arrange(testOptions(), strings.Fields(args), false, readFlag)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", args, err)
		case want != "" && (err == nil || err.Error() != want):
			t.Errorf("%s: error %v, want %s", args, err, want)
		}
	}
}

// FuzzArrange holds that whatever is not refused is spelled with known names,
// and that the words are words of the input.
func FuzzArrange(f *testing.F) {
	f.Add("-it\n-e\nA=1\nimg\n--rm", false)
	f.Add("--trace=\n--\n-x", true)
	f.Add("-=\n--net", true)
	f.Fuzz(func(t *testing.T, input string, mixed bool) {
		args := strings.Split(input, "\n")
		options := testOptions()
		flags, words, err := option.Arrange(options, args, mixed, readFlag)
		if err != nil {
			return
		}
		for _, flag := range flags {
			name, _, ok := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
			if !ok || !slices.ContainsFunc(options, func(o *option.Option) bool { return o.Name == name }) {
				t.Errorf("%q gave %q", args, flag)
			}
		}
		for _, word := range words {
			if !slices.Contains(args, word) {
				t.Errorf("%q gave the word %q", args, word)
			}
		}
		if len(flags)+len(words) > 2*len(input)+2 {
			t.Errorf("%q gave %d flags and %d words", args, len(flags), len(words))
		}
	})
}
