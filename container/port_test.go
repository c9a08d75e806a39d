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
