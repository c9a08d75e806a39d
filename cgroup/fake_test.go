package cgroup

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"berth/nsenter"
)

// v1Controllers of the hosts below.
func v1Controllers() []string {
	return []string{"cpuset", "cpu,cpuacct", "blkio", "memory", "devices", "freezer", "pids"}
}

func legacyHost() Host {
	h := Host{Mode: Legacy}
	for _, list := range v1Controllers() {
		h.Hierarchies = append(h.Hierarchies, Hierarchy{
			Name: list, Controllers: strings.Split(list, ","), Mount: "/sys/fs/cgroup/" + list, Own: "/",
		})
	}
	return h
}

func hybridHost() Host {
	h := legacyHost()
	h.Mode = Hybrid
	h.Hierarchies = append(h.Hierarchies,
		Hierarchy{Name: "systemd", Named: "systemd", Mount: "/sys/fs/cgroup/systemd", Own: "/"},
		Hierarchy{Name: "unified", V2: true, Controllers: []string{"hugetlb"}, Mount: "/sys/fs/cgroup/unified", Own: "/"})
	h.Enabled = map[string][]string{}
	return h
}

func unifiedHost() Host {
	all := []string{"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"}
	return Host{
		Mode: Unified,
		Hierarchies: []Hierarchy{{
			Name: "unified", V2: true, Controllers: all, Mount: "/sys/fs/cgroup", Own: "/user.slice",
		}},
		Enabled: map[string][]string{"/": {"cpu", "memory", "pids"}, "/berth": {"memory"}},
	}
}

func to[T any](v T) *T { return &v }

func manyLimits() *specs.LinuxResources {
	return &specs.LinuxResources{
		Devices: DefaultDevices(),
		Memory:  &specs.LinuxMemory{Limit: to(int64(64 << 20)), Swap: to(int64(96 << 20)), Reservation: to(int64(32 << 20))},
		CPU:     &specs.LinuxCPU{Shares: to(uint64(512)), Quota: to(int64(150000)), Period: to(uint64(100000)), Cpus: "0-1"},
		Pids:    &specs.LinuxPids{Limit: to(int64(100))},
		BlockIO: &specs.LinuxBlockIO{
			Weight: to(uint16(300)),
			ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{{
				LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 8, Minor: 0}, Rate: 1 << 20,
			}},
		},
	}
}

// listing prints a plan's steps, then the placement.
func listing(p *nsenter.Plan, out Placement) string {
	var b strings.Builder
	print := func(steps []nsenter.Step) {
		for i := range steps {
			s := &steps[i]
			fmt.Fprintf(&b, "%-5s %s", s.Who, s.Title())
			if s.Text != "" {
				fmt.Fprintf(&b, " on %s", s.Target)
			}
			if len(s.Args) > 1 && s.Args[1].Data() != nil && strings.HasPrefix(s.Title(), "write ") {
				fmt.Fprintf(&b, " %q", s.Args[1].Data().Bytes)
			}
			if s.Out != nsenter.NoSlot {
				fmt.Fprintf(&b, " -> %s", p.SlotName(s.Out))
			}
			if len(s.OK) > 0 {
				fmt.Fprintf(&b, " (fine: %v)", s.OK)
			}
			fmt.Fprintf(&b, " [%s]\n", s.From)
		}
	}
	print(p.Steps)
	fmt.Fprintf(&b, "born in: %s\njoin:\n", p.SlotName(out.Born))
	print(out.Join)
	fmt.Fprintf(&b, "dirs: %s\n", strings.Join(out.Dirs, " "))
	return b.String()
}

func TestPlans(t *testing.T) {
	devices := &specs.LinuxResources{Devices: DefaultDevices()}
	for _, x := range []struct {
		name string
		host Host
		g    Group
		res  *specs.LinuxResources
	}{
		{"v1-devices", legacyHost(), Group{Path: "/berth/c1"}, devices},
		{"v1-all", legacyHost(), Group{Path: "/berth/c1", Account: true}, manyLimits()},
		{"hybrid-none", hybridHost(), Group{Path: "/berth/c1", Share: true}, nil},
		{"hybrid-devices", hybridHost(), Group{Path: "/berth/c1", Share: true}, devices},
		{"hybrid-oci", hybridHost(), Group{Path: "/a/b/c", Reuse: true}, devices},
		{"hybrid-scope", hybridHost(), Group{Path: "/system.slice/berth-x.scope", Placed: true, Reuse: true, Defaults: true}, manyLimits()},
		{"v2-scope", unifiedHost(), Group{Path: "/system.slice/berth-x.scope", Placed: true, Defaults: true, Account: true}, manyLimits()},
		{"v2-account", unifiedHost(), Group{Path: "/a/c1", Account: true, Reuse: true}, &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0"}}},
		{"hybrid-all", hybridHost(), Group{Path: "/berth/c1", Share: true, From: map[string]string{"memory.limit": "--memory"}}, manyLimits()},
		{"hybrid-account", hybridHost(), Group{Path: "/berth/c1", Account: true}, nil},
		{"v2-devices", unifiedHost(), Group{Path: "/berth/c1", Share: true}, devices},
		{"v2-all", unifiedHost(), Group{Path: "/berth/c1", Share: true, From: map[string]string{"memory.limit": "--memory"}}, manyLimits()},
		{"v2-unified", unifiedHost(), Group{Path: "/berth/c1"}, &specs.LinuxResources{Unified: map[string]string{
			"memory.high": "1000000", "io.max": "8:0 rbps=1\n8:16 rbps=2\n", "cgroup.max.depth": "3",
		}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := &nsenter.Plan{}
			out, err := Compile(p, x.host, x.g, x.res)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range append(slices.Clone(p.Steps), out.Join...) {
				if s.From == "" || s.Why == "" || s.Target == "" {
					t.Errorf("step %q does not say who asked, why, or for what", s.Title())
				}
			}
			golden(t, "plan-"+x.name, listing(p, out))
		})
	}
}

func TestRefusals(t *testing.T) {
	memory := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: to(int64(1 << 20))}}
	for _, x := range []struct {
		name string
		host Host
		path string
		res  *specs.LinuxResources
		want error
		text string
	}{
		{"dots", unifiedHost(), "/berth/../../x", nil, ErrPath, ".."},
		{"no memory on v1", Host{Mode: Legacy, Hierarchies: legacyHost().Hierarchies[:2]}, "/b", memory, ErrController, "memory"},
		{"no hugetlb", legacyHost(), "/b", &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB"}}}, ErrController, "hugetlb"},
		{"unified on v1", legacyHost(), "/b", &specs.LinuxResources{Unified: map[string]string{"memory.high": "1"}}, ErrController, "cgroup v2"},
		{"unified on a v1 controller", hybridHost(), "/b", &specs.LinuxResources{Unified: map[string]string{"memory.high": "1"}}, ErrController, "memory"},
		{"unified moves", unifiedHost(), "/b", &specs.LinuxResources{Unified: map[string]string{"cgroup.procs": "1"}}, ErrLimit, "cgroup.procs"},
		{"unified path", unifiedHost(), "/b", &specs.LinuxResources{Unified: map[string]string{"../memory.max": "1"}}, ErrLimit, ".."},
		{"swappiness on v2", unifiedHost(), "/b", &specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: to(uint64(3))}}, ErrLimit, "swappiness"},
		{"swap below memory", unifiedHost(), "/b", &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: to(int64(9)), Swap: to(int64(8))}}, ErrLimit, "swap"},
		{"swap alone", legacyHost(), "/b", &specs.LinuxResources{Memory: &specs.LinuxMemory{Swap: to(int64(8))}}, ErrLimit, "swap"},
		{"realtime on v2", unifiedHost(), "/b", &specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimeRuntime: to(int64(8))}}, ErrLimit, "realtime"},
		{"net_cls", unifiedHost(), "/b", &specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: to(uint32(8))}}, ErrController, "net_cls"},
		{"cpus", unifiedHost(), "/b", &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0\n1"}}, ErrLimit, "cpus"},
		{"weight", unifiedHost(), "/b", &specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{Weight: to(uint16(5))}}, ErrLimit, "weight"},
		{"rules beyond v1", legacyHost(), "/b", &specs.LinuxResources{Devices: parseRules("allow c *:* rwm; deny c 1:3 w")}, ErrDevices, "1:3"},
		{"no devices controller", Host{Mode: Legacy, Hierarchies: legacyHost().Hierarchies[:2]}, "/b", &specs.LinuxResources{Devices: DefaultDevices()}, ErrController, "devices"},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := &nsenter.Plan{}
			_, err := Compile(p, x.host, Group{Path: x.path}, x.res)
			wantError(t, err, x.want, x.text)
			if len(p.Steps) > 0 {
				t.Errorf("%d steps were added all the same", len(p.Steps))
			}
		})
	}
}

func TestSharesToWeight(t *testing.T) {
	for shares, want := range map[uint64]uint64{1: 1, 2: 1, 1024: 100, 262144: 10000, 999999: 10000, 512: 59, 2000: 170} {
		if got := sharesToWeight(shares); got != want {
			t.Errorf("shares %d: weight %d, want %d", shares, got, want)
		}
	}
	last := uint64(0)
	for s := uint64(2); s < 262144; s += 7 {
		w := sharesToWeight(s)
		if w < last || w > 10000 {
			t.Fatalf("shares %d: weight %d after %d", s, w, last)
		}
		last = w
	}
}

func TestPrivilegedHasNoFilter(t *testing.T) {
	p := &nsenter.Plan{}
	out, err := Compile(p, hybridHost(), Group{Path: "/berth/x", Share: true}, &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}},
	})
	if err != nil || len(out.Dirs) != 1 || strings.Contains(listing(p, out), "BPF") {
		t.Fatalf("%v\n%s", err, listing(p, out))
	}
}
