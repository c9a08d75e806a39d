package container

import (
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/state"
)

func TestModeContainer(t *testing.T) {
	for mode, want := range map[string]string{"": "", "host": "", "container:": "", "container:a": "a", "containers:a": ""} {
		if got := ModeContainer(mode); got != want {
			t.Errorf("%q: %q", mode, got)
		}
	}
}

// recorded puts a container on record in empty roots, running when live is set.
func recorded(t *testing.T, e *Engine, id byte, change func(c *Config), live *Live) *Config {
	t.Helper()
	c := &Config{ID: strings.Repeat(string(id), 64), Name: string(id) + string(id), Network: "none", Spec: DefaultSpec()}
	c.Spec.Process.Args = []string{"sh"}
	if change != nil {
		change(c)
	}
	if err := e.reserve(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := e.record(c); err != nil {
		t.Fatal(err)
	}
	if live != nil {
		if err := state.WriteJSON(e.livePath(c.ID), live, state.Fast); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func newEngine(t *testing.T) (*Engine, state.Process) {
	t.Helper()
	e := New(state.Dirs{Root: t.TempDir(), Run: t.TempDir()})
	self, err := state.Self()
	if err != nil {
		t.Fatal(err)
	}
	return e, self
}

func TestJoin(t *testing.T) {
	e, self := newEngine(t)
	live := &Live{Payload: self, Supervisor: self}
	donor := recorded(t, e, 'a', func(c *Config) { c.Modes.IPC = "shareable" }, live)
	mode := "container:" + donor.ID
	c := recorded(t, e, 'b', func(c *Config) { c.Modes.PID, c.Modes.IPC, c.Network = mode, mode, mode }, nil)
	spec, err := e.withNames(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.join(c, spec)
	if err != nil || len(s.processes) != 3 || s.shm == nil || *s.shm != self {
		t.Fatalf("%+v, error %v", s, err)
	}
	for _, n := range spec.Linux.Namespaces {
		shared := n.Type == specs.PIDNamespace || n.Type == specs.IPCNamespace || n.Type == specs.NetworkNamespace
		if (n.Path != "") != shared {
			t.Errorf("%s namespace: path %q", n.Type, n.Path)
		}
		if namespace(c.Spec, n.Type).Path != "" {
			t.Errorf("%s namespace: the path is recorded", n.Type)
		}
	}
	if c.ownsPIDs() || !donor.ownsPIDs() {
		t.Error("whose PID namespace it is, is told wrong")
	}
	for _, m := range spec.Mounts {
		if strings.HasPrefix(m.Destination, "/etc/") && !strings.Contains(m.Source, donor.ID) {
			t.Errorf("%s is from %s", m.Destination, m.Source)
		}
	}
}

func TestJoinRefused(t *testing.T) {
	e, self := newEngine(t)
	idle := recorded(t, e, 'a', nil, nil)
	ended := recorded(t, e, 'b', nil, &Live{Payload: state.Process{PID: self.PID, StartTime: 1, BootID: self.BootID}, Supervisor: self})
	private := recorded(t, e, 'c', nil, &Live{Payload: self, Supervisor: self})
	for _, tt := range []struct {
		change func(c *Config)
		text   string
	}{
		{func(c *Config) { c.Modes.PID = "container:" + idle.ID }, "cannot join PID of a non running container: " + idle.ID},
		{func(c *Config) { c.Modes.PID = "container:" + ended.ID }, "cannot join PID of a non running container: " + ended.ID},
		{func(c *Config) { c.Network = "container:" + idle.ID }, "cannot join network of a non running container: " + idle.ID},
		{func(c *Config) { c.Modes.User = "container:" + idle.ID }, "cannot join user namespace of a non running container: " + idle.ID},
		{func(c *Config) { c.Modes.IPC = "container:" + idle.ID }, "container " + idle.ID + " is not running"},
		{func(c *Config) { c.Modes.IPC = "container:" + private.ID }, "non-shareable IPC"},
		{func(c *Config) { c.Modes.PID = "container:gone" }, "No such container: gone"},
	} {
		c := &Config{Spec: DefaultSpec()}
		tt.change(c)
		spec := *c.Spec
		if _, err := e.join(c, &spec); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("error %v, want %q", err, tt.text)
		}
	}
}

func TestUserRanges(t *testing.T) {
	e, self := newEngine(t)
	first := recorded(t, e, 'a', nil, &Live{Payload: self, Supervisor: self, Users: &IDRange{0x70000000, 65536}, Started: time.Now()})
	recorded(t, e, 'b', nil, &Live{Users: &IDRange{0x70010000, 65536}}) // of a run that is over
	for mode, want := range map[string]*IDRange{
		"":                      nil,
		"300000:5":              {300000, 5},
		"container:" + first.ID: {0x70000000, 65536},
	} {
		got, err := e.users(&Config{ID: "x", Modes: Modes{User: mode}})
		if err != nil || (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%q: %v, error %v", mode, got, err)
		}
	}
	if got, err := e.freeUsers("x", defaultPool(), 1000); err != nil || *got != (IDRange{0x70010000, 1000}) {
		t.Errorf("beside a running container: %v, error %v", got, err)
	}
	if got, err := e.freeUsers(first.ID, defaultPool(), 7); err != nil || *got != (IDRange{0x70000000, 7}) {
		t.Errorf("its own range of before is not free: %v, error %v", got, err)
	}
	if got, err := e.freeUsers("x", []IDRange{{0x70000000, 65536}}, 1); err == nil {
		t.Errorf("found %v where nothing is free", got)
	}
}
