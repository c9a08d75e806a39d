package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestSlips(t *testing.T) {
	for words, want := range map[string]int{
		"stop stop": 0, "sto stop": 1, "tsop stop": 1, "stopp stop": 1, "stap stop": 1, "rn run": 1,
		"detatch detach": 1, "detcah detach": 1, "kitten sitting": 3, "abc ": 3, " abc": 3, "ca abc": 3,
	} {
		a, b, _ := strings.Cut(words, " ")
		if got := slips(a, b); got != want {
			t.Errorf("%q to %q takes %d slips, want %d", a, b, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"run", "rm", "rmi", "ps", "stop", "start", "stats", "inspect", "exec", "images"}
	for word, want := range map[string][]string{
		"rn": {"rm", "run"}, "sto": {"stop"}, "tsop": {"stop"}, "inspec": {"inspect"}, "insp": {"inspect"},
		"sta": {"start", "stats"}, "statr": {"start", "stats"}, "pss": {"ps"}, "image": {"images"},
		"x": nil, "": nil, "frobnicate": nil, "ab": nil, "zz": nil, "p": nil,
	} {
		if got := nearest(word, names); !slices.Equal(got, want) {
			t.Errorf("%q is near %q, want %q", word, got, want)
		}
	}
	if got := didYouMean("rn", "berth ", names); got != `did you mean "berth rm" or "berth run"?` {
		t.Errorf("got %s", got)
	}
	if got := didYouMean("zz", "berth ", names); got != "" {
		t.Errorf("got %s", got)
	}
}

// TestMistyped holds the whole line for a mistyped command, member and flag, and
// that a hint that would be far-fetched is not given.
func TestMistyped(t *testing.T) {
	for args, want := range map[string]string{
		"sto x":                      "Error: unknown command: berth sto\nhint: did you mean \"berth stop\"?\n\nRun 'berth --help' for more information\n",
		"frobnicate":                 "Error: unknown command: berth frobnicate\n\nRun 'berth --help' for more information\n",
		"imag":                       "Error: unknown command: berth imag\nhint: did you mean \"berth image\" or \"berth images\"?\n\nRun ",
		"container lss":              "Error: unknown command: berth container lss\nhint: did you mean \"berth container ls\"?\n\nUsage:  berth container COMMAND\n\nRun 'berth container --help' for more information\n",
		"container zzzz":             "Error: unknown command: berth container zzzz\n\nUsage:  berth container COMMAND\n\nRun ",
		"container --nope ls":        "Error: unknown flag: --nope\n\nUsage:  berth container COMMAND\n\nRun 'berth container --help' for more information\n",
		"run --detatch img":          "Error: unknown flag: --detatch\nhint: did you mean \"--detach\"?\n\nUsage:  berth run [OPTIONS] IMAGE",
		"run --xyzzy img":            "Error: unknown flag: --xyzzy\n\nUsage:  berth run [OPTIONS] IMAGE",
		"run -name=x img":            "Error: unknown shorthand flag: 'n' in -name=x\nhint: did you mean \"--name\"?\n\nUsage:  berth run ",
		"container stop --tiemout=1": "Error: unknown flag: --tiemout\nhint: did you mean \"--timeout\"?\n\nUsage:  berth container stop ",
		"--verson":                   "Error: unknown flag: --verson\nhint: did you mean \"--version\"?\n\nUsage:  berth [OPTIONS] COMMAND [ARG...]\n",
		"explain run --detatch x":    "Error: unknown flag: --detatch\nhint: did you mean \"--detach\"?\n",
		"help sto":                   "Error: unknown command: berth sto\nhint: ",
		"container inspec x":         "Error: unknown command: berth container inspec\nhint: did you mean \"berth container inspect\"?\n",
	} {
		if r := newWorld().berth(t, strings.Fields(args)...); !strings.HasPrefix(r.err, want) || r.code == 0 || r.out != "" {
			t.Errorf("%s: status %d, stdout %q, stderr %q, want %q", args, r.code, r.out, r.err, want)
		}
	}
}
