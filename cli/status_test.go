package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/container"
	"berth/state"
)

func TestStatus(t *testing.T) {
	notFound := &container.StartError{Code: 127, Err: errors.New("exec: \"x\": executable file not found in $PATH")}
	denied := &container.StartError{Code: 126, Err: errors.New("exec: \"x\": permission denied")}
	broken := &container.StartError{Code: 125, Err: errors.New("mount: no")}
	plain := errors.New("no such thing")
	for _, tt := range []struct {
		args string
		exit int
		err  error
		want int
		// text is what stderr begins with; empty for nothing at all.
		text string
	}{
		{"run img", 0, nil, 0, ""},
		{"run img", 3, nil, 3, ""},
		{"run img", 137, nil, 137, ""},
		{"run img", 0, notFound, 127, "Error: exec: \"x\": executable file not found in $PATH\n"},
		{"run img", 0, denied, 126, "Error: exec: \"x\": permission denied\n"},
		{"run img", 0, broken, 125, "Error: mount: no\n"},
		{"run img", 0, plain, 125, "Error: no such thing\n"},
		{"run -d img", 0, notFound, 127, "Error: exec"},
		{"run --pull never nope", 0, nil, 125, "Error: No such image: nope:latest\nhint: "},
		{"run --nope img", 0, nil, 125, "Error: unknown flag: --nope\n\nUsage:  berth run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'berth run --help' for more information\n"},
		{"run", 0, nil, 1, "Error: 'berth run' requires at least 1 argument\n\nUsage:  berth run"},
		{"run -it img", 0, nil, 1, "Error: the input device is not a TTY\n"},
		{"run -d -a stdout img", 0, nil, 1, "Error: conflicting options: cannot specify both --attach and --detach\n"},
		{"create img", 0, nil, 0, ""},
		{"create img", 0, plain, 1, "Error: no such thing\n"},
		{"create --pull never nope", 0, nil, 1, "Error: No such image"},
		{"create UPPER", 0, nil, 125, "Error: invalid reference format"},
		{"exec aa true", 0, nil, 0, ""},
		{"exec aa true", 5, nil, 5, ""},
		{"exec aa x", 0, notFound, 127, "Error: exec"},
		{"exec aa x", 0, &state.NoSuchError{Ref: "aa"}, 1, "Error: No such container: aa\n"},
		{"exec -it aa sh", 0, nil, 1, "Error: the input device is not a TTY\n"},
		{"exec aa", 0, nil, 1, "Error: 'berth exec' requires at least 2 arguments\n"},
		{"exec --nope aa true", 0, nil, 125, "Error: unknown flag"},
		{"start aa", 0, nil, 0, ""},
		{"start aa", 0, notFound, 1, "Error: exec"},
		{"start -a aa", 7, nil, 7, ""},
		{"start -a aa bb", 0, nil, 1, "Error: you cannot start and attach multiple containers at once\n"},
		{"attach aa", 9, nil, 9, ""},
		{"attach --detach-keys NaN aa", 0, nil, 1, "Error: Invalid detach keys (NaN) provided\n"},
		{"start -a --detach-keys NaN aa", 0, nil, 1, "Error: Invalid detach keys (NaN) provided\n"},
		{"attach stopped", 0, nil, 1, "Error: You cannot attach to a stopped container, start it first\n"},
		{"stop aa", 0, nil, 0, ""},
		{"stop nope", 0, nil, 1, "Error: No such container: nope\n"},
		{"stop -x aa", 0, nil, 125, "Error: unknown shorthand flag: 'x' in -x\n"},
		{"kill -s FOO aa", 0, nil, 1, "Error: invalid signal: FOO\n"},
		{"rm nope", 0, nil, 1, "Error: No such container: nope\n"},
		{"rm -f nope", 0, nil, 0, "Error: No such container: nope\n"},
		{"wait aa", 4, nil, 0, ""},
		{"wait nope", 0, nil, 1, "Error: No such container: nope\n"},
		{"logs nope", 0, nil, 1, "Error: No such container: nope\n"},
		{"logs --since yesterday aa", 0, nil, 1, "Error: invalid value for \"since\": "},
		{"inspect nope", 0, nil, 1, "Error: No such object: nope\n"},
		{"inspect --type image aa", 0, nil, 1, "Error: No such image: aa:latest\n"},
		{"inspect --type volume aa", 0, nil, 1, "Error: unknown type: \"volume\": must be one of \"container\", \"image\"\n"},
		{"inspect -f {{.Nope aa", 0, nil, 64, "Error: template parsing error: "},
		{"inspect -f {{.Nope}} aa", 0, nil, 1, "Error: template parsing error: "},
		{"ps --format {{.Nope}}", 0, nil, 1, "Error: failed to execute template: template: :1:2: "},
		{"ps --format {{.Nope", 0, nil, 1, "Error: failed to parse template: template: :1: unclosed action\n"},
		{"ps -f nope", 0, nil, 125, "Error: invalid argument \"nope\" for \"-f, --filter\" flag: bad format of filter (expected name=value)\n\nUsage:  berth ps"},
		{"ps -f nope=1", 0, nil, 1, "Error: invalid filter 'nope'\n"},
		{"ps extra", 0, nil, 1, "Error: 'berth ps' accepts no arguments\n"},
		{"images -f nope=1", 0, nil, 1, "Error: invalid filter 'nope'\n"},
		{"import /nonexistent x", 0, nil, 1, "Error: open /nonexistent: no such file or directory\n"},
		{"import - UPPER", 0, nil, 1, "Error: invalid reference format"},
		{"explain", 0, nil, 1, "Error: 'berth explain' needs the words of a run"},
		{"explain stop x", 0, nil, 1, "Error: cannot explain \"stop\""},
		{"explain run --nope", 0, nil, 125, "Error: unknown flag: --nope\n\nUsage:  berth explain run "},
		{"explain run img", 0, nil, 0, ""},
		{"nope", 0, nil, 1, "Error: unknown command: berth nope\n\nRun 'berth --help' for more information\n"},
		{"sto", 0, nil, 1, "Error: unknown command: berth sto\nhint: did you mean \"berth stop\"?\n"},
		{"container nope", 0, nil, 1, "Error: unknown command: berth container nope\n\nUsage:  berth container COMMAND\n\nRun 'berth container --help' for more information\n"},
		{"container", 0, nil, 0, "Usage:  berth container COMMAND\n"},
		{"container ls", 0, nil, 0, ""},
		{"container stop --nope", 0, nil, 125, "Error: unknown flag: --nope\n\nUsage:  berth container stop [OPTIONS] CONTAINER"},
		{"container inspect nope", 0, nil, 1, "Error: No such container: nope\n"},
		{"image inspect nope", 0, nil, 1, "Error: No such image: nope:latest\n"},
		{"--nope", 0, nil, 125, "Error: unknown flag: --nope\n"},
		{"", 0, nil, 0, "Usage:  berth [OPTIONS] COMMAND\n"},
		{"help", 0, nil, 0, ""},
		{"help run", 0, nil, 0, ""},
		{"run --help", 0, nil, 0, ""},
		{"stop -h", 0, nil, 0, ""},
		{"--version", 0, nil, 0, ""},
		{"version", 0, nil, 0, ""},
	} {
		t.Run(tt.args, func(t *testing.T) {
			w := newWorld()
			w.views = []*container.View{running("aa", "a1"), stopped("stopped", "b2")}
			w.exit, w.code, w.err = container.Exit{Code: &tt.exit}, tt.exit, tt.err
			r := w.berth(t, strings.Fields(tt.args)...)
			if r.code != tt.want {
				t.Errorf("status %d, want %d; stderr %q", r.code, tt.want, r.err)
			}
			if tt.text == "" && r.err != "" || !strings.HasPrefix(r.err, tt.text) {
				t.Errorf("stderr %q, want %q", r.err, tt.text)
			}
		})
	}
}

// TestSomeOfSeveral holds that what fails does not keep the others.
func TestSomeOfSeveral(t *testing.T) {
	w := newWorld()
	w.views = []*container.View{running("aa", "a1"), running("bb", "b1")}
	r := w.berth(t, "stop", "aa", "nope", "bb", "-s", "INT")
	if r.code != 1 || r.out != "aa\nbb\n" || r.err != "Error: No such container: nope\n" {
		t.Errorf("got %+v", r)
	}
	if want := []string{"stop aa INT", "stop nope INT", "stop bb INT"}; !slices.Equal(w.calls, want) {
		t.Errorf("calls %q, want %q", w.calls, want)
	}
}

// TestRunPaths holds which calls each form of run makes.
func TestRunPaths(t *testing.T) {
	for args, want := range map[string]string{
		"run img":                         "run",
		"run -i img":                      "run",
		"run -t img":                      "create,start,attach ID",
		"run --sig-proxy=false img":       "create,start,attach ID",
		"run -d img":                      "create,start ID",
		"run -dit img":                    "create,start ID",
		"container run --detach img":      "create,start ID",
		"container create img":            "create",
		"run -d --cidfile CIDFILE -i img": "create,start ID",
	} {
		t.Run(args, func(t *testing.T) {
			w := newWorld()
			w.exit.Code = to(0)
			file := filepath.Join(t.TempDir(), "cid")
			r := w.berth(t, strings.Fields(strings.ReplaceAll(args, "CIDFILE", file))...)
			if r.code != 0 {
				t.Fatal(r.err)
			}
			id := w.made[0].ID
			if got := strings.ReplaceAll(strings.Join(w.calls, ","), id, "ID"); got != want {
				t.Errorf("calls %s, want %s", got, want)
			}
			if strings.Contains(args, "-d") != (r.out == id+"\n") && !strings.Contains(args, "create") {
				t.Errorf("stdout %q", r.out)
			}
			if data, err := os.ReadFile(file); strings.Contains(args, "CIDFILE") && (err != nil || string(data) != id) {
				t.Errorf("cidfile holds %q, %v", data, err)
			}
		})
	}
}

func TestCidFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cid")
	w := newWorld()
	w.err = errors.New("no")
	if r := w.berth(t, "run", "--cidfile", file, "img"); r.code != 125 {
		t.Errorf("status %d", r.code)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there after a run that failed: %v", err)
	}
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.refused(t, fmt.Sprintf("container ID file found, make sure the other container isn't running or delete %s", file), "--cidfile", file, "img")
}

func TestHelp(t *testing.T) {
	w := newWorld()
	all := w.berth(t, "--help").out
	for _, c := range commands() {
		if c.hidden {
			continue
		}
		if strings.Contains(all, "\n  "+c.name+" ") == c.longOnly() {
			t.Errorf("the help lists %s: %v", c.name, c.longOnly())
		}
		if c.manual != "" {
			continue // another command line's, which has tests of its own
		}
		words := strings.Fields(c.name)
		own := w.berth(t, append(words, "--help")...).out
		if !strings.HasPrefix(own, "Usage:  berth "+c.name) || !strings.Contains(own, c.short) {
			t.Errorf("%s --help prints %q", c.name, own)
		}
		if viaHelp := w.berth(t, append([]string{"help"}, words...)...).out; viaHelp != own {
			t.Errorf("help %s differs from %s --help", c.name, c.name)
		}
		if withWords := w.berth(t, append(words, "--help", "a", "b", "c")...).out; withWords != own {
			t.Errorf("%s --help prints another text when words follow: %q", c.name, withWords)
		}
	}
	if out := w.berth(t, "run", "--help").out; !strings.Contains(out, "  -h, --hostname string ") || !strings.Contains(out, "      --help ") {
		t.Errorf("run --help: -h is not the host name:\n%s", out)
	}
	if out := w.berth(t, "container").err; !strings.Contains(out, "\n  ls ") || !strings.Contains(out, "\n  inspect ") {
		t.Errorf("container prints %s", out)
	}
}

// TestFlagsAreUnique holds that no command has two flags of one name, and that
// every flag says what it does.
func TestFlagsAreUnique(t *testing.T) {
	for _, c := range commands() {
		options, _ := c.build(newSession(Process{LookupEnv: os.LookupEnv}))
		seen := map[string]bool{}
		for _, o := range append(options, helpOption(new(bool), options)) {
			if o.Usage == "" || o.Name == "" {
				t.Errorf("%s has the flag %q without a name or help: %q", c.name, o.Forms(), o.Usage)
			}
			for _, name := range o.Forms() {
				if seen[name] {
					t.Errorf("%s has two flags %s", c.name, name)
				}
				seen[name] = true
			}
		}
	}
}
