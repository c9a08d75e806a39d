package cli

import (
	"fmt"
	"strings"
	"testing"
)

// alone lists the commands that another command line or a script's needs have
// made, whose words are not docker's.
func alone(c *command) bool {
	return c.manual != "" || c.name == "explain" || c.name == "completion"
}

// TestWrongCounts gives every command, in each of its forms and by both names,
// one word too few and one too many.
func TestWrongCounts(t *testing.T) {
	for _, c := range commands() {
		if alone(c) {
			continue
		}
		var forms []string
		if !c.longOnly() {
			forms = append(forms, c.name)
		}
		for _, name := range c.groupNames {
			forms = append(forms, c.group+" "+name)
		}
		for _, form := range forms {
			var counts []int
			if c.min > 0 {
				counts = append(counts, c.min-1)
			}
			if c.max != unlimited {
				counts = append(counts, c.max+1)
			}
			for _, n := range counts {
				for program, prefix := range map[string]string{"berth": "Error: ", "docker": "docker: "} {
					words := append(strings.Fields(form), strings.Fields(strings.Repeat("x ", n))...)
					w := newWorld()
					r := w.called(t, program, words...)
					usage := "\n\nUsage:  " + program + " " + form
					if r.code != exitFailed || r.out != "" || !strings.HasPrefix(r.err, prefix+"'"+program+" "+form+"' ") || !strings.Contains(r.err, usage) || len(w.calls) > 0 {
						t.Errorf("%s %q: %+v, calls %q", program, words, r, w.calls)
					}
				}
			}
		}
	}
}

// TestUnknownFlag gives every command a flag that none has.
func TestUnknownFlag(t *testing.T) {
	for _, c := range commands() {
		if c.manual != "" || c.name == "explain" {
			continue
		}
		form := c.name
		for program, prefix := range map[string]string{"berth": "Error: ", "docker": ""} {
			r := newWorld().called(t, program, append(strings.Fields(form), "--no-such-flag")...)
			if r.code != exitBerth || r.out != "" || !strings.HasPrefix(r.err, prefix+"unknown flag: --no-such-flag\n") {
				t.Errorf("%s %s: %+v", program, form, r)
			}
		}
	}
}

// TestNoSuchObject names a container or an image that is not there to every
// command that takes one.
func TestNoSuchObject(t *testing.T) {
	const container, img = "No such container: nope", "No such image: nope:latest"
	for _, tt := range []struct{ args, text string }{
		{"attach nope", container}, {"cp nope:/x -", container}, {"diff nope", container},
		{"inspect nope", "No such object: nope"}, {"container inspect nope", container}, {"image inspect nope", img},
		{"kill nope", container}, {"logs nope", container}, {"pause nope", container}, {"port nope", container}, {"rename nope x", container},
		{"restart nope", container}, {"rm nope", container}, {"rmi nope", "No such image: nope"}, {"stop nope", container},
		{"top nope", container}, {"unpause nope", container}, {"update -m 1g nope", container}, {"wait nope", container}, {"export nope", container},
		{"stats --no-stream nope", container}, {"container stop nope", container}, {"image rm nope", "No such image: nope"},
	} {
		for program, prefix := range map[string]string{"berth": "Error: ", "docker": "Error response from daemon: "} {
			if program == "docker" && strings.HasPrefix(tt.args, "inspect") {
				prefix = "Error: "
			}
			r := newWorld().called(t, program, strings.Fields(tt.args)...)
			if r.code != exitFailed || !strings.HasPrefix(r.err, prefix+tt.text) || strings.Count(r.err, tt.text) != 1 {
				t.Errorf("%s %s: %+v, want %q", program, tt.args, r, prefix+tt.text)
			}
		}
	}
}

// TestClientTexts holds which errors docker's client finds itself: they have no
// "from daemon", and run's have the program in front. The texts are those of
// docker's client 28.2, run without a daemon.
func TestClientTexts(t *testing.T) {
	const help = "\n\nRun 'docker run --help' for more information\n"
	for _, tt := range []struct {
		args   string
		docker string
	}{
		{"run -it img", "the input device is not a TTY\n"},
		{"run -d -a stdout img", "conflicting options: cannot specify both --attach and --detach\n"},
		{"run --rm --restart always img", "docker: conflicting options: cannot specify both --restart and --rm" + help},
		{"run --env-file /nope img", "docker: open /nope: no such file or directory" + help},
		{"run --pid foo img", "docker: --pid: invalid PID mode" + help},
		{"run --uts foo img", "docker: --uts: invalid UTS mode" + help},
		{"run --userns foo img", "docker: --userns: invalid USER mode" + help},
		{"run --health-retries -1 img", "docker: --health-retries cannot be negative" + help},
		{"run --no-healthcheck --health-cmd x img", "docker: --no-healthcheck conflicts with --health-* options" + help},
		{"run UPPER", "docker: invalid reference format: repository name (library/UPPER) must be lowercase" + help},
		{"run --network nope img", "docker: Error response from daemon: network nope not found\n"},
		{"run --name b@d img", "docker: Error response from daemon: Invalid container name (b@d)"},
		{"start -a a b", "you cannot start and attach multiple containers at once\n"},
		{"stop -t x a", "invalid argument \"x\" for \"-t, --timeout\" flag: strconv.ParseInt: parsing \"x\": invalid syntax\n"},
		{"rename a EMPTY", "Error: Neither old nor new names may be empty\n"},
		{"update a", "you must provide one or more flags when using this command\n"},
		{"cp a b", "must specify at least one container source\n"},
		{"cp a:b c:d", "copying between containers is not supported\n"},
		{"cp EMPTY b", "source can not be empty\n"},
		{"import /nope", "open /nope: no such file or directory\n"},
		{"events --format {{", "Error parsing format: template: :1: unclosed action\n"},
		{"ps --format {{", "failed to parse template: template: :1: unclosed action\n"},
		{"ps -f x", "invalid argument \"x\" for \"-f, --filter\" flag: bad format of filter (expected name=value)\n"},
		{"ps -f x=y", "Error response from daemon: invalid filter 'x'\n"},
		{"inspect -f {{ a", "template parsing error: template: :1: unclosed action\n"},
		{"inspect --type x a", "unknown type: \"x\": must be one of "},
	} {
		words := strings.Fields(tt.args)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "EMPTY", "")
		}
		if r := newWorld().called(t, "docker", words...); r.code == 0 || !strings.HasPrefix(r.err, tt.docker) {
			t.Errorf("docker %s: %d\n%s\nwant\n%s", tt.args, r.code, r.err, tt.docker)
		}
		// By its own name, berth says the same behind a word of its own.
		plain := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(tt.docker, "docker: "), "Error response from daemon: "), "Error: ")
		plain, _, _ = strings.Cut(plain, "\n")
		if r := newWorld().berth(t, words...); r.code == 0 || !strings.HasPrefix(r.err, fmt.Sprintf("Error: %s", plain)) {
			t.Errorf("berth %s: %d\n%s\nwant\nError: %s", tt.args, r.code, r.err, plain)
		}
	}
}
