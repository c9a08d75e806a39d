package cgroup

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
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
	for _, x := range h.Hierarchies {
		if !slices.ContainsFunc(mounts, func(m *mountinfo.Info) bool { return m.Mountpoint == x.Mount && x.sameAs(m) }) {
			t.Errorf("%+v is not mounted there", x)
		}
	}
	if h.Mode == Unified && len(h.V2().Controllers) == 0 {
		t.Error("no controllers on v2")
	}
	t.Logf("%s: %+v", h.Mode, h)
}

func BenchmarkDetect(b *testing.B) {
	for b.Loop() {
		if _, err := Detect("/berth"); err != nil {
			b.Fatal(err)
		}
	}
}
