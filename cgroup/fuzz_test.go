package cgroup

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"berth/nsenter"
)

func FuzzCompile(f *testing.F) {
	seed, _ := json.Marshal(manyLimits())
	f.Add(seed, byte(0))
	f.Add([]byte(`{"devices":[{"allow":true,"type":"c","major":-1,"access":"m"}],"unified":{"memory.high":"1\n2"}}`), byte(2))
	f.Add([]byte(`{"hugepageLimits":[{"pageSize":"2MB","limit":1}],"rdma":{"mlx":{"hcaHandles":3}},"cpu":{"idle":1,"burst":3}}`), byte(1))
	f.Fuzz(func(t *testing.T, text []byte, n byte) {
		var res specs.LinuxResources
		if json.Unmarshal(text, &res) != nil || len(res.Devices) > 200 {
			return
		}
		h := []Host{legacyHost(), hybridHost(), unifiedHost(), {}}[n&3]
		p := &nsenter.Plan{}
		_, err := Compile(p, h, Group{Path: "/berth/x", Account: n&4 != 0, Share: n&8 != 0}, &res)
		if err != nil {
			if !errors.Is(err, ErrController) && !errors.Is(err, ErrLimit) && !errors.Is(err, ErrDevices) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		for i := range p.Steps {
			s := &p.Steps[i]
			if strings.Contains(s.Target, "..") || !strings.HasPrefix(s.Target, "/sys/fs/cgroup/") || strings.ContainsAny(s.Target, "\x00\n") {
				t.Fatalf("step on %q", s.Target)
			}
		}
	})
}

func FuzzCounters(f *testing.F) {
	for _, s := range []string{
		"usage_usec 12\nuser_usec 3\n", "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n", "8:0 Read 12\n8:0 Write 3\nTotal 15\n",
		"max\n", "9223372036854771712\n", "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n", "1\n2\n0\n", "cpu", "cpu 99999999999999999999 18446744073709551615",
		"some avg10=1.00 avg60=0.5 avg300=0 total=7\nfull avg10=\n", "cpu user system\n0 1 2\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for key, n := range parseFlat(s) {
			if flatValue(s, key) != n {
				t.Errorf("flatValue(%q) is not %d", key, n)
			}
		}
		parseIOStat(s)
		parseBlkio(nil, s, func(d *IOStats) (*uint64, *uint64) { return &d.ReadBytes, &d.WriteBytes })
		if total, _ := parseProcStat(s); total < 0 {
			t.Errorf("time %d is negative", total)
		}
		pids, _ := parsePids(s)
		for _, pid := range pids {
			if pid <= 0 {
				t.Errorf("pid %d", pid)
			}
		}
		_, _ = parseNumber(s)
		parsePressure(s)
		parseBlockFile(s)
		parseUsageAll(s)
	})
}

func FuzzParseOwn(f *testing.F) {
	f.Add("12:cpu,cpuacct:/a\n1:name=systemd:/x\n0::/y\n", byte(2))
	f.Fuzz(func(t *testing.T, s string, m byte) {
		for _, x := range parseOwn(s, Mode(m&3)) {
			if !strings.HasPrefix(x.Mount, root) || strings.Contains(x.Mount, "/../") || !strings.HasPrefix(x.Own, "/") {
				t.Errorf("%+v", x)
			}
		}
	})
}
