package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCommit(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	base, err := s.Import(t.Context(), bytes.NewReader(makeTar(t, dir("d"), file("d/a", "1"), file("d/b", "1"))), ImportOptions{Ref: "base", Message: "first"})
	if err != nil {
		t.Fatal(err)
	}
	layer := makeTar(t, dir("d"), file("d/a", "2"), file("d/.wh.b", ""))
	o := CommitOptions{
		Ref: "child", Parent: base.ID, Config: Config{Env: []string{"A=1"}, Labels: map[string]string{"l": "1"}},
		Changes: []string{"ENV B=2", `CMD ["x"]`, "LABEL l=2", "USER u", "WORKDIR /w", "EXPOSE 80", "VOLUME /v"}, Author: "me", Message: "why", CreatedBy: "sh",
	}
	child, err := s.Commit(t.Context(), bytes.NewReader(layer), o)
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Inspect("child")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		User: "u", Env: []string{"A=1", "B=2"}, Cmd: []string{"x"}, Labels: map[string]string{"l": "2"}, WorkingDir: "/w",
		ExposedPorts: map[string]struct{}{"80/tcp": {}}, Volumes: map[string]struct{}{"/v": {}},
	}
	if d.ID != child.ID || !reflect.DeepEqual(d.Config.Config, want) {
		t.Errorf("%s: %+v", d.ID, d.Config.Config)
	}
	if len(d.Layers) != 2 || d.Layers[1] != base.Layers[0] || d.Config.RootFS.DiffIDs[1] != digestBytes(layer) {
		t.Errorf("layers %q of %v", d.Layers, d.Config.RootFS.DiffIDs)
	}
	if h := d.Config.History; len(h) != 2 || h[0].Comment != "first" || h[1].Comment != "why" || h[1].Author != "me" || h[1].CreatedBy != "sh" || h[1].EmptyLayer {
		t.Errorf("history %+v", h)
	}
	if b, err := os.ReadFile(d.Layers[0] + "/d/a"); string(b) != "2" {
		t.Errorf("content %q, %v", b, err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(d.Layers[0]+"/d/b", &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		t.Errorf("whiteout: mode %o, %v", st.Mode, err)
	}
	for _, desc := range d.Manifest.Layers { // what is stored is what the digest says
		if b, err := os.ReadFile(s.blobPath(desc.Digest)); err != nil || digestBytes(b) != desc.Digest || int64(len(b)) != desc.Size {
			t.Errorf("blob %s: %d bytes, %v", desc.Digest, len(b), err)
		}
	}
}

// TestCommitNothing: no changes are no layer.
func TestCommitNothing(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	base, err := s.Import(t.Context(), bytes.NewReader(makeTar(t, file("a", "1"))), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	img, err := s.Commit(t.Context(), bytes.NewReader(makeTar(t)), CommitOptions{Parent: base.ID, Message: "nothing"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Inspect(string(img.ID))
	if err != nil || len(d.Layers) != 1 || !d.Config.History[1].EmptyLayer {
		t.Errorf("layers %q, history %+v, %v", d.Layers, d.Config.History, err)
	}
}

func TestCommitRefused(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	base, err := s.Import(t.Context(), bytes.NewReader(makeTar(t, file("a", "1"))), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	good := makeTar(t, file("b", "1"))
	full := fmt.Errorf("write: %w", unix.ENOSPC)
	tests := map[string]struct {
		layer io.Reader
		o     CommitOptions
		want  string
	}{
		"no parent":           {bytes.NewReader(good), CommitOptions{Parent: digestBytes(nil)}, "No such image"},
		"name":                {bytes.NewReader(good), CommitOptions{Parent: base.ID, Ref: "UPPER"}, "invalid reference format"},
		"name by digest":      {bytes.NewReader(good), CommitOptions{Parent: base.ID, Ref: "x@" + string(base.ID)}, "digest reference"},
		"change":              {bytes.NewReader(good), CommitOptions{Parent: base.ID, Changes: []string{"FROM x"}}, "FROM is not a valid change command"},
		"a layer that is cut": {bytes.NewReader(good[:300]), CommitOptions{Parent: base.ID}, "unexpected EOF"},
		"a layer that fails":  {io.MultiReader(bytes.NewReader(good[:600]), failing{full}), CommitOptions{Parent: base.ID}, "no space left"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Commit(t.Context(), tt.layer, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q: %v", tt.want, err)
			}
			if list, err := s.List(); err != nil || len(list) != 1 {
				t.Errorf("images: %v, %v", list, err)
			}
			layers, err := os.ReadDir(s.dirs.Layer())
			if err != nil || len(layers) != 3 { // the tree, its record, the links
				t.Errorf("layers: %v, %v", layers, err)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestCommitSideBySide(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	base, err := s.Import(t.Context(), bytes.NewReader(makeTar(t, file("a", "1"))), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		layer := makeTar(t, file("b", fmt.Sprint(i/2))) // two of each
		all.Go(func() {
			_, errs[i] = s.Commit(t.Context(), bytes.NewReader(layer), CommitOptions{Ref: fmt.Sprint("c", i), Parent: base.ID})
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := range errs {
		d, err := s.Inspect(fmt.Sprint("c", i))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(d.Layers[0] + "/b"); string(b) != fmt.Sprint(i/2) {
			t.Errorf("c%d: %q, %v", i, b, err)
		}
	}
}
