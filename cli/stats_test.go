package cli

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"berth/cgroup"
	"berth/container"
)

func (w *world) Stats(_ context.Context, v *container.View) (container.Stats, error) {
	list := w.stats[v.ID]
	if len(list) == 0 {
		return container.Stats{}, w.err
	}
	if len(list) > 1 {
		w.stats[v.ID] = list[1:]
	}
	return list[0], w.err
}

// reading is what a container had used when the machine's two processors had
// been there for so long.
func reading(used, host time.Duration) container.Stats {
	return container.Stats{
		Received: 1_500, Sent: 20,
		Stats: cgroup.Stats{
			CPU:    cgroup.CPUStats{Total: used, Host: host, Online: 2},
			Memory: cgroup.MemoryStats{Usage: 96 << 20, Cache: 32 << 20, Limit: 256 << 20},
			Pids:   cgroup.PidsStats{Current: 3},
			IO:     []cgroup.IOStats{{ReadBytes: 1_000_000, WriteBytes: 1}, {ReadBytes: 1_000_000}},
		},
	}
}

func statsWorld() *world {
	w := newWorld()
	w.views = []*container.View{running("up", "a1"), stopped("down", "b2")}
	w.stats = map[string][]container.Stats{
		strings.Repeat("a1", 32): {reading(0, 0), reading(1500*time.Millisecond, 2*time.Second)},
	}
	return w
}

func TestStats(t *testing.T) {
	const head = "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O        BLOCK I/O   PIDS\n"
	const up = "a1a1a1a1a1a1   up        150.00%   64MiB / 256MiB      25.00%    1.5kB / 20B    2MB / 1B    3\n"
	const down = "b2b2b2b2b2b2   down      0.00%     0B / 0B             0.00%     0B / 0B        0B / 0B     0\n"
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"running", nil, head + up},
		{"all", []string{"-a"}, head + up + down},
		{"named", []string{"down", "up"}, head + down + up},
		{"json", []string{"--format", "json"}, `{"BlockIO":"2MB / 1B","CPUPerc":"150.00%","Container":"a1a1a1a1a1a1","ID":"a1a1a1a1a1a1","MemPerc":"25.00%","MemUsage":"64MiB / 256MiB","Name":"up","NetIO":"1.5kB / 20B","PIDs":"3"}` + "\n"},
		{"template", []string{"--format", "{{.Container}} {{.CPUPerc}}", "up"}, "up 150.00%\n"},
		{"table", []string{"--format", "table {{.Name}}\t{{.PIDs}}"}, "NAME      PIDS\nup        3\n"},
		{"long", []string{"--no-trunc", "--format", "{{.ID}}"}, strings.Repeat("a1", 32) + "\n"},
	} {
		got := statsWorld().berth(t, append([]string{"stats", "--no-stream"}, c.args...)...)
		if squeeze(got.out) != squeeze(c.want) || got.code != 0 || got.err != "" {
			t.Errorf("%s: %+v, want %q", c.name, got, c.want)
		}
	}
}

// squeeze makes all runs of blanks one.
func squeeze(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestStatsRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"nothing"}, 1, "Error: No such container: nothing\n"},
		{[]string{"--format", "{{.Nothing}}"}, 1, "template parsing error"},
		{[]string{"--nope"}, 125, "unknown flag: --nope"},
	} {
		if got := statsWorld().berth(t, append([]string{"stats", "--no-stream"}, c.args...)...); got.code != c.code || !strings.Contains(got.err, c.want) || got.out != "" {
			t.Errorf("%q: %+v, want %d and %q", c.args, got, c.code, c.want)
		}
	}
	w := statsWorld()
	w.err = errors.New("boom")
	if got := w.berth(t, "stats", "--no-stream"); got.code != 1 || got.err != "Error: boom\n" {
		t.Errorf("got %+v", got)
	}
}

// TestMeter: the first reading has no share, a restart counts anew, and named
// containers may go, all but the last.
func TestMeter(t *testing.T) {
	w := statsWorld()
	id := w.views[0].ID
	w.stats[id] = []container.Stats{reading(0, 0), reading(time.Second, 2*time.Second), reading(time.Millisecond, 4*time.Second)}
	m := &meter{b: &backend{lookup: w, observer: w}, f: &statsFlags{}, refs: []string{"up", "down"}}
	for i, want := range []string{"-- 0.00%", "100.00% 0.00%", "0.00% 0.00%"} {
		rows, err := m.rows(t.Context())
		if err != nil || len(rows) != 2 || rows[0].CPUPerc+" "+rows[1].CPUPerc != want {
			t.Errorf("reading %d: %+v, %v, want %s", i, rows, err, want)
		}
	}
	w.views = w.views[:1]
	if rows, err := m.rows(t.Context()); err != nil || len(rows) != 1 || rows[0].Name != "up" {
		t.Errorf("got %+v, %v", rows, err)
	}
	w.views = nil
	if rows, err := m.rows(t.Context()); err == nil || err.Error() != "No such container: down" {
		t.Errorf("got %+v, %v", rows, err)
	}
}

func TestFrame(t *testing.T) {
	for _, c := range []struct {
		picture       string
		height, width int
		want          string
	}{
		{"a\nb\n", 24, 80, "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"},
		{"a\nb\nc\n", 3, 80, "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"},
		{"größer\n", 24, 4, "\x1b[Hgröß\x1b[K\n\x1b[J"},
		{"", 24, 4, "\x1b[H\x1b[K\n\x1b[J"},
	} {
		if got := string(frame([]byte(c.picture), c.height, c.width)); got != c.want {
			t.Errorf("%q: %q, want %q", c.picture, got, c.want)
		}
	}
}
