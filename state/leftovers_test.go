package state

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLeftovers: what Leftovers names is what Sweep removes.
func TestLeftovers(t *testing.T) {
	d := newDirs(t)
	id := strings.Repeat("ab", 32)
	cut := filepath.Join(d.Containers(), removingPrefix+"1-1")
	if err := os.Mkdir(cut, 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	dead := self
	dead.PID, dead.StartTime = 1<<22-1, 1
	if err := Claim(d, "stale", id, dead); err != nil {
		t.Fatal(err)
	}
	if err := Claim(d, "fresh", id, self); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("no claim", d.Name("damaged")); err != nil {
		t.Fatal(err)
	}
	want := []string{cut, d.Name("damaged"), d.Name("stale")}
	got, err := Leftovers(d)
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("found %q, %v, want %q", got, err, want)
	}
	removed, err := Sweep(d)
	slices.Sort(removed)
	if err != nil || !slices.Equal(removed, want) {
		t.Errorf("removed %q, %v, want %q", removed, err, want)
	}
	if got, err := Leftovers(d); err != nil || len(got) > 0 {
		t.Errorf("left after that: %q, %v", got, err)
	}
}
