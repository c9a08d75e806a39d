package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"berth/container"
	"berth/container/logs"
)

// loggedWorld is a world with a container that has ended and one that runs.
func loggedWorld() *world {
	w := newWorld()
	for name, status := range map[string]container.Status{"over": container.Exited, "up": container.Running} {
		w.views = append(w.views, &container.View{Config: &container.Config{ID: name, Name: name}, Status: status})
	}
	return w
}

func TestLogsAsksFor(t *testing.T) {
	for _, c := range []struct {
		args         string
		tail         int
		since, until string // before now
		follow       bool
	}{
		{"over", -1, "", "", false},
		{"-n 5 over", 5, "", "", false},
		{"--tail 0 over", 0, "", "", false},
		{"--tail all over", -1, "", "", false},
		{"-n -1 over", -1, "", "", false},
		{"-fn3 over", 3, "", "", true},
		{"over --since 10m --until 1m30s", -1, "10m", "1m30s", false},
	} {
		w := loggedWorld()
		r := w.berth(t, append([]string{"logs"}, strings.Fields(c.args)...)...)
		if r.code != 0 || r.out != "to stdout\n" || r.err != "to stderr\n" {
			t.Errorf("%s: status %d, stdout %q, stderr %q", c.args, r.code, r.out, r.err)
			continue
		}
		o := w.logged[0]
		if o.Tail != c.tail || o.Follow != c.follow || !about(o.Since, c.since) || !about(o.Until, c.until) {
			t.Errorf("%s: asked for %+v", c.args, o)
		}
	}
}

// about reports whether a time is so long ago; the zero Time for no duration.
func about(at time.Time, ago string) bool {
	if ago == "" {
		return at.IsZero()
	}
	d, err := time.ParseDuration(ago)
	off := time.Since(at) - d
	return err == nil && off > -2*time.Second && off < time.Minute
}

// restarted is a world whose container runs anew a few times.
type restarted struct {
	*world
	runs  int
	waits int
}

func (r *restarted) Wait(context.Context, string) (int, error) { r.waits++; return 1, nil }

func (r *restarted) Get(ctx context.Context, ref string) (*container.View, error) {
	v, err := r.world.Get(ctx, ref)
	if r.waits >= r.runs {
		v.Status = container.Exited
	}
	return v, err
}

// TestFollowed holds when following ends: at once for a container that has
// ended, with its last end for one that runs, with the command in any case.
func TestFollowed(t *testing.T) {
	for _, c := range []struct {
		name        string
		runs, waits int
	}{{"over", 0, 0}, {"up", 1, 1}, {"up", 3, 3}} {
		r := &restarted{world: loggedWorld(), runs: c.runs}
		v, err := r.world.Get(t.Context(), c.name)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-followed(t.Context(), &backend{lookup: r, sessions: r}, v):
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: following never ends", c.name)
		}
		if r.waits != c.waits {
			t.Errorf("%s: waited %d times, want %d", c.name, r.waits, c.waits)
		}
	}
	r := &restarted{world: loggedWorld(), runs: 1 << 30}
	v, err := r.world.Get(t.Context(), "up")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	<-followed(ctx, &backend{lookup: r, sessions: r}, v)
}

func TestLogsRefuses(t *testing.T) {
	for _, c := range []struct{ args, text string }{
		{"over --since never", `invalid value for "since": failed to parse value as time or duration: "never"`},
		{"over --until 2026-13-01", `invalid value for "until"`},
		{"nobody", "No such container: nobody"},
	} {
		w := loggedWorld()
		r := w.berth(t, append([]string{"logs"}, strings.Fields(c.args)...)...)
		if r.code != exitFailed || !strings.Contains(r.err, c.text) || len(w.logged) > 0 {
			t.Errorf("%s: status %d, stderr %q, want %q", c.args, r.code, r.err, c.text)
		}
	}
	w := loggedWorld()
	w.err = logs.ErrUnreadable
	if r := w.berth(t, "logs", "over"); r.code != exitFailed || r.err != "Error: configured logging driver does not support reading\n" {
		t.Errorf("none: status %d, stderr %q", r.code, r.err)
	}
}

// TestLogPrinter holds that records and warnings stand in their order.
func TestLogPrinter(t *testing.T) {
	var both strings.Builder
	p := newLogPrinter(&both, &both, logs.FormatOptions{})
	for i, stream := range []string{"stdout", "stdout", "stderr", "", "stdout", "stderr"} {
		if err := p.print(logs.Record{Stream: stream, Line: []byte{'0' + byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	p.flush()
	if both.String() != "012345" {
		t.Errorf("got %q", both.String())
	}
}
