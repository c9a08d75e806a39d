package cgroup

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRemoveParents: marked parents go up to the first that is in use, is not
// marked, or is the hierarchy itself. Plain folders stand for groups.
func TestRemoveParents(t *testing.T) {
	for _, tt := range []struct {
		name string
		// made are folders; those that end with "+" are marked.
		made []string
		stay []string
	}{
		{"all marked", []string{"a+", "a/b+"}, nil},
		{"the upper one was there", []string{"a", "a/b+"}, []string{"a"}},
		{"not ours", []string{"a+", "a/b"}, []string{"a", "a/b"}},
		{"another container below", []string{"a+", "a/b+", "a/b/other"}, []string{"a", "a/b", "a/b/other"}},
		{"another one beside", []string{"a+", "a/b+", "a/other"}, []string{"a", "a/other"}},
		{"gone already", []string{"a+"}, []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mount := t.TempDir()
			for _, name := range tt.made {
				mode := os.FileMode(0o755)
				if name[len(name)-1] == '+' {
					name, mode = name[:len(name)-1], mode|os.ModeSticky
				}
				dir := filepath.Join(mount, name)
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(dir, mode); err != nil {
					t.Fatal(err)
				}
			}
			m := &Manager{groups: []group{{on: &Hierarchy{Mount: mount}, dir: mount + "/a/b/id"}}}
			if err := m.RemoveParents(); err != nil {
				t.Fatal(err)
			}
			var left []string
			err := filepath.WalkDir(mount, func(path string, _ os.DirEntry, err error) error {
				if path != mount {
					rel, _ := filepath.Rel(mount, path)
					left = append(left, rel)
				}
				return err
			})
			if err != nil || len(left) != len(tt.stay) {
				t.Errorf("left %v, want %v (%v)", left, tt.stay, err)
			}
		})
	}
}

func TestMkdirLike(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain", "mark"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "mark"), 0o755|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	for like, want := range map[string]bool{"plain": false, "mark": true, "missing": false} {
		made := filepath.Join(dir, "like-"+like)
		for range 2 { // one that is there is fine
			if err := mkdirLike(made, filepath.Join(dir, like)); err != nil {
				t.Fatal(err)
			}
		}
		if marked(made) != want {
			t.Errorf("like %s: marked is %v", like, !want)
		}
	}
}
