package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/image"
)

// Save writes what it was asked for.
func (f fakeImages) Save(_ context.Context, w io.Writer, queries []string, o image.SaveOptions) ([]image.Saved, error) {
	var saved []image.Saved
	for _, q := range queries {
		img, err := f.Resolve(q)
		if err != nil {
			return nil, err
		}
		saved = append(saved, image.Saved{ID: img.ID, Refs: []string{img.Ref}})
	}
	text := "saved " + strings.Join(queries, " ")
	if o.Layout {
		text += " as a layout"
	}
	if o.Platform.OS != "" {
		text += " for " + o.Platform.String()
	}
	_, err := io.WriteString(w, text)
	return saved, err
}

// Load has two images, one of which takes a name from another, when the archive
// is not empty.
func (f fakeImages) Load(_ context.Context, r io.Reader, o image.LoadOptions) ([]image.Loaded, error) {
	if r == nil {
		return []image.Loaded{{Image: f.list["img"]}}, nil
	}
	b, err := io.ReadAll(r)
	if err != nil || len(b) == 0 {
		return nil, image.ErrCorrupt
	}
	return []image.Loaded{
		{Image: f.list["img"], Refs: []string{"docker.io/library/a:1", "x.org/b:2"}, Moved: map[string]image.Digest{"x.org/b:2": "sha256:old"}},
		{Image: f.list["img"]},
	}, nil
}

func TestSave(t *testing.T) {
	w := newWorld()
	dir := t.TempDir()
	file := filepath.Join(dir, "images.tar")
	for _, tt := range []struct{ args, want string }{
		{"save img", "saved img"},
		{"image save --format oci-archive --platform linux/arm/v7 img", "saved img as a layout for linux/arm/v7"},
		{"save --format docker-archive img img", "saved img img"},
		{"save nope", "Error: No such image: nope:latest\n"},
		{"save -o " + file + " img", ""},
		{"save -o " + dir + "/no/x img", "Error: failed to save image: invalid output path: directory \"" + dir + "/no\" does not exist\n"},
		{"save -o /dev/null img", "Error: failed to save image: invalid output path: \"/dev/null\" must be a directory or a regular file: got a device\n"},
		{"save -o " + dir + " img", "Error: failed to save image: open " + dir + ": is a directory\n"},
	} {
		if r := w.berth(t, strings.Fields(tt.args)...); r.out+r.err != tt.want {
			t.Errorf("%s: status %d, %q, want %q", tt.args, r.code, r.out+r.err, tt.want)
		}
	}
	if b, err := os.ReadFile(file); string(b) != "saved img" {
		t.Errorf("the file has %q, %v", b, err)
	}
	// A failure leaves what was there.
	if r := w.berth(t, "save", "-o", file, "nope"); r.code != exitFailed {
		t.Errorf("status %d", r.code)
	}
	if left, err := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	if b, err := os.ReadFile(file); string(b) != "saved img" {
		t.Errorf("the file has %q, %v", b, err)
	}
	if r := w.berth(t, "save", "--format", "zip", "img"); r.code != exitBerth || !strings.HasPrefix(r.err, `Error: invalid argument "zip" for "--format" flag: want docker-archive or oci-archive`) {
		t.Errorf("%+v", r)
	}
}

func TestLoad(t *testing.T) {
	w := newWorld()
	file := filepath.Join(t.TempDir(), "images.tar")
	if err := os.WriteFile(file, []byte("archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := string(w.images.list["img"].ID)
	want := "The image x.org/b:2 already exists, renaming the old one with ID sha256:old to empty string\n" +
		"Loaded image: a:1\nLoaded image: x.org/b:2\nLoaded image ID: " + id + "\n"
	for _, args := range []string{"load -i " + file, "image load -q --input " + file} {
		if r := w.berth(t, strings.Fields(args)...); r.out != want || r.code != 0 {
			t.Errorf("%s: %+v", args, r)
		}
	}
	var err error
	if w.piped, err = os.Open(file); err != nil {
		t.Fatal(err)
	}
	defer w.piped.Close()
	if r := w.berth(t, "load"); r.out != want {
		t.Errorf("from stdin: %+v", r)
	}
	for args, want := range map[string]string{
		"load -i /nowhere":          "Error: open /nowhere: no such file or directory\n",
		"load --platform / -i /etc": "Error: parse platform \"/\": invalid component \"\"\n",
	} {
		if r := w.berth(t, strings.Fields(args)...); r.err != want || r.code != exitFailed {
			t.Errorf("%s: %+v", args, r)
		}
	}
}
