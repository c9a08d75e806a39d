package resctrl

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const defaults = "    L3:0=fff;1=fff\n    MB:0=100;1=100\n"

// fake makes a tree as the kernel shows it. It fills groups that are made.
func fake(t *testing.T) FS {
	t.Helper()
	f := FS{Dir: t.TempDir()}
	fill := func(dir string) {
		for _, sub := range []string{"mon_groups", "mon_data/mon_L3_00", "mon_data/mon_L3_01"} {
			if !strings.Contains(dir, "mon_groups") || sub != "mon_groups" {
				put(t, filepath.Join(dir, sub, ".keep"), "")
			}
		}
		put(t, filepath.Join(dir, "tasks"), "")
		put(t, filepath.Join(dir, "mon_data/mon_L3_00/llc_occupancy"), "4096\n")
		put(t, filepath.Join(dir, "mon_data/mon_L3_00/mbm_total_bytes"), "70\n")
		put(t, filepath.Join(dir, "mon_data/mon_L3_01/mbm_total_bytes"), "Unavailable\n")
		if !strings.Contains(dir, "mon_groups") {
			put(t, filepath.Join(dir, "schemata"), defaults)
		}
	}
	fill(f.Dir)
	put(t, filepath.Join(f.Dir, "info/L3/cbm_mask"), "fff\n")
	put(t, filepath.Join(f.Dir, "info/L3_MON/num_rmids"), "8\n")
	put(t, filepath.Join(f.Dir, "info/last_cmd_status"), "ok\n")
	f.made = fill
	return f
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(string(text))
}

func group(t *testing.T, f FS, rdt specs.LinuxIntelRdt) *Group {
	t.Helper()
	g, err := f.Group("c1", &rdt)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestOwnClass(t *testing.T) {
	f := fake(t)
	g := group(t, f, specs.LinuxIntelRdt{L3CacheSchema: "MB:0=1\nL3:0=f;1=f0", MemBwSchema: "MB:0=20;1=70", EnableMonitoring: true})
	if err := errors.Join(g.Check(), g.Join(42)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(f.Dir, "c1")
	// The kernel takes each write by itself; a plain file keeps the last at
	// its start.
	if got := read(t, dir+"/schemata"); !strings.HasPrefix(got, "MB:0=20;1=70\n") {
		t.Errorf("schemata: %q", got)
	}
	for _, file := range []string{"tasks", "mon_groups/c1/tasks"} {
		if got := read(t, filepath.Join(dir, file)); got != "42" {
			t.Errorf("%s: %q", file, got)
		}
	}
	s, err := g.Stats()
	if err != nil || len(s.Nodes) != 2 || s.Nodes[0] != (NodeStats{Occupancy: 4096, Total: 70}) || s.Nodes[1] != (NodeStats{}) ||
		s.Root["L3"] != "L3:0=fff;1=fff" || s.Info["L3"]["cbm_mask"] != "fff" {
		t.Errorf("%+v, %v", s, err)
	}
	if err := g.Check(); !errors.Is(err, ErrConfig) {
		t.Errorf("a class with tasks: %v", err)
	}
	put(t, dir+"/tasks", "\n")
	if err := g.Check(); err != nil {
		t.Errorf("a leftover: %v", err)
	}
	// One more program of the container: the schemas stay as they were.
	if err := g.Enter(77); err != nil || read(t, dir+"/tasks") != "77" || read(t, dir+"/mon_groups/c1/tasks") != "77" {
		t.Errorf("%v: %q", err, read(t, dir+"/tasks"))
	}
	if err := g.Update(&specs.LinuxIntelRdt{Schemata: []string{"L3:0=3;1=3"}}); err != nil || !strings.HasPrefix(read(t, dir+"/schemata"), "L3:0=3;1=3") {
		t.Error(err)
	}
	if err := g.Update(&specs.LinuxIntelRdt{Schemata: []string{"L2:0=3"}}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("an update of what is not there: %v", err)
	}
	// The kernel's rmdir takes the files along; here it cannot.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := g.Remove(); err != nil {
		t.Errorf("groups that are gone: %v", err)
	}
}

func TestNamedClass(t *testing.T) {
	f := fake(t)
	f.made(filepath.Join(f.Dir, "gold"))
	for _, x := range []struct {
		name  string
		rdt   specs.LinuxIntelRdt
		want  error
		field string
	}{
		{"as it is", specs.LinuxIntelRdt{ClosID: "gold"}, nil, ""},
		{"the default class", specs.LinuxIntelRdt{ClosID: "/"}, nil, ""},
		{"same schema", specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=0fff"}, nil, ""},
		{"other schema", specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=ff"}, ErrConfig, "l3CacheSchema"},
		{"other bandwidth", specs.LinuxIntelRdt{ClosID: "gold", MemBwSchema: "MB:1=10"}, ErrConfig, "memBwSchema"},
		{"free schemata are written", specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"L3:0=ff"}}, nil, ""},
		{"missing", specs.LinuxIntelRdt{ClosID: "none"}, ErrConfig, "closID"},
		{"made with a schema", specs.LinuxIntelRdt{ClosID: "new", L3CacheSchema: "L3:0=ff"}, nil, ""},
		{"no such resource", specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"L2:0=ff"}}, ErrUnsupported, "schemata"},
		{"bandwidth of another kind", specs.LinuxIntelRdt{MemBwSchema: "L3:0=1"}, ErrConfig, "memBwSchema"},
		{"two lines", specs.LinuxIntelRdt{Schemata: []string{"L3:0=1\nMB:0=1"}}, ErrConfig, "schemata"},
		{"no schema", specs.LinuxIntelRdt{Schemata: []string{"L3"}}, ErrConfig, "schemata"},
		{"a way out", specs.LinuxIntelRdt{ClosID: "../x"}, ErrConfig, "closID"},
		{"dots", specs.LinuxIntelRdt{ClosID: ".."}, ErrConfig, "closID"},
		{"reserved", specs.LinuxIntelRdt{ClosID: "info"}, ErrConfig, "closID"},
	} {
		t.Run(x.name, func(t *testing.T) {
			g, err := f.Group("c2", &x.rdt)
			if err == nil {
				err = g.Check()
			}
			if !errors.Is(err, x.want) || x.want != nil && !strings.Contains(err.Error(), "linux.intelRdt."+x.field) {
				t.Fatalf("got %v, want %v", err, x.want)
			}
			if err != nil {
				return
			}
			if err := g.Join(7); err != nil || read(t, g.Dir()+"/tasks") != "7" {
				t.Errorf("join: %v", err)
			}
			if err := g.Remove(); err != nil || !exists(g.Dir()) {
				t.Errorf("a class that the config names was removed, %v", err)
			}
		})
	}
	if got := read(t, filepath.Join(f.Dir, "new/schemata")); !strings.HasPrefix(got, "L3:0=ff") {
		t.Errorf("schemata of the new class: %q", got)
	}
}

// TestJoinUndoes leaves nothing when a group cannot be filled.
func TestJoinUndoes(t *testing.T) {
	f := fake(t)
	f.made = nil // the files are missing
	g := group(t, f, specs.LinuxIntelRdt{L3CacheSchema: "L3:0=1"})
	put(t, filepath.Join(f.Dir, "info/last_cmd_status"), "mask f has non-consecutive 1-bits\n")
	if err := g.Join(1); err == nil || !strings.Contains(err.Error(), "non-consecutive") || !strings.Contains(err.Error(), "linux.intelRdt.l3CacheSchema") {
		t.Errorf("got %v", err)
	}
	if exists(g.Dir()) {
		t.Error("a group was left")
	}
}

func TestMonitoringMissing(t *testing.T) {
	f := fake(t)
	if err := os.RemoveAll(filepath.Join(f.Dir, "info/L3_MON")); err != nil {
		t.Fatal(err)
	}
	err := group(t, f, specs.LinuxIntelRdt{ClosID: "/", EnableMonitoring: true}).Check()
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "linux.intelRdt.enableMonitoring") {
		t.Errorf("got %v", err)
	}
}

func TestFind(t *testing.T) {
	f, err := Find()
	if err == nil {
		if !exists(filepath.Join(f.Dir, "schemata")) {
			t.Errorf("found %s, which is none", f.Dir)
		}
		return
	}
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "mount -t resctrl") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("L3:0=f;1=f0")
	f.Add("MB:00=020")
	f.Fuzz(func(t *testing.T, line string) {
		values, ok := parse(line)
		if !ok {
			return
		}
		out := make([]string, 0, len(values))
		for id, value := range values {
			out = append(out, id+"=0"+value)
		}
		if strings.ContainsFunc(line, unicode.IsSpace) {
			return // blanks are trimmed once only
		}
		if len(values) == 0 {
			t.Errorf("%q has no values", line)
		}
		again, ok := parse("X:" + strings.Join(out, ";"))
		for id, value := range values {
			if !ok || again[id] != value {
				t.Errorf("%q: %s is %q, then %q", line, id, value, again[id])
			}
		}
	})
}
