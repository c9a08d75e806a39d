package archive

import (
	"archive/tar"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// entriesOf lists an archive: names, with the content of files and the target
// of links.
func entriesOf(t *testing.T, b []byte) []string {
	t.Helper()
	var list []string
	for tr := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			list = append(list, h.Name+"="+string(text))
		case tar.TypeDir:
			list = append(list, h.Name)
		default:
			list = append(list, h.Name+"->"+h.Linkname)
		}
	}
}

func TestPackLayer(t *testing.T) {
	tests := []struct {
		name            string
		old, now, upper []string
		mark            func(upper string) error
		want            string
	}{
		{"nothing", []string{"a=1"}, []string{"a=1"}, nil, nil, ""},
		{"changed", []string{"d/a=1", "d/b=1"}, []string{"d/a=2", "d/b=1"}, []string{"d/a=2"}, nil, "./ d/ d/a=2"},
		{"new", []string{"d/"}, []string{"d/n/m=1"}, []string{"d/n/m=1"}, nil, "./ d/ d/n/ d/n/m=1"},
		{"deleted", []string{"d/a=1"}, []string{"d/"}, []string{"d/a=whiteout"}, nil, "./ d/ d/.wh.a="},
		{"deleted before it was there", []string{"d/"}, []string{"d/"}, []string{"d/a=whiteout"}, nil, "./ d/"},
		{"opaque", []string{"d/a=1"}, []string{"d/b=1"}, []string{"d/b=1"}, opaque("d", "y"), "./ d/ d/.wh..wh..opq= d/b=1"},
		{"only said to have whiteouts", []string{"d/a=1"}, []string{"d/a=1", "d/b=1"}, []string{"d/b=1"}, opaque("d", "x"), "./ d/ d/b=1"},
		{"opaque and new", nil, []string{"d/b=1"}, []string{"d/b=1"}, opaque("d", "y"), "./ d/ d/b=1"},
		{"moved", []string{"from/a=1"}, []string{"to/a=1"}, []string{"from=whiteout", "to/"}, attribute("to", redirectXattr, "from"), "./ .wh.from= to/ to/a=1"},
		{"folder to file", []string{"d/a=1"}, []string{"d=1"}, []string{"d=1"}, nil, "./ d=1"},
		{"file to folder", []string{"d=1"}, []string{"d/a=1"}, []string{"d/a=1"}, nil, "./ d/ d/a=1"},
		{"a link", nil, []string{"l -> /etc"}, []string{"l -> /etc"}, nil, "./ l->/etc"},
		{"a name that would delete", nil, []string{".wh.x=1", "y=1"}, []string{".wh.x=1", "y=1"}, nil, "./ y=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			upper := tree(t, tt.upper...)
			if tt.mark != nil {
				fixture.NeedRoot(t)
				if err := tt.mark(upper.Name()); err != nil {
					t.Fatal(err)
				}
			}
			var b bytes.Buffer
			if err := PackLayer(t.Context(), &b, tree(t, tt.old...), tree(t, tt.now...), upper, PackOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := entriesOf(t, b.Bytes()); !slices.Equal(got, strings.Fields(tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want == "" && b.Len() != 1024 {
				t.Errorf("an empty layer of %d bytes", b.Len())
			}
		})
	}
}

func opaque(dir, value string) func(string) error { return attribute(dir, opaqueXattr, value) }

func attribute(name, attr, value string) func(string) error {
	return func(root string) error { return unix.Setxattr(root+"/"+name, attr, []byte(value), 0) }
}
