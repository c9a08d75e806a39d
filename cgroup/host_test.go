package cgroup

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"berth/nsenter"
)

func TestParseOwn(t *testing.T) {
	text := "9:name=systemd:/\n4:memory:/a\n2:cpu,cpuacct:/b:c\n1::/odd\nx\n0::/user.slice\n"
	var names []string
	for _, x := range parseOwn(text, Hybrid) {
		names = append(names, x.Name+"="+x.Mount+"="+x.Own)
	}
	want := []string{
		"systemd=/sys/fs/cgroup/systemd=/", "memory=/sys/fs/cgroup/memory=/a",
		"cpu,cpuacct=/sys/fs/cgroup/cpu,cpuacct=/b:c", "unified=/sys/fs/cgroup/unified=/user.slice",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %q\nwant %q", names, want)
	}
	if got := parseOwn(text, Unified); len(got) != 1 || got[0].Mount != "/sys/fs/cgroup" {
		t.Errorf("v2: %+v", got)
	}
	if got := parseOwn("5:name=../..:/\n", Legacy); len(got) != 0 {
		t.Errorf("a name led out: %+v", got)
	}
}

func TestSearchMounts(t *testing.T) {
	table := `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 /docker/x /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /cg/sd rw - cgroup cgroup rw,name=systemd
41 31 0:38 / /cg/two rw - cgroup2 cgroup2 rw
`
	mounts, err := mountinfo.GetMountsFromReader(strings.NewReader(table), mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		h          Hierarchy
		mount, own string
	}{
		{Hierarchy{Controllers: []string{"cpu", "cpuacct"}, Own: "/docker/x/y"}, "/cg/cpu", "/y"},
		{Hierarchy{Named: "systemd", Own: "/s"}, "/cg/sd", "/s"},
		{Hierarchy{V2: true, Own: "/u"}, "/cg/two", "/u"},
		{Hierarchy{Controllers: []string{"memory"}, Own: "/m"}, "", "/m"},
	} {
		if x.h.search(mounts); x.h.Mount != x.mount || x.h.Own != x.own {
			t.Errorf("%+v, want %s %s", x.h, x.mount, x.own)
		}
	}
}

// TestDetect compares the answer with the mount table of the machine.
func TestDetect(t *testing.T) {
	if _, err := os.Stat("/sys/fs/cgroup"); err != nil {
		t.Skip("no cgroups here")
	}
	h, err := Detect("/berth")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		t.Fatal(err)
	}
	all := h.private()
	if err := all.settle(); err != nil {
		t.Fatal(err)
	}
	for _, x := range all.Hierarchies {
		for _, name := range x.Controllers {
			one := h.private()
			if got, err := one.Find(name); err != nil || got == nil || got.Mount != x.Mount {
				t.Errorf("%s: got %+v, %v, want it at %s", name, got, err, x.Mount)
			}
		}
		if !slices.ContainsFunc(mounts, func(m *mountinfo.Info) bool { return m.Mountpoint == x.Mount && x.sameAs(m) }) {
			t.Errorf("%+v is not mounted there", x)
		}
	}
	if h.Mode == Unified && len(all.V2().Controllers) == 0 {
		t.Error("no controllers on v2")
	}
	t.Logf("%s: %+v", h.Mode, all)
}

// TestFindElsewhere: what is not at its usual place is searched, what is not
// mounted is not found, and the Host that others hold stays as it was.
func TestFindElsewhere(t *testing.T) {
	gone := Hierarchy{Name: "berth-none", Controllers: []string{"berth-none"}, Mount: root + "/berth-none", pending: true}
	detected := Host{Mode: Hybrid, Hierarchies: []Hierarchy{gone}}
	h := detected.private()
	if x, err := h.Find("berth-none"); x != nil || err != nil {
		t.Errorf("got %+v, %v", x, err)
	}
	if x := detected.Hierarchies[0]; !x.pending || x.Mount != gone.Mount {
		t.Errorf("the original was changed: %+v", x)
	}
	if _, err := Open(detected, []string{gone.Mount + "/x"}); err == nil {
		t.Error("a directory in no mounted hierarchy was opened")
	}
	machine, err := Detect("/berth")
	if err != nil {
		t.Skip("no cgroups here")
	}
	if err := machine.settle(); err != nil {
		t.Fatal(err)
	}
	for _, x := range machine.Hierarchies {
		if x.V2 {
			continue
		}
		want := x.Mount
		if len(x.Controllers) > 1 && exists(root+"/"+x.Controllers[0]) {
			want = root + "/" + x.Controllers[0] // systemd's link is tried first
		}
		x.Mount, x.pending = root+"/berth-none", true
		h := Host{Mode: Hybrid, Hierarchies: []Hierarchy{x}}
		if err := h.settle(); err != nil || h.Hierarchies[0].Mount != want {
			t.Errorf("%s: %+v, %v, want it at %s", x.Name, h.Hierarchies, err, want)
		}
		m, err := Open(Host{Mode: Hybrid, Hierarchies: []Hierarchy{x}}, []string{want + "/berth-test"})
		if err != nil || m.groups[0].on.Mount != want {
			t.Errorf("%s: open: %v", x.Name, err)
		}
	}
}

// BenchmarkPlan is the whole cost of cgroups before the first step of a start
// runs, without limits and with one.
func BenchmarkPlan(b *testing.B) {
	for name, res := range map[string]*specs.LinuxResources{
		"devices": {Devices: DefaultDevices()},
		"memory":  {Devices: DefaultDevices(), Memory: &specs.LinuxMemory{Limit: to(int64(1 << 26))}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h, err := Detect("/berth")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := Compile(&nsenter.Plan{}, h, Group{Path: "/berth/x", Share: true}, res); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDetect(b *testing.B) {
	for b.Loop() {
		if _, err := Detect("/berth"); err != nil {
			b.Fatal(err)
		}
	}
}
