package cgroup

import (
	"errors"
	"slices"
	"testing"
)

// TestLiveNest: a nested group's processes end without the container's, and
// with them.
func TestLiveNest(t *testing.T) {
	l := newLab(t)
	c := l.start(t, Group{}, nil, "sleep 60 & sleep 60 & sleep 60 & wait")
	ctx := deadline(t)
	waitFor(t, "four processes", func() bool { pids, _ := c.Procs(ctx); return len(pids) >= 4 })
	for _, name := range []string{"", "../x", "a/b/../c"} {
		if _, _, err := c.Nest(ctx, name); !errors.Is(err, ErrPath) {
			t.Errorf("nest %q: %v, want ErrPath", name, err)
		}
	}
	for range 2 { // the second time it is there already, with a process in it
		place, nest, err := c.Nest(ctx, "probe")
		if err != nil {
			t.Fatal(err)
		}
		if empty, err := nest.Empty(ctx); err != nil || !empty {
			t.Fatalf("empty %v, %v", empty, err)
		}
		if dirs := place.Dirs(); len(dirs) != len(c.Dirs()) || !slices.Contains(dirs, nest.main()) {
			t.Errorf("place is %v, nest %s", dirs, nest.main())
		}
		pids, _ := c.Procs(ctx)
		if err := writeFile(nest.main()+"/cgroup.procs", itoa(slices.Max(pids))); err != nil {
			t.Fatal(err)
		}
	}
	_, nest, err := c.Nest(ctx, "probe")
	if err := errors.Join(err, nest.Remove(ctx)); err != nil {
		t.Fatal(err)
	}
	if pids, err := c.Procs(ctx); err != nil || len(pids) == 0 || exists(nest.main()) {
		t.Errorf("the container has %v, %v", pids, err)
	}
}
