package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUpdate(t *testing.T) {
	tests := map[string]struct {
		args, stdin string
		want, rdt   string
		stderr      string
		code        int
	}{
		"nothing": {want: `{}`},
		"memory":  {args: "--memory 10m --memory-reservation=5k --memory-swap -1", want: `{"memory":{"limit":10485760,"reservation":5120,"swap":-1}}`},
		"processors": {args: "--cpu-period 1000 --cpu-quota -1 --cpu-share 512 --cpu-burst 5 --cpu-idle 1 --cpu-rt-period 6 --cpu-rt-runtime 7 --cpuset-cpus 0-1 --cpuset-mems 0",
			want: `{"cpu":{"shares":512,"quota":-1,"burst":5,"period":1000,"realtimeRuntime":7,"realtimePeriod":6,"cpus":"0-1","mems":"0","idle":1}}`},
		"pids":                {args: "--pids-limit 20", want: `{"pids":{"limit":20}}`},
		"pids without limit":  {args: "--pids-limit -1", want: `{"pids":{"limit":-1}}`},
		"pids of 0 stay":      {args: "--pids-limit 0", want: `{}`},
		"blkio":               {args: "--blkio-weight 100", want: `{"blockIO":{"weight":100}}`},
		"blkio too high":      {args: "--blkio-weight 70000", code: 1, stderr: "out of range"},
		"rdt":                 {args: "--l3-cache-schema L3:0=f --mem-bw-schema MB:0=20", want: `{}`, rdt: `{"l3CacheSchema":"L3:0=f","memBwSchema":"MB:0=20"}`},
		"kernel memory":       {args: "--kernel-memory 5m", want: `{}`, stderr: "--kernel-memory is ignored"},
		"from stdin":          {args: "-r -", stdin: `{"pids":{"limit":3},"unified":{"a.b":"c"}}`, want: `{"pids":{"limit":3},"unified":{"a.b":"c"}}`},
		"go-runc's":           {args: "--resources=-", stdin: `{"cpu":{"quota":5}}`, want: `{"cpu":{"quota":5}}`},
		"a file hides flags":  {args: "--memory 5m -r -", stdin: `{}`, want: `{}`},
		"devices stay":        {args: "-r -", stdin: `{"devices":[{"allow":false,"access":"rwm"}]}`, want: `{}`},
		"broken JSON":         {args: "-r -", stdin: `{"pids"`, code: 1, stderr: "read resources from stdin"},
		"of the wrong kind":   {args: "-r -", stdin: `{"pids":{"limit":"x"}}`, code: 1, stderr: "read resources from stdin"},
		"a number that is no": {args: "--cpu-quota 1.5", code: 1, stderr: "invalid value"},
		"a period below 0":    {args: "--cpu-period -1", code: 1, stderr: "invalid value"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := &fake{}
			o := f.command(t, tt.stdin, append([]string{"runc", "update", "id"}, strings.Fields(tt.args)...)...)
			if o.code != tt.code || !strings.Contains(o.stderr, tt.stderr) {
				t.Fatalf("code %d, stderr %q", o.code, o.stderr)
			}
			if tt.code != 0 {
				if f.res != nil {
					t.Error("limits changed all the same")
				}
				return
			}
			if got := marshal(t, f.res); got != tt.want {
				t.Errorf("resources are %s", got)
			}
			if f.rdt != nil || tt.rdt != "" {
				if got := marshal(t, f.rdt); got != tt.rdt {
					t.Errorf("rdt is %s", got)
				}
			}
		})
	}
	path := filepath.Join(t.TempDir(), "resources.json")
	if err := os.WriteFile(path, []byte(`{"pids":{"limit":9}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &fake{}
	if o := f.command(t, "", "runc", "update", "-r", path, "id"); o.code != 0 || marshal(t, f.res) != `{"pids":{"limit":9}}` {
		t.Errorf("code %d, %s", o.code, o.stderr)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
