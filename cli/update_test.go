package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
)

// TestUpdate: what the flags make of the limits that a container has, and what
// is refused in docker's words.
func TestUpdate(t *testing.T) {
	for _, tt := range []struct {
		has, args string
		// want is the limits as JSON; empty for a refusal with the text.
		want, text string
	}{
		{"", "-m 64m", `{"memory":{"limit":67108864}}`, ""},
		{"-m 64m", "-m 128m --memory-reservation 32m", `{"memory":{"limit":134217728,"reservation":33554432,"swap":134217728}}`, ""},
		{"-m 64m --memory-swap 96m", "-m 80m", `{"memory":{"limit":83886080,"swap":100663296}}`, ""},
		{"-m 64m --memory-swap 96m", "-m 128m", "", "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"},
		{"-m 64m --memory-swap 96m", "-m 128m --memory-swap -1", `{"memory":{"limit":134217728,"swap":-1}}`, ""},
		{"-m 64m", "--memory-swap 96m", `{"memory":{"limit":67108864,"swap":100663296}}`, ""},
		{"", "--memory-swap 96m", "", "You should always set the Memory limit"},
		{"-m 64m", "--memory-reservation 128m", "", "Minimum memory limit can not be less than memory reservation limit"},
		{"", "-m 100", "", "Minimum memory limit allowed is 1MB"},
		{"--cpus 1", "--cpus 0.5", `{"cpu":{"quota":50000,"period":100000}}`, ""},
		{"--cpu-quota 50000", "--cpus 1", "", "Nano CPUs cannot be updated as CPU Quota has already been set"},
		{"--cpu-period 50000", "--cpus 1", "", "Nano CPUs cannot be updated as CPU Period has already been set"},
		{"--cpus 1", "--cpu-quota 50000", "", "CPU Quota cannot be updated as NanoCPUs has already been set"},
		{"--cpus 1", "--cpu-period 50000", "", "CPU Period cannot be updated as NanoCPUs has already been set"},
		{"--cpus 1", "-c 512 --cpuset-cpus 0 --cpuset-mems 0", `{"cpu":{"shares":512,"quota":100000,"period":100000,"cpus":"0","mems":"0"}}`, ""},
		{"", "--pids-limit 10 --blkio-weight 300", `{"pids":{"limit":10},"blockIO":{"weight":300}}`, ""},
		{"--pids-limit 10", "--pids-limit -1", `{"pids":{"limit":-1}}`, ""},
		{"--pids-limit 10", "--pids-limit 0", `{"pids":{"limit":-1}}`, ""},
		{"", "--blkio-weight 5", "", "Range of blkio weight is from 10 to 1000"},
		{"", "--restart sometimes", "", "unknown policy 'sometimes'"},
	} {
		t.Run(tt.has+" then "+tt.args, func(t *testing.T) {
			w := newWorld()
			c := w.created(t, append(strings.Fields(tt.has), "img")...)
			c.Name = "a"
			if r := c.Spec.Linux.Resources; r != nil {
				r.Devices = nil
			}
			w.views = []*container.View{{Config: c, Status: container.Running}}
			r := w.berth(t, append(append([]string{"update"}, strings.Fields(tt.args)...), "a")...)
			if tt.want == "" {
				if r.code != exitFailed || !strings.Contains(r.err, tt.text) {
					t.Errorf("status %d, %q, want %q", r.code, r.err, tt.text)
				}
				return
			}
			text, err := json.Marshal(c.Spec.Linux.Resources)
			if err != nil {
				t.Fatal(err)
			}
			if r.code != 0 || r.out != "a\n" || string(text) != tt.want {
				t.Errorf("status %d %s, limits %s, want %s", r.code, r.err, text, tt.want)
			}
		})
	}
}

// TestUpdatePolicy: --restart of update.
func TestUpdatePolicy(t *testing.T) {
	w := newWorld()
	c := &container.Config{ID: "a", Name: "a", Spec: &specs.Spec{Linux: &specs.Linux{}}, From: map[string]string{}}
	w.views = []*container.View{{Config: c, Status: container.Running}}
	if r := w.berth(t, "update", "--restart", "on-failure:3", "a", "nope"); r.code != exitFailed || c.Restart.MaximumRetryCount != 3 || r.out != "a\n" {
		t.Errorf("got %+v, %+v", r, c.Restart)
	}
	if r := w.berth(t, "update", "-m", "64m", "a"); r.code != 0 || c.Restart.Name != "on-failure" {
		t.Errorf("got %+v, %+v", r, c.Restart)
	}
	c.AutoRemove = true
	if r := w.berth(t, "update", "--restart=always", "a"); r.code != exitFailed || !strings.Contains(r.err, "AutoRemove is enabled") {
		t.Errorf("got %+v", r)
	}
	if r := w.berth(t, "update", "--restart=no", "a"); r.code != 0 || !c.Restart.None() {
		t.Errorf("got %+v", r)
	}
	if r := w.berth(t, "update", "a"); r.code != exitFailed || !strings.Contains(r.err, "you must provide one or more flags when using this command") {
		t.Errorf("got %+v", r)
	}
	if r := w.berth(t, "update", "--timeout", "3", "a"); r.code != exitBerth {
		t.Errorf("got %+v", r)
	}
}
