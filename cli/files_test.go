package cli

import (
	"context"
	"testing"

	"berth/archive"
	"berth/container"
)

func (w *world) Diff(_ context.Context, ref string) ([]archive.Change, error) {
	w.note("diff " + ref)
	return w.changes, w.known(ref)
}

func TestDiff(t *testing.T) {
	w := newWorld()
	w.views = []*container.View{{Config: &container.Config{ID: "0123", Name: "x"}}}
	w.changes = []archive.Change{{Kind: archive.Modified, Path: "/etc"}, {Kind: archive.Added, Path: "/etc/new"}, {Kind: archive.Deleted, Path: "/gone"}}
	if r := w.berth(t, "diff", "x"); r.code != 0 || r.out != "C /etc\nA /etc/new\nD /gone\n" {
		t.Errorf("diff: %+v", r)
	}
	if r := w.berth(t, "container", "diff", "y"); r.code != 1 || r.err != "Error: No such container: y\n" {
		t.Errorf("diff of nothing: %+v", r)
	}
	if r := w.berth(t, "diff"); r.code != 1 {
		t.Errorf("diff without a container: %+v", r)
	}
}
