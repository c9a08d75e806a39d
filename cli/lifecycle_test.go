package cli

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/container"
)

// TestLifecycleCommands: what each verb asks of the engine, prints and exits
// with.
func TestLifecycleCommands(t *testing.T) {
	for _, tt := range []struct {
		args  string
		code  int
		out   string
		err   string
		calls []string
	}{
		{"pause a b", 0, "a\nb\n", "", []string{"pause a", "pause b"}},
		{"container pause a", 0, "a\n", "", []string{"pause a"}},
		{"pause nope a", 1, "a\n", "Error: No such container: nope\n", []string{"pause nope", "pause a"}},
		{"pause", 1, "", "Error: 'berth pause' requires at least 1 argument\n", nil},
		{"unpause a", 0, "a\n", "", []string{"unpause a"}},
		{"restart a", 0, "a\n", "", []string{"restart a"}},
		{"restart -s INT -t 3 a nope", 1, "a\n", "Error: No such container: nope\n", []string{"restart a INT", "restart nope INT"}},
		{"restart -s WRONG a", 125, "", "Error: invalid argument \"WRONG\"", nil},
		{"rename a c", 0, "", "", []string{"rename a c"}},
		{"rename nope c", 1, "", "Error: No such container: nope\n", []string{"rename nope c"}},
		{"rename a", 1, "", "Error: 'berth rename' requires 2 arguments\n", nil},
		{"container prune x", 1, "", "Error: 'berth container prune' accepts no arguments\n", nil},
	} {
		t.Run(tt.args, func(t *testing.T) {
			w := newWorld()
			for _, name := range []string{"a", "b"} {
				w.views = append(w.views, &container.View{Config: &container.Config{ID: name, Name: name}, Status: container.Running})
			}
			r := w.berth(t, strings.Fields(tt.args)...)
			if r.code != tt.code || r.out != tt.out || !strings.HasPrefix(r.err, tt.err) || tt.err == "" && r.err != "" {
				t.Errorf("status %d, stdout %q, stderr %q", r.code, r.out, r.err)
			}
			if !slices.Equal(w.calls, tt.calls) {
				t.Errorf("calls %q, want %q", w.calls, tt.calls)
			}
		})
	}
}

// TestPrune: what is removed, and what is printed.
func TestPrune(t *testing.T) {
	now := time.Now()
	world := func() *world {
		w := newWorld()
		for _, v := range []container.View{
			{Config: &container.Config{Name: "up"}, Status: container.Running, Live: &container.Live{}},
			{Config: &container.Config{Name: "paused"}, Status: container.Paused, Live: &container.Live{}},
			{Config: &container.Config{Name: "starting"}, Status: container.Created, Live: &container.Live{}},
			{Config: &container.Config{Name: "new", Labels: map[string]string{"tier": "test"}}, Status: container.Created},
			{Config: &container.Config{Name: "old", Created: now.Add(-3 * time.Hour), Labels: map[string]string{"tier": "test", "keep": "1"}}, Status: container.Exited},
			{Config: &container.Config{Name: "broken"}, Status: container.Broken},
		} {
			v.ID = v.Name
			if v.Created.IsZero() {
				v.Created = now
			}
			w.views = append(w.views, &v)
		}
		return w
	}
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"", []string{"remove new", "remove old"}},
		{"--filter until=1h", []string{"remove old"}},
		{"--filter label=tier", []string{"remove new", "remove old"}},
		{"--filter label=tier=test --filter label=keep", []string{"remove old"}},
		{"--filter label!=keep=1", []string{"remove new"}},
		{"--filter label!=keep --filter until=1h", nil},
	} {
		t.Run(tt.args, func(t *testing.T) {
			w := world()
			r := w.berth(t, append([]string{"container", "prune", "-f"}, strings.Fields(tt.args)...)...)
			if r.code != 0 || !slices.Equal(w.calls, tt.want) {
				t.Errorf("status %d, calls %q, want %q: %s", r.code, w.calls, tt.want, r.err)
			}
			if !strings.HasSuffix(r.out, "Total reclaimed space: 0B\n") || strings.Contains(r.out, "Deleted Containers:\n") != (tt.want != nil) {
				t.Errorf("printed %q", r.out)
			}
		})
	}
	for _, args := range []string{"--filter until=tomorrow", "--filter colour=red", "--filter until", "--filter until=1h --filter until=2h"} {
		w := world()
		if r := w.berth(t, append([]string{"container", "prune", "-f"}, strings.Fields(args)...)...); r.code == 0 || len(w.calls) > 0 {
			t.Errorf("%s: status %d, calls %q", args, r.code, w.calls)
		}
	}
	w := world() // its stdin is empty: a no
	if r := w.berth(t, "container", "prune"); r.code != 0 || len(w.calls) > 0 || !strings.HasSuffix(r.out, "continue? [y/N] ") {
		t.Errorf("status %d, calls %q, printed %q", r.code, w.calls, r.out)
	}
}

// TestConfirm: only a y is a yes.
func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "Y\n": true, " y \r\n": true, "y": true, "n\n": false, "yes\n": false, "\n": false, "": false, "no\ny\n": false} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString(answer); err != nil {
			t.Fatal(err)
		}
		w.Close()
		var out strings.Builder
		s := &session{out: &out, stdio: container.Stdio{In: r}}
		if got, err := s.confirm(t.Context(), "Sure?"); got != want || err != nil || out.String() != "Sure? [y/N] " {
			t.Errorf("%q: %v, %v, printed %q", answer, got, err, out.String())
		}
		r.Close()
	}
}

// TestLifecycleFlags: --restart, --timeout and --replace.
func TestLifecycleFlags(t *testing.T) {
	w := newWorld()
	for args, want := range map[string]container.RestartPolicy{
		"":                         {},
		"--restart no":             {Name: "no"},
		"--restart always":         {Name: "always"},
		"--restart=unless-stopped": {Name: "unless-stopped"},
		"--restart on-failure:3":   {Name: "on-failure", MaximumRetryCount: 3},
	} {
		if got := w.created(t, append(strings.Fields(args), "img")...).Restart; got != want {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if c := w.created(t, "--timeout", "90", "img"); c.Timeout != 90 {
		t.Errorf("timeout %d", c.Timeout)
	}
	w.created(t, "--rm", "--restart", "no", "img")
	w.refused(t, "conflicting options: cannot specify both --restart and --rm", "--rm", "--restart", "always", "img")
	w.refused(t, "unknown policy 'maybe'", "--restart", "maybe", "img")
	w.refused(t, "maximum retry count must be an integer", "--restart", "on-failure:many", "img")
	w.refused(t, "invalid argument \"-1\" for \"--timeout\" flag", "--timeout", "-1", "img")
	w.refused(t, "invalid argument \"9999999999\" for \"--timeout\" flag", "--timeout", "9999999999", "img")
	w.refused(t, "cannot replace container without --name being set", "--replace", "img")
}

// TestRunWithPolicy: only a monitor can start a container again, also when the
// command stays.
func TestRunWithPolicy(t *testing.T) {
	for args, want := range map[string]string{
		"run --restart no img":        "run",
		"run --restart always img":    "create,start,attach ID",
		"run -d --restart always img": "create,start ID",
	} {
		w := newWorld()
		w.exit.Code = to(0)
		if r := w.berth(t, strings.Fields(args)...); r.code != 0 {
			t.Fatal(r.err)
		}
		if got := strings.ReplaceAll(strings.Join(w.calls, ","), w.made[0].ID, "ID"); got != want {
			t.Errorf("%s: calls %s, want %s", args, got, want)
		}
	}
}

// TestReplace: the container of that very name goes first, and no other.
func TestReplace(t *testing.T) {
	for name, want := range map[string]string{
		"web":  "remove ID,create",
		"db":   "create",
		"b1":   "create", // another one's ID
		"/web": "remove ID,create",
	} {
		w := newWorld()
		w.views = []*container.View{running("web", "b1")}
		r := w.berth(t, "create", "--replace", "--name", name, "img")
		if got := strings.ReplaceAll(strings.Join(w.calls, ","), w.views[0].ID, "ID"); r.code != 0 || got != want {
			t.Errorf("%s: status %d %s, calls %s, want %s", name, r.code, r.err, got, want)
		}
	}
}

// TestRestartingText: what ps says of a container between two runs.
func TestRestartingText(t *testing.T) {
	now := time.Now()
	v := &container.View{
		Config: &container.Config{}, Status: container.Restarting,
		Exit: &container.Exit{Code: to(1), Finished: now.Add(-3 * time.Second)},
	}
	if got := statusText(v, now); got != "Restarting (1) 3 seconds ago" {
		t.Errorf("status %q", got)
	}
	v.Exit = nil
	if got := statusText(v, now); got != "Restarting" {
		t.Errorf("status %q", got)
	}
	if !v.Up() {
		t.Error("ps shows it with -a only")
	}
}
