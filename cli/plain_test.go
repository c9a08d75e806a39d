package cli

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"berth/archive"
	"berth/container"
	"berth/container/events"
)

func TestPlain(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"letters", "grüße, 日本語 ☃", "grüße, 日本語 ☃"},
		{"empty", "", ""},
		{"escape", "a\x1b[31mb\a", `a\x1b[31mb\a`},
		{"lines", "a\nb\r\tc", `a\nb\r\tc`},
		{"nul and delete", "\x00\x7f", `\x00\x7f`},
		{"c1 control", "a\u009b2J", `a\u009b2J`},
		{"byte that is no text", "a\x9b2J", `a\x9b2J`},
		{"direction", "a\u202eb\u2066", `a\u202eb\u2066`},
		{"written replacement", "\uFFFD", "\uFFFD"},
		{"backslash stays", `C:\x`, `C:\x`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := plain(c.text); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestComplaintsArePlain holds that no name in an error, a hint or a warning
// drives the terminal.
func TestComplaintsArePlain(t *testing.T) {
	w := newWorld()
	w.views = []*container.View{running("aa", "a1")}
	w.err = &hintError{err: errors.New("open /tmp/\x1b]0;x\a:\ngone"), hint: "see \x1b[2J"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"start", "aa"}, `Error: open /tmp/\x1b]0;x\a:; gone` + "\n" + `hint: see \x1b[2J` + "\n"},
		{[]string{"stop", "n\x1b[1m"}, `Error: No such container: n\x1b[1m` + "\n"},
		{[]string{"n\x1b[1m"}, `Error: unknown command: berth n\x1b[1m` + "\n"},
	} {
		if r := w.berth(t, c.args...); !strings.HasPrefix(r.err, c.want) {
			t.Errorf("%q: %q, want %q", c.args, r.err, c.want)
		}
	}
}

// TestShown holds that names of a container's files and messages are plain on a
// terminal, and themselves in a pipe.
func TestShown(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	w := newWorld()
	w.views = []*container.View{running("aa", "a1")}
	w.changes = []archive.Change{{Kind: archive.Added, Path: "/a\x1b[31m\nD /etc"}}
	w.events = []events.Event{{Time: time.Unix(1, 0), Type: events.Container, Action: "start", ID: "abc", Attributes: map[string]string{"note": "\x1b[2J"}}}
	for _, c := range []struct {
		name      string
		out       *os.File
		diff, end string
	}{
		{"pipe", nil, "A /a\x1b[31m\nD /etc\n", "(note=\x1b[2J)\n"},
		{"terminal", terminal, `A /a\x1b[31m\nD /etc` + "\n", `(note=\x1b[2J)` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.stdout = c.out
			if r := w.berth(t, "diff", "aa"); r.out != c.diff {
				t.Errorf("diff: %q, want %q", r.out, c.diff)
			}
			if r := w.berth(t, "events", "--until", "0s"); !strings.HasSuffix(r.out, c.end) {
				t.Errorf("events: %q, want %q at its end", r.out, c.end)
			}
		})
	}
}

// TestPlainLines holds that what images and registries say keeps its lines and
// loses its controls, unless the user's own template has some.
func TestPlainLines(t *testing.T) {
	if got, want := plainLines("a\tb\x1b]0;x\a\n\u202e\u009b2J\n"), "a\tb\\x1b]0;x\\a\n\\u202e\\u009b2J\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for format, want := range map[string]bool{
		"": false, "json": false, `{{.ID}}\t{{.Names}}\n`: false, "{{.ID}}\t": false,
		"\x1b[1m{{.ID}}": true, `{{"\x1b[1m"}}{{.ID}}`: true, `{{"\u009b"}}`: true,
	} {
		if got := hasControls(format); got != want {
			t.Errorf("%q has controls: %t, want %t", format, got, want)
		}
	}
}
