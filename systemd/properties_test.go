package systemd

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

func value(v2 bool, file, text string) Limit {
	return Limit{V2: v2, File: file, Value: text}
}

func TestProperties(t *testing.T) {
	for _, x := range []struct {
		name string
		in   []Limit
		want []Property
	}{
		{"v2", []Limit{
			value(true, "memory.max", "1048576"), value(true, "memory.swap.max", "max"), value(true, "memory.low", "5"),
			value(true, "cpu.weight", "59"), value(true, "cpu.max", "150000 100000"), value(true, "cpuset.cpus", "0-2,9"), value(true, "cpuset.mems", "0"),
			value(true, "pids.max", "100"), value(true, "io.weight", "2930"), value(true, "io.weight", "8:0 500"), value(true, "io.max", "8:0 rbps=1"),
			value(true, "hugetlb.2MB.max", "1"),
		}, []Property{
			{"MemoryMax", uint64(1048576)}, {"MemorySwapMax", unlimited}, {"MemoryLow", uint64(5)}, {"CPUWeight", uint64(59)},
			{"AllowedCPUs", []byte{7, 2}}, {"AllowedMemoryNodes", []byte{1}}, {"TasksMax", uint64(100)}, {"IOWeight", uint64(2930)},
			{"CPUQuotaPeriodUSec", uint64(100000)}, {"CPUQuotaPerSecUSec", uint64(1500000)},
		}},
		{"v1", []Limit{
			value(false, "memory.limit_in_bytes", "-1"), value(false, "cpu.shares", "512"), value(false, "cpu.cfs_period_us", "50000"),
			value(false, "cpu.cfs_quota_us", "12345"), value(false, "cpuset.cpus", "0"), value(false, "blkio.weight", "300"), value(false, "pids.max", "max"),
		}, []Property{
			{"MemoryLimit", unlimited}, {"CPUShares", uint64(512)}, {"BlockIOWeight", uint64(300)}, {"TasksMax", unlimited},
			{"CPUQuotaPeriodUSec", uint64(50000)}, {"CPUQuotaPerSecUSec", uint64(250000)},
		}},
		{"no quota", []Limit{value(true, "cpu.max", "max")}, []Property{{"CPUQuotaPerSecUSec", unlimited}}},
		{"period alone", []Limit{value(false, "cpu.cfs_period_us", "50000")}, []Property{{"CPUQuotaPeriodUSec", uint64(50000)}}},
		{"none", nil, nil},
	} {
		got, err := Properties(x.in)
		if err != nil || !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s: got %v, %v\nwant %v", x.name, got, err, x.want)
		}
	}
	for _, bad := range []Limit{
		value(true, "memory.max", "lots"), value(true, "cpuset.cpus", "3-1"), value(true, "cpuset.cpus", "99999"), value(true, "cpuset.cpus", "-"),
		value(true, "cpu.max", "1000 0"), value(true, "cpu.max", "x 1000"), value(false, "cpu.cfs_quota_us", "99999999999999999"),
	} {
		if got, err := Properties([]Limit{bad}); !errors.Is(err, ErrProperty) {
			t.Errorf("%v: %v, %v", bad, got, err)
		}
	}
}

func TestAnnotated(t *testing.T) {
	got, err := Annotated(map[string]string{
		"org.systemd.property.TimeoutStopUSec": "uint64 123456789",
		"org.systemd.property.CollectMode":     "'inactive'",
		"org.systemd.property.RuntimeMaxSec":   "1.5",
		"org.systemd.property.TimeoutStopSec":  "3",
		"org.systemd.property.KillSignal":      "9",
		"com.example":                          "x",
	})
	var text []string
	for _, p := range got {
		got := p.Value
		if v, ok := got.(dbus.Variant); ok {
			got = v.Value()
		}
		text = append(text, fmt.Sprintf("%s=%v", p.Name, got))
	}
	want := "CollectMode=inactive KillSignal=9 RuntimeMaxUSec=1500000 TimeoutStopUSec=3000000 TimeoutStopUSec=123456789"
	if err != nil || strings.Join(text, " ") != want {
		t.Errorf("%q, %v; want %q", text, err, want)
	}
	for key, text := range map[string]string{
		"": "1", "Not-A-Name": "1", "A": "1", "Slice": "", "TasksMax": "uint64", "RuntimeMaxSec": "'x'", "TimeoutStopSec": "-1",
	} {
		key = annotationPrefix + key
		if _, err := Annotated(map[string]string{key: text}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s %q: %v", key, text, err)
		}
	}
}

func FuzzAnnotated(f *testing.F) {
	f.Add("TimeoutStopSec", "uint64 3")
	f.Add("CollectMode", "'x'")
	f.Add("IOReadBandwidthMax", "[('/dev/sda', uint64 1)]")
	f.Fuzz(func(t *testing.T, name, text string) {
		done := make(chan bool)
		go func() {
			_, _ = Annotated(map[string]string{annotationPrefix + name: text})
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Fatalf("no end with %q", text)
		}
	})
}

func TestScopeProperties(t *testing.T) {
	s := Scope{Slice: "system.slice", Prefix: "p", Name: "n", Properties: []Property{{"CollectMode", "inactive"}, {"MemoryMax", uint64(1)}}}
	seen := map[string]string{}
	for _, p := range s.properties(7) {
		if seen[p.Name] != "" {
			t.Errorf("%s twice", p.Name)
		}
		seen[p.Name] = p.Value.String()
	}
	for name, want := range map[string]string{
		"PIDs": "@au [7]", "Slice": `"system.slice"`, "Delegate": "true", "CollectMode": `"inactive"`, "DefaultDependencies": "false",
		"MemoryMax": "@t 1", "Description": `"berth container n"`,
	} {
		if seen[name] != want {
			t.Errorf("%s is %s, want %s", name, seen[name], want)
		}
	}
}
