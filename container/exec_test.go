package container

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container/attach"
)

func TestExecProcess(t *testing.T) {
	spec := func(env ...string) *specs.Spec {
		return &specs.Spec{Process: &specs.Process{
			Env: env, Cwd: "/home", Terminal: true, NoNewPrivileges: true,
			User:         specs.User{UID: 5, AdditionalGids: []uint32{7}},
			Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}},
			ConsoleSize:  &specs.Box{Height: 1, Width: 2},
		}}
	}
	for _, tt := range []struct {
		name string
		env  string
		o    ExecOptions
		want string
		ok   func(p *specs.Process) bool
	}{
		{"nothing", "A=1", ExecOptions{}, "A=1", func(p *specs.Process) bool {
			return !p.Terminal && p.ConsoleSize == nil && p.Cwd == "/home" && p.User.UID == 5 && p.NoNewPrivileges && len(p.Capabilities.Bounding) == 1
		}},
		{"its own count more", "A=1 B=2", ExecOptions{Env: []string{"B=3", "C=4"}}, "A=1 B=3 C=4", nil},
		{"without a value", "A=1 B=2", ExecOptions{Env: []string{"A", "D"}}, "B=2", nil},
		{"terminal", "A=1", ExecOptions{TTY: true}, "A=1 TERM=xterm", func(p *specs.Process) bool { return p.Terminal && p.ConsoleSize.Height == 50 }},
		{"container's TERM", "TERM=vt100", ExecOptions{TTY: true}, "TERM=vt100", nil},
		{"caller's TERM", "TERM=vt100", ExecOptions{TTY: true, Env: []string{"TERM=dumb"}}, "TERM=dumb", nil},
		{"user", "", ExecOptions{User: "1:2"}, "", func(p *specs.Process) bool {
			return p.User.Username == "1:2" && p.User.UID == 0 && slices.Equal(p.User.AdditionalGids, []uint32{7})
		}},
		{"folder", "", ExecOptions{Cwd: "/tmp"}, "", func(p *specs.Process) bool { return p.Cwd == "/tmp" }},
		{"privileged", "", ExecOptions{Privileged: true}, "", func(p *specs.Process) bool {
			return len(p.Capabilities.Bounding) > 30 && len(p.Capabilities.Effective) > 30 && p.NoNewPrivileges
		}},
	} {
		x := execution{v: &View{Config: &Config{Spec: spec(strings.Fields(tt.env)...)}}, o: tt.o, size: attach.Size{Rows: 50, Cols: 60}}
		p := x.process()
		if got := strings.Join(p.Env, " "); got != tt.want || tt.ok != nil && !tt.ok(p) {
			t.Errorf("%s: environment %q, want %q; %+v", tt.name, got, tt.want, p)
		}
		if original := x.v.Spec.Process; !original.Terminal || original.Cwd != "/home" || len(original.Env) != len(strings.Fields(tt.env)) {
			t.Errorf("%s: the container's process was changed: %+v", tt.name, original)
		}
	}
}

func TestMayExec(t *testing.T) {
	for status, want := range map[Status]string{
		Running: "",
		Paused:  "Container web is paused, unpause the container before exec",
		Exited:  "container ab is not running",
		Created: "container ab is not running",
	} {
		err := mayExec("web", &View{Config: &Config{ID: "ab"}, Status: status})
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", status, err, want)
		}
	}
}

func TestCallersSize(t *testing.T) {
	for text, want := range map[string]*specs.Box{"": nil, "x": nil, "12": nil, "41x": nil, "-1x5": nil, "41x101": {Height: 41, Width: 101}} {
		got := callersSize(text)
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestIsMonitor(t *testing.T) {
	id := strings.Repeat("ab", 32)
	for _, args := range [][]string{nil, {MonitorName}, {MonitorName, "x"}, {"berth", id}, {MonitorName, id, "x"}, {ExecMonitorName, "../x"}} {
		if IsMonitor(args) {
			t.Errorf("%q is a monitor", args)
		}
	}
}
