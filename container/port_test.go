package container

import (
	"slices"
	"testing"
)

func TestSortPorts(t *testing.T) {
	ports := []Port{
		{"", 2, 80, "udp"}, {"", 1, 443, "tcp"}, {"::", 1, 80, "tcp"}, {"0.0.0.0", 9, 80, "tcp"}, {"0.0.0.0", 8, 80, "tcp"},
	}
	SortPorts(ports)
	want := []Port{{"0.0.0.0", 8, 80, "tcp"}, {"0.0.0.0", 9, 80, "tcp"}, {"::", 1, 80, "tcp"}, {"", 2, 80, "udp"}, {"", 1, 443, "tcp"}}
	if !slices.Equal(ports, want) {
		t.Errorf("got %v, want %v", ports, want)
	}
	if got := ports[3].Private(); got != "80/udp" {
		t.Errorf("Private is %q", got)
	}
}

func TestReachable(t *testing.T) {
	for network, want := range map[string]int{"bridge": 1, "none": 0, "host": 0, "container:a": 0} {
		c := &Config{Network: network, Ports: []Port{{"", 1, 80, "tcp"}}, Exposed: []Port{{"", 0, 80, "tcp"}}}
		if published, exposed := c.Reachable(); len(published) != want || len(exposed) != want {
			t.Errorf("%s: %v, %v", network, published, exposed)
		}
	}
}
