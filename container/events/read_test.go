package events

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ids reads a log to its end.
func ids(t *testing.T, l *Log, o ReadOptions) string {
	t.Helper()
	var list []string
	if err := l.Read(t.Context(), o, func(ev Event) error { list = append(list, ev.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func TestReadTimes(t *testing.T) {
	l := New(t.TempDir())
	defer l.Close()
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return base.Add(time.Duration(s) * time.Second) }
	for i := range 10 {
		l.Append(Event{Time: at(i), ID: strconv.Itoa(i)})
	}
	for _, c := range []struct {
		o    ReadOptions
		want string
	}{
		{ReadOptions{Recorded: true}, "0 1 2 3 4 5 6 7 8 9"},
		{ReadOptions{Recorded: true, Since: at(7)}, "7 8 9"},
		{ReadOptions{Recorded: true, Until: at(2)}, "0 1 2"},
		{ReadOptions{Recorded: true, Since: at(3), Until: at(4)}, "3 4"},
		{ReadOptions{Recorded: true, Follow: true, Until: at(1)}, "0 1"},
		{ReadOptions{}, ""},
	} {
		if got := ids(t, l, c.o); got != c.want {
			t.Errorf("%+v: %q, want %q", c.o, got, c.want)
		}
	}
}

func TestReadNothing(t *testing.T) {
	dir := t.TempDir() + "/event"
	if got := ids(t, New(dir), ReadOptions{Recorded: true}); got != "" {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder was made: %v", err)
	}
}

// TestDamage: what a write that was cut short has left costs no other event.
func TestDamage(t *testing.T) {
	whole := func(id string) string {
		return `{"time":"2026-11-21T10:00:00Z","type":"container","action":"start","id":"` + id + `","attributes":{"quoted":"{\"time\":\"x"}}`
	}
	for _, c := range []struct{ name, content, want string }{
		{"empty", "", ""},
		{"none", "garbage\n", ""},
		{"empty lines", "\n\n" + whole("a") + "\n\n", "a"},
		{"cut off", whole("a") + "\n" + whole("b")[:50], "a"},
		{"cut off before another", whole("a")[:50] + whole("b") + "\n", "b"},
		{"zeros", strings.Repeat("\x00", 9000) + whole("a") + "\n" + whole("b") + "\n", "a b"},
		{"long", strings.Repeat("x", 3*readSize) + "\n" + whole("a") + "\n", "a"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(dir+fileName, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, New(dir), ReadOptions{Recorded: true}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestReadEnds(t *testing.T) {
	l := New(t.TempDir())
	defer l.Close()
	l.Append(Event{ID: "1"})
	boom := errors.New("boom")
	if err := l.Read(t.Context(), ReadOptions{Recorded: true}, func(Event) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := l.Read(ctx, ReadOptions{Recorded: true, Follow: true}, func(Event) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	began := time.Now()
	if got := ids(t, l, ReadOptions{Follow: true, Until: began.Add(50 * time.Millisecond)}); got != "" || time.Since(began) < 50*time.Millisecond {
		t.Errorf("got %q after %v", got, time.Since(began))
	}
}

// writerEnv makes this test program a writer: DIR of so many events, named by
// its pid.
const writerEnv = "EVENTS_TEST_WRITER"

func serveWriter() (status int, served bool) {
	task := os.Getenv(writerEnv)
	if task == "" {
		return 0, false
	}
	dir, count, _ := strings.Cut(task, " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return 1, true
	}
	l := New(dir)
	l.max = 16 << 10
	for i := range n {
		l.Append(Event{Type: Container, Action: "start", ID: fmt.Sprint(os.Getpid(), "-", i)})
		time.Sleep(100 * time.Microsecond) // a reader that is too slow may lose a file
	}
	return 0, true
}

// TestFollowManyWriters: a follower loses nothing, doubles nothing and keeps
// each writer's order, across many rotations by several processes.
func TestFollowManyWriters(t *testing.T) {
	const writers, each = 4, 500
	dir := t.TempDir()
	seen := map[string]int{} // the next number of each writer
	total := 0
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	following := New(dir)
	done := make(chan error, 1)
	go func() {
		done <- following.Read(ctx, ReadOptions{Recorded: true, Follow: true}, func(ev Event) error {
			pid, number, _ := strings.Cut(ev.ID, "-")
			if n, err := strconv.Atoi(number); err != nil || n != seen[pid] {
				return fmt.Errorf("writer %s: event %s, want %d", pid, number, seen[pid])
			}
			seen[pid]++
			if total++; total == writers*each {
				cancel()
			}
			return nil
		})
	}()
	var processes []*exec.Cmd
	for range writers {
		c := exec.Command("/proc/self/exe")
		c.Env = append(os.Environ(), writerEnv+"="+dir+" "+strconv.Itoa(each))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, c)
	}
	for _, c := range processes {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; !errors.Is(err, context.Canceled) || total != writers*each {
		t.Errorf("%d events, want %d: %v", total, writers*each, err)
	}
}

func TestFilter(t *testing.T) {
	list := []Event{
		{Type: Container, Action: "create", ID: "abc1", Attributes: map[string]string{"name": "web", "image": "nginx:1.27", "tier": "front"}},
		{Type: Container, Action: "exec_create: sh -c ls", ID: "abc1", Attributes: map[string]string{"name": "web", "image": "nginx:1.27", "tier": "front"}},
		{Type: Container, Action: "die", ID: "def2", Attributes: map[string]string{"name": "db", "image": "localhost:5000/pg", "tier": "back", "exitCode": "1"}},
		{Type: Image, Action: "pull", ID: "nginx:1.27", Attributes: map[string]string{"name": "nginx"}},
		{Type: Network, Action: "connect", ID: "77aa", Attributes: map[string]string{"name": "front", "container": "abc1"}},
		{Type: Volume, Action: "mount", ID: "data"},
	}
	for _, c := range []struct {
		f    Filter
		want []int
	}{
		{Filter{}, []int{0, 1, 2, 3, 4, 5}},
		{Filter{"type": {"image", "volume"}}, []int{3, 5}},
		{Filter{"container": {"web"}}, []int{0, 1}},
		{Filter{"container": {"ab", "db"}}, []int{0, 1, 2}},
		{Filter{"container": {"zz"}}, nil},
		{Filter{"event": {"exec_create"}}, []int{1}},
		{Filter{"event": {"exec"}}, nil},
		{Filter{"event": {"create", "die"}}, []int{0, 2}},
		{Filter{"image": {"nginx"}}, []int{0, 1, 3}},
		{Filter{"image": {"nginx:1.27"}}, []int{0, 1, 3}},
		{Filter{"image": {"localhost:5000/pg"}}, []int{2}},
		{Filter{"image": {"localhost"}}, nil},
		{Filter{"label": {"tier"}}, []int{0, 1, 2}},
		{Filter{"label": {"tier=back", "exitCode=1"}}, []int{2}},
		{Filter{"label": {"tier=back", "exitCode=2"}}, nil},
		{Filter{"network": {"front"}}, []int{4}},
		{Filter{"volume": {"data"}, "type": {"volume"}}, []int{5}},
		{Filter{"container": {"web"}, "event": {"die"}}, nil},
	} {
		var got []int
		for i, ev := range list {
			if c.f.Match(ev) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.f, got, c.want)
		}
	}
	if (Filter{"colour": {"red"}}).Match(list[0]) {
		t.Error("an unknown key matches")
	}
}
