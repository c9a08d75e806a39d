package oci

import (
	"slices"
	"strings"
	"testing"

	"berth/cli/option"
)

func words() []*option.Option {
	var b bool
	var s string
	return []*option.Option{
		switchOption(&b, "detach,d", ""), switchOption(&b, "tty,t", ""), switchOption(&b, "no-subreaper", ""),
		option.Text(&s, "bundle,b", "dir", ""), option.Text(&s, "user,u", "uid", ""),
	}
}

func TestArrange(t *testing.T) {
	tests := map[string]struct {
		args       string
		mixed      bool
		want, rest string
		err        string
	}{
		"nothing":                 {},
		"two dashes":              {args: "--bundle /b --detach id", want: "--bundle=/b --detach=true", rest: "id"},
		"one dash":                {args: "-bundle /b -no-subreaper id", want: "--bundle=/b --no-subreaper=true", rest: "id"},
		"letters":                 {args: "-b /b -d id", want: "--bundle=/b --detach=true", rest: "id"},
		"letters with two dashes": {args: "--b /b id", want: "--bundle=/b", rest: "id"},
		"values behind =":         {args: "--bundle=/b -detach=false -u=1:2", want: "--bundle=/b --detach=false --user=1:2"},
		"an empty value":          {args: "--bundle= id", want: "--bundle=", rest: "id"},
		"a value that is a flag":  {args: "--bundle -d id", want: "--bundle=-d", rest: "id"},
		"letters run together":    {args: "-dt id", want: "--detach=true --tty=true", rest: "id"},
		"the last takes a value":  {args: "-dtu 5 id", want: "--detach=true --tty=true --user=5", rest: "id"},
		"the last has a value":    {args: "-du=5 id", want: "--detach=true --user=5", rest: "id"},
		"one in the middle takes": {args: "-ud id", err: "flag provided but not defined: -ud"},
		"not with two dashes":     {args: "--dt id", err: "flag provided but not defined: -dt"},
		"flags end at a word":     {args: "-d id -t", want: "--detach=true", rest: "id -t"},
		"unless mixed":            {args: "-d id -t", mixed: true, want: "--detach=true --tty=true", rest: "id"},
		"mixed to the end":        {args: "id -- -t", mixed: true, rest: "id -t"},
		"flags end at --":         {args: "-d -- -t x", want: "--detach=true", rest: "-t x"},
		"a dash is a word":        {args: "-d - x", want: "--detach=true", rest: "- x"},
		"unknown":                 {args: "--bogus x", err: "flag provided but not defined: -bogus"},
		"unknown letter":          {args: "-x", err: "flag provided but not defined: -x"},
		"no value":                {args: "--bundle", err: "flag needs an argument: -bundle"},
		"three dashes":            {args: "---d", err: "bad flag syntax: ---d"},
		"no name":                 {args: "--=x", err: "bad flag syntax: --=x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			flags, rest, err := option.Arrange(words(), strings.Fields(tt.args), tt.mixed, readFlag)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("error is %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(flags, strings.Fields(tt.want)) || !slices.Equal(rest, strings.Fields(tt.rest)) {
				t.Errorf("got %q and %q", flags, rest)
			}
		})
	}
}

// FuzzArrange holds that what comes out is a known flag with a value, or a word
// of what came in.
func FuzzArrange(f *testing.F) {
	for _, seed := range []string{"-d --bundle=x id -t", "-dtu=5 -- x", "---", "--=", "-"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	options := words()
	f.Fuzz(func(t *testing.T, line string, mixed bool) {
		args := strings.Split(line, " ")
		flags, rest, err := option.Arrange(options, args, mixed, readFlag)
		if err != nil {
			return
		}
		for _, flag := range flags {
			name, _, valued := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
			if !valued || !slices.ContainsFunc(options, func(o *option.Option) bool { return o.Name == name }) {
				t.Errorf("%q makes the flag %q", args, flag)
			}
		}
		for _, word := range rest {
			if !slices.Contains(args, word) {
				t.Errorf("%q makes the word %q", args, word)
			}
		}
	})
}
