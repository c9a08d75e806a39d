package container

import (
	"errors"
	"testing"

	"berth/state"
	"berth/tests/fixture"
)

// renamed is an engine with containers of these names that never ran.
func renamed(t *testing.T, names ...string) (*Engine, []*Config) {
	t.Helper()
	fixture.NeedRoot(t)
	e := New(state.Dirs{Root: t.TempDir(), Run: t.TempDir()})
	t.Cleanup(e.events.Close)
	list := make([]*Config, len(names))
	for i, name := range names {
		list[i] = &Config{Name: name, Spec: DefaultSpec(), Network: "none"}
		list[i].Spec.Process.Args = []string{"true"}
		if err := e.Create(t.Context(), list[i]); err != nil {
			t.Fatal(err)
		}
	}
	return e, list
}

// nameOf reads a container's name from its record, found by its ID.
func nameOf(t *testing.T, e *Engine, id string) string {
	t.Helper()
	v, err := e.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return v.Name
}

// TestRenameKilled: a rename that was killed before it wrote the record, or
// before it let go of the old name, blocks no name for anybody.
func TestRenameKilled(t *testing.T) {
	for _, recorded := range []bool{false, true} {
		e, list := renamed(t, "first", "other")
		first, other := list[0], list[1]
		killed := errors.New("killed")
		func() {
			defer func() {
				if r := recover(); r != killed {
					t.Fatal(r)
				}
			}()
			_ = state.RenameClaim(e.Dirs, "first", "second", first.ID, func() error {
				if recorded {
					c := *first
					c.Name = "second"
					if err := e.recordConfig(&c); err != nil {
						t.Fatal(err)
					}
				}
				panic(killed)
			})
		}()
		want, free := "first", "second"
		if recorded {
			want, free = "second", "first"
		}
		if got := nameOf(t, e, first.ID); got != want {
			t.Errorf("recorded %v: the name is %s, want %s", recorded, got, want)
		}
		if err := e.Rename(t.Context(), other.ID, free); err != nil {
			t.Errorf("recorded %v: the name %s is not free: %v", recorded, free, err)
		}
		var taken *state.NameInUseError
		if err := e.Rename(t.Context(), other.ID, want); !errors.As(err, &taken) {
			t.Errorf("recorded %v: the name %s is free: %v", recorded, want, err)
		}
		// The rename that was killed can be made again.
		if err := e.Rename(t.Context(), first.ID, "third"); err != nil || nameOf(t, e, first.ID) != "third" {
			t.Errorf("recorded %v: %v", recorded, err)
		}
	}
}

// TestRenameRefused: what docker refuses, in its words, and nothing changes.
func TestRenameRefused(t *testing.T) {
	e, list := renamed(t, "first", "other")
	for to, want := range map[string]string{
		"":      "Neither old nor new names may be empty",
		"first": "Renaming a container with the same name as its current name",
		"other": `Error when allocating new name: Conflict. The container name "/other" is already in use by container "` + list[1].ID + `". You have to remove (or rename) that container to be able to reuse that name.`,
		"a/b":   "Error when allocating new name: Invalid container name (/a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
	} {
		if err := e.Rename(t.Context(), "first", to); err == nil || err.Error() != want {
			t.Errorf("to %q: %v, want %s", to, err, want)
		}
	}
	if got := nameOf(t, e, list[0].ID); got != "first" {
		t.Errorf("the name is %s", got)
	}
}
