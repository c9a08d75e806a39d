package oci

import (
	"strings"
	"testing"
)

// TestManualIsWhole holds that every command and flag is on the page, and that
// each says something.
func TestManualIsWhole(t *testing.T) {
	page := Manual()
	s := newSession(Process{Args: []string{"berth", "oci"}, LookupEnv: func(string) (string, bool) { return "", false }})
	for _, c := range commands() {
		_, section, found := strings.Cut(page, "\n## "+c.name+" ")
		section, _, _ = strings.Cut(section, "\n## ")
		if !found || c.short == "" || c.about == "" || strings.HasSuffix(c.short, ".") {
			t.Errorf("%s: no section, or nothing to say", c.name)
		}
		if c.refused != nil {
			continue
		}
		options, _ := c.build(s)
		for _, o := range options {
			if shown := strings.Contains(section, "\n**--"+o.Name+"**"); shown == o.Hidden || !o.Hidden && o.Usage == "" {
				t.Errorf("%s --%s: on the page: %t, hidden: %t, %q", c.name, o.Name, shown, o.Hidden, o.Usage)
			}
		}
	}
}

// FuzzCommandLine looks for words that are too much for the parsers: whatever
// they are, there is an exit status, and an error has a line.
func FuzzCommandLine(f *testing.F) {
	for _, seed := range []string{
		"--root /r --log-format=json create --bundle b -pid-file p id", "kill -a id 9", "exec -dt -u 1:2 -g 3 -c x -e A=1 id sh -c x",
		"update --memory 1g --cpu-quota=-1 id", "events --interval 1ms --stats id", "ps -f json id -ef", "help exec", "-v", "checkpoint -x", "list -q -- x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, " ")
		for _, w := range words {
			// These touch files of this machine, or run ps(1).
			if w == "spec" || w == "ps" || strings.Contains(w, "log") || strings.Contains(w, "-r") || strings.Contains(w, "-p") {
				return
			}
		}
		fake := exampled()
		fake.kills = make(chan struct{})
		close(fake.kills)
		o := fake.command(t, "", append([]string{"crun"}, words...)...)
		if o.code != 0 && !strings.Contains(o.stderr, "level=error") {
			t.Errorf("%q: code %d, stderr %q", words, o.code, o.stderr)
		}
	})
}
