package cli

import (
	"strings"
	"testing"
)

// TestAbsences gives every refused command and flag to berth, by both names, in
// the short form and, where a group is there, in the long one.
func TestAbsences(t *testing.T) {
	for _, r := range absences() {
		words := strings.Fields(r.what)
		lines := [][]string{append(words, "x", "y")}
		if flag, ok := strings.CutPrefix(words[len(words)-1], "--"); ok {
			lines = [][]string{append(words, "x", "y"), append(words[:len(words)-1:len(words)-1], "--"+flag+"=x", "y")}
			if words[0] == "run" {
				lines = append(lines, []string{"create", "--" + flag, "x", "y"}, []string{"container", "run", "--" + flag, "x", "y"})
			}
		}
		for _, line := range lines {
			for _, program := range []string{"berth", "docker"} {
				w := newWorld()
				res := w.called(t, program, line...)
				if res.code == 0 || !strings.Contains(res.err, r.why) || !strings.Contains(res.err, r.instead) || res.out != "" || len(w.calls) > 0 {
					t.Errorf("%s %q: status %d, stderr %q, calls %q; want a refusal: %s", program, line, res.code, res.err, w.calls, r.why)
				}
			}
		}
	}
}

// TestAbsenceText holds a whole message for a command, a group's, and a flag.
func TestAbsenceText(t *testing.T) {
	for args, want := range map[string]string{
		"secret ls":     "Error: no command \"secret\": berth runs containers on one machine and has no swarm\nhint: instead: -v FILE:PATH:ro gives a container a secret\n\nRun 'berth --help' for more information\n",
		"swarm init":    "Error: no command \"swarm\": berth runs containers on one machine and has no swarm\n\nRun 'berth --help' for more information\n",
		"image build x": "Error: no command \"image build\": this version builds no images\nhint: instead: buildah or docker; berth pull or berth load brings the image in\n\nRun 'berth --help' for more information\n",
		"images --tree": "Error: unknown flag: --tree\nhint: berth has no --tree: an image of berth's store is for one platform, and has no tree\n\nUsage:  berth images ",
		"rm --link x":   "Error: unknown flag: --link\nhint: berth has no --link: a link is a line of the hosts file and goes with its container\n\nUsage:  berth rm ",
	} {
		if r := newWorld().berth(t, strings.Fields(args)...); !strings.HasPrefix(r.err, want) {
			t.Errorf("%s: %q, want %q", args, r.err, want)
		}
	}
}
