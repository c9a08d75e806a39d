package cgroup

import (
	"os"
	"slices"
	"testing"
)

// TestChildren lists groups of two hierarchies, one of which has a level of
// device filters in between.
func TestChildren(t *testing.T) {
	v1, v2 := t.TempDir(), t.TempDir()
	for _, dir := range []string{
		v1 + "/berth/aa", v1 + "/berth/bb/inner", v2 + "/berth/" + filterPrefix + "1/aa", v2 + "/berth/" + filterPrefix + "2/cc", v2 + "/berth/dd",
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	host := Host{Mode: Hybrid, Hierarchies: []Hierarchy{{Name: "memory", Mount: v1}, {Name: "unified", Mount: v2, V2: true}}}
	got, err := Children(host, "/berth")
	if want := []string{"aa", "bb", "cc", "dd"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("children %q, %v, want %q", got, err, want)
	}
	if got, err := Children(host, "/nothing"); err != nil || len(got) > 0 {
		t.Errorf("of a group that is not there: %q, %v", got, err)
	}
	if _, err := Children(host, "relative"); err == nil {
		t.Error("a relative path is taken")
	}
	m := &Manager{groups: []group{{dir: v1 + "/berth/aa"}}}
	if age, err := m.Age(); err != nil || age < 0 || age > groupTestAge {
		t.Errorf("age %v, %v", age, err)
	}
}

// groupTestAge is more than a group made by this test can be old.
const groupTestAge = 3600e9
