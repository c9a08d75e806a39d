package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/archive"
	"berth/container"
)

func (w *world) Diff(_ context.Context, ref string) ([]archive.Change, error) {
	w.note("diff " + ref)
	return w.changes, w.known(ref)
}

func (w *world) Export(_ context.Context, ref string, out io.Writer, notice func(string)) error {
	if err := w.known(ref); err != nil {
		return err
	}
	w.note("export " + ref)
	notice("run/x: socket ignored")
	_, err := io.WriteString(out, "tar")
	return errors.Join(err, w.err)
}

// OpenFiles answers with a folder that the test has made.
func (w *world) OpenFiles(_ context.Context, ref string) (*container.Files, error) {
	if err := w.known(ref); err != nil {
		return nil, err
	}
	root, err := os.Open(w.root)
	return container.NewFiles(archive.Tree{Root: root, Confined: true}), err
}

func (w *world) WriteLayer(_ context.Context, ref string, pause bool, out io.Writer, _ func(string)) error {
	w.note(fmt.Sprintf("layer %s pause=%v", ref, pause))
	_, err := io.WriteString(out, "layer")
	return errors.Join(err, w.err)
}

func TestExport(t *testing.T) {
	w := newWorld()
	w.views = []*container.View{{Config: &container.Config{ID: "0123", Name: "x"}}}
	if r := w.berth(t, "export", "x"); r.code != 0 || r.out != "tar" || r.err != "WARNING: run/x: socket ignored\n" {
		t.Errorf("export: %+v", r)
	}
	dir := t.TempDir()
	list := func() string {
		var names []string
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, " ") + fmt.Sprint(errors.Unwrap(err))
	}
	for range 2 { // the second replaces the first
		if r := w.berth(t, "export", "-o", dir+"/f", "x"); r.code != 0 || r.out != "" {
			t.Errorf("export -o: %+v", r)
		}
		if b, err := os.ReadFile(dir + "/f"); string(b) != "tar" || list() != "f<nil>" {
			t.Errorf("file %q, %v, list %s", b, err, list())
		}
	}
	tests := []struct{ args, want string }{
		{"export -o " + dir + "/g nope", "No such container: nope"},
		{"export -o " + dir + "/no/g x", "invalid output path: directory \"" + dir + "/no\" does not exist"},
		{"export -o /dev/null x", "got a device"},
		{"export -o " + dir + " x", "is a directory"},
		{"export", "requires 1 argument"},
	}
	for _, tt := range tests {
		if r := w.berth(t, strings.Fields(tt.args)...); r.code != 1 || !strings.Contains(r.err, tt.want) || list() != "f<nil>" {
			t.Errorf("%s: %+v, files %s", tt.args, r, list())
		}
	}
	w.err = unix.ENOSPC
	if r := w.berth(t, "export", "-o", dir+"/f", "x"); r.code != 1 || list() != "f<nil>" {
		t.Errorf("full disk: %+v, files %s", r, list())
	}
	if b, _ := os.ReadFile(dir + "/f"); string(b) != "tar" {
		t.Errorf("a failed export changed the file: %q", b)
	}
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
