package container

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestIDMapCompare: two maps are the same when they map the same, however they
// are cut.
func TestIDMapCompare(t *testing.T) {
	m := idMap{field: "linux.uidMappings", file: "uid_map", list: []specs.LinuxIDMapping{
		{ContainerID: 0, HostID: 1000, Size: 10}, {ContainerID: 10, HostID: 1010, Size: 10}, {ContainerID: 100, HostID: 5, Size: 1},
	}}
	for text, want := range map[string]bool{
		"         0       1000         20\n       100          5          1\n": true,
		"100 5 1\n0 1000 20\n":             true,
		"100 5 1\n10 1010 10\n0 1000 10\n": true,
		"0 1000 20\n":                      false,
		"0 1000 21\n100 5 1\n":             false,
		"0 1001 20\n100 5 1\n":             false,
		"":                                 false,
	} {
		err := m.compare(text)
		if (err == nil) != want || err != nil && (!errors.Is(err, errMapped) || !strings.Contains(err.Error(), "linux.uidMappings")) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"x", "0 1\n", "0 1000 -5\n", "0 1000 99999999999\n"} {
		if err := m.compare(text); err == nil || errors.Is(err, errMapped) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestIDMapRoot(t *testing.T) {
	for _, x := range []struct {
		list []specs.LinuxIDMapping
		want uint32
	}{
		{nil, 0},
		{[]specs.LinuxIDMapping{{ContainerID: 7, Size: 2}}, 7},
		{[]specs.LinuxIDMapping{{ContainerID: 7, Size: 2}, {ContainerID: 0, HostID: 50, Size: 1}}, 0},
	} {
		if got := (idMap{list: x.list}).root(); got != x.want {
			t.Errorf("%v: %d, want %d", x.list, got, x.want)
		}
	}
}

// FuzzIDMapCheck: whatever passes the check has no id twice, and an id's host
// id can be counted out.
func FuzzIDMapCheck(f *testing.F) {
	f.Add(uint32(0), uint32(100000), uint32(65536), uint32(65536), uint32(1), uint32(1))
	f.Add(uint32(1<<31), uint32(1<<31), uint32(1<<31), uint32(0), uint32(0), uint32(1<<31))
	f.Fuzz(func(t *testing.T, c1, h1, s1, c2, h2, s2 uint32) {
		m := idMap{field: "f", file: "uid_map", list: []specs.LinuxIDMapping{{ContainerID: c1, HostID: h1, Size: s1}, {ContainerID: c2, HostID: h2, Size: s2}}}
		if m.check() != nil {
			return
		}
		for _, l := range m.list {
			if l.Size == 0 || l.ContainerID+l.Size < l.ContainerID || l.HostID+l.Size < l.HostID || !m.maps(l.ContainerID) || !m.maps(l.ContainerID+l.Size-1) {
				t.Errorf("%+v", m.list)
			}
		}
		if m.list[0].ContainerID == m.list[1].ContainerID || m.list[0].HostID == m.list[1].HostID {
			t.Errorf("%+v", m.list)
		}
		if err := m.compare(m.text()); err != nil {
			t.Error(err)
		}
	})
}
