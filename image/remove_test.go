package image

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

const someContainer = "0123456789abcdef"

func using(running bool) func(Digest) []User {
	return func(Digest) []User { return []User{{Container: someContainer, Running: running}} }
}

func TestRemove(t *testing.T) {
	needRoot(t)
	tests := []struct {
		name     string
		tags     []string
		query    string // "" is the id
		force    bool
		users    func(Digest) []User
		untagged []string
		deleted  bool
		err      string // ID stands for the short id
		left     int    // index rows
	}{
		{name: "only name", tags: []string{"a"}, query: "a", untagged: []string{"a:latest"}, deleted: true},
		{name: "one of two names", tags: []string{"a", "b:2"}, query: "b:2", untagged: []string{"b:2"}, left: 1},
		{name: "one of two names in use", tags: []string{"a", "b:2"}, query: "b:2", users: using(true), untagged: []string{"b:2"}, left: 1},
		{name: "id with one name", tags: []string{"a"}, untagged: []string{"a:latest"}, deleted: true},
		{name: "id with two tags", tags: []string{"a:1", "a:2"}, err: "conflict: unable to delete ID (must be forced) - image is referenced in multiple repositories", left: 2},
		{name: "id with two tags forced", tags: []string{"a:1", "a:2"}, force: true, untagged: []string{"a:1", "a:2"}, deleted: true},
		{name: "id with two repositories", tags: []string{"a", "b"}, err: "conflict: unable to delete ID (must be forced) - image is referenced in multiple repositories", left: 2},
		{name: "id forced", tags: []string{"a", "b"}, force: true, untagged: []string{"a:latest", "b:latest"}, deleted: true},
		{name: "name used by a stopped container", tags: []string{"a"}, query: "a", users: using(false), left: 1,
			err: `conflict: unable to remove repository reference "a" (must force) - container 0123456789ab is using its referenced image ID`},
		{name: "id used by a stopped container", tags: []string{"a"}, users: using(false), left: 1,
			err: "conflict: unable to delete ID (must be forced) - image is being used by stopped container 0123456789ab"},
		{name: "id used by a running container", tags: []string{"a"}, users: using(true), force: true, left: 1,
			err: "conflict: unable to delete ID (cannot be forced) - image is being used by running container 0123456789ab"},
		{name: "name used by a running container", tags: []string{"a"}, query: "a", users: using(true), force: true, left: 1, untagged: []string{"a:latest"},
			err: "conflict: unable to delete ID (cannot be forced) - image is being used by running container 0123456789ab"},
		{name: "unknown", tags: []string{"a"}, query: "zz", err: "No such image: zz:latest", left: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := testStore(t)
			img := mustImport(t, s, tt.tags[0], file("x", tt.name))
			for _, tag := range tt.tags[1:] {
				if err := s.Tag(t.Context(), tt.tags[0], tag); err != nil {
					t.Fatal(err)
				}
			}
			query, users := tt.query, tt.users
			if query == "" {
				query = img.ID.Hex()
			}
			if users == nil {
				users = nobody
			}
			untagged, deleted, err := s.Remove(t.Context(), query, RemoveOptions{Force: tt.force}, users)
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), img.ID.Short(), "ID")
			}
			if got != tt.err || !slices.Equal(untagged, tt.untagged) {
				t.Errorf("untagged %v, error %q; want %v, %q", untagged, got, tt.untagged, tt.err)
			}
			if strings.HasPrefix(tt.err, "conflict") != errors.Is(err, ErrConflict) {
				t.Errorf("%v: ErrConflict does not match", err)
			}
			_, statErr := os.Stat(img.Layers[0])
			if tt.deleted != os.IsNotExist(statErr) || tt.deleted && !slices.Equal(deleted, []string{string(img.ID), "sha256:" + img.Layers[0][len(img.Layers[0])-64:]}) {
				t.Errorf("deleted %v, layer %v", deleted, statErr)
			}
			blobs, _ := os.ReadDir(s.dirs.Image() + "/blobs/sha256")
			if (len(blobs) == 0) != tt.deleted {
				t.Errorf("%d blobs are left", len(blobs))
			}
			index, err := s.readIndex()
			if err != nil || len(index.Manifests) != tt.left {
				t.Errorf("%d rows are left, %v", len(index.Manifests), err)
			}
		})
	}
}

func TestRemoveKeepsWhatOthersNeed(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	b := makeTar(t, file("x", "shared"))
	first, err := s.Import(t.Context(), strings.NewReader(string(b)), ImportOptions{Ref: "a", Changes: []string{"USER 1"}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Import(t.Context(), strings.NewReader(string(b)), ImportOptions{Ref: "b", Changes: []string{"USER 2"}})
	if err != nil || first.Layers[0] != second.Layers[0] || first.ID == second.ID {
		t.Fatalf("%+v, %v", second, err)
	}
	if _, deleted, err := s.Remove(t.Context(), "a", RemoveOptions{}, nobody); err != nil || !slices.Equal(deleted, []string{string(first.ID)}) {
		t.Errorf("deleted %v, %v", deleted, err)
	}
	if _, err := os.Stat(second.Layers[0] + "/x"); err != nil {
		t.Error(err)
	}
	// Forced away under a stopped container: its tree stays until Collect may.
	if _, deleted, err := s.Remove(t.Context(), "b", RemoveOptions{Force: true}, using(false)); err != nil || len(deleted) != 1 {
		t.Errorf("deleted %v, %v", deleted, err)
	}
	if _, err := os.Stat(second.Layers[0] + "/x"); err != nil {
		t.Error(err)
	}
	keep := true
	collect := func() []string {
		gone, err := s.Collect(t.Context(), func(l string) bool { return keep && l == second.Layers[0] })
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	if gone := collect(); len(gone) != 0 {
		t.Errorf("collected %v", gone)
	}
	keep = false
	if gone := collect(); len(gone) != 1 {
		t.Errorf("collected %v", gone)
	}
	if left, _ := os.ReadDir(s.dirs.Layer()); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// TestRemoveSharedLayer: a layer stays as long as a container stands on it,
// whichever of the images that had it goes.
func TestRemoveSharedLayer(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	base := mustImport(t, s, "base", file("base", "1"))
	child, err := s.Commit(t.Context(), bytes.NewReader(makeTar(t, file("up", "1"))), CommitOptions{Ref: "child", Parent: base.ID})
	must(t, err)
	// A container of base, and none of child.
	users := func(id Digest) []User {
		if id == base.ID {
			return []User{{Container: someContainer}}
		}
		return nil
	}
	o := RemoveOptions{Force: true, Keep: func(layer string) bool { return layer == base.Layers[0] }}
	for _, ref := range []string{"base", "child"} {
		if _, _, err := s.Remove(t.Context(), ref, o, users); err != nil {
			t.Fatal(err)
		}
	}
	for layer, stays := range map[string]bool{base.Layers[0]: true, child.Layers[0]: false} {
		if _, err := os.Lstat(layer); (err == nil) != stays {
			t.Errorf("%s: %v", layer, err)
		}
	}
}
