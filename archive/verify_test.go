package archive

import (
	"archive/tar"
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unpacked is a tree that Unpack made of a tar.
func unpacked(t *testing.T, b []byte) (*os.File, Unpacked) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root: layers hold devices and other users' files")
	}
	root, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	out, err := Unpack(t.Context(), bytes.NewReader(b), root, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return root, out
}

// TestVerifyUnpacked: whatever way a tar says it, its tree is what it means.
func TestVerifyUnpacked(t *testing.T) {
	for name, entries := range map[string][]entry{
		"empty":                      nil,
		"root":                       {dir("./"), file("a", "1")},
		"implicit directories":       {file("a/b/c", "1"), dir("a/"), file("x/y", "2")},
		"later wins":                 {file("a", "1"), file("a", "22"), symlink("a", "b"), file("a", "333")},
		"file on directory":          {dir("d/"), file("d/e/f", "1"), file("d", "2")},
		"directory on file":          {file("d", "2"), dir("d/"), file("d/e", "1")},
		"hard links":                 {file("a", "1"), hardlink("b", "a"), hardlink("d/c", "./b"), symlink("s", "x"), hardlink("t", "s")},
		"link replaced":              {file("a", "1"), hardlink("b", "a"), file("a", "2")},
		"whiteout":                   {file("d/.wh.gone", ""), file(".wh.top", "")},
		"whiteout of own":            {file("a", "1"), file(".wh.a", ""), dir("d/"), file(".wh.d", "")},
		"own after whiteout":         {file(".wh.a", ""), file("a", "1"), file(".wh.d", ""), dir("d/"), file(".wh.e", ""), file("e/f", "2")},
		"opaque":                     {dir("d/"), file("d/.wh..wh..opq", ""), file("n/.wh..wh..opq", ""), file(".wh..wh..opq", "")},
		"aufs' own":                  {file("p/.wh..wh.plnk", "")},
		"devices":                    {{tar.TypeChar, "c", "12"}, {tar.TypeBlock, "b", "123"}, {tar.TypeFifo, "f", ""}},
		"zeros":                      {file("z", strings.Repeat("\x00", 3*holeSize+5))},
		"replaced below, then again": {file("d/a", "1"), file("d", "x"), dir("d/"), file("d/b", "2")},
	} {
		t.Run(name, func(t *testing.T) {
			b := archiveOf(t, entries...)
			root, out := unpacked(t, b)
			got, err := Verify(t.Context(), bytes.NewReader(b), root)
			if err != nil || len(got.Differences) > 0 {
				t.Errorf("%q, %v", got.Differences, err)
			}
			if got.Entries != out.Entries || got.Size != out.Size || !slices.Equal(got.Implicit, out.Implicit) || len(got.DroppedXattrs) > 0 {
				t.Errorf("it says %+v, Unpack %+v", got.Unpacked, out)
			}
		})
	}
}

// TestVerifyDifferences: one change to a tree is one difference.
func TestVerifyDifferences(t *testing.T) {
	b := archiveOf(t, dir("./"), dir("d/"), file("d/a", "content"), hardlink("d/b", "d/a"), symlink("s", "to"), file("d/.wh.gone", ""),
		entry{tar.TypeChar, "c", "12"}, dir("o/"), file("o/.wh..wh..opq", ""), file("i/f", "x"))
	change := func(call func(name string) error, name string) func(root string) error {
		return func(root string) error {
			var st unix.Stat_t
			if err := unix.Lstat(root+"/"+name, &st); err != nil {
				return err
			}
			if err := call(root + "/" + name); err != nil {
				return err
			}
			times := []unix.Timespec{st.Atim, st.Mtim}
			if err := unix.UtimesNanoAt(unix.AT_FDCWD, root+"/"+name, times, unix.AT_SYMLINK_NOFOLLOW); err != unix.ENOENT {
				return err
			}
			return nil
		}
	}
	replaced := func(name string, make func(string) error) func(string) error {
		return func(root string) error {
			if err := os.RemoveAll(root + "/" + name); err != nil {
				return err
			}
			return make(root + "/" + name)
		}
	}
	for _, tt := range []struct {
		want   string
		damage func(root string) error
	}{
		{"/d/a: its content is another", change(func(n string) error { return os.WriteFile(n, []byte("c0ntent"), 0) }, "d/a")},
		{"/d/a: it has 3 bytes, not 7", change(func(n string) error { return os.Truncate(n, 3) }, "d/a")},
		{"/d/a: its mode is 4644, not 644", change(func(n string) error { return unix.Chmod(n, 0o4644) }, "d/a")},
		{"/d/a: it belongs to 1:2, not 0:0", change(func(n string) error { return os.Chown(n, 1, 2) }, "d/a")},
		{"/d/a: its modification time is another", func(root string) error { return os.Chtimes(root+"/d/a", time.Now(), time.Now()) }},
		{"/d/a: it is missing", func(root string) error { return os.Remove(root + "/d/a") }},
		{"/d/new: it does not belong there", func(root string) error { return os.WriteFile(root+"/d/new", nil, 0o600) }},
		{"/s: it leads to \"from\", not to \"to\"", replaced("s", func(n string) error { return os.Symlink("from", n) })},
		{"/s: it is a FIFO, not a symbolic link", replaced("s", func(n string) error { return unix.Mkfifo(n, 0o644) })},
		{"/d/gone: it is missing", func(root string) error { return os.Remove(root + "/d/gone") }},
		{"/d/gone: it is no whiteout", replaced("d/gone", func(n string) error { return unix.Mknod(n, unix.S_IFCHR, 5) })},
		{"/c: it is another device", replaced("c", func(n string) error { return unix.Mknod(n, unix.S_IFCHR|0o644, 5) })},
		{"/o: attribute trusted.overlay.opaque: false, not true", func(root string) error { return unix.Removexattr(root+"/o", "trusted.overlay.opaque") }},
		{"/d: attribute trusted.overlay.opaque: true, not false", func(root string) error { return unix.Setxattr(root+"/d", "trusted.overlay.opaque", []byte("y"), 0) }},
		{"/d: attribute trusted.overlay.redirect does not belong there", func(root string) error { return unix.Setxattr(root+"/d", "trusted.overlay.redirect", []byte("/x"), 0) }},
		{"/i: its mode is 700, not 755", func(root string) error { return unix.Chmod(root+"/i", 0o700) }},
	} {
		t.Run(tt.want, func(t *testing.T) {
			root, _ := unpacked(t, b)
			if err := tt.damage(root.Name()); err != nil {
				t.Fatal(err)
			}
			got, err := Verify(t.Context(), bytes.NewReader(b), root)
			if err != nil || !slices.Contains(got.Differences, tt.want) {
				t.Errorf("%q, %v", got.Differences, err)
			}
		})
	}
	root, _ := unpacked(t, b)
	if err := replaced("d/b", func(n string) error { return os.WriteFile(n, []byte("content"), 0o644) })(root.Name()); err != nil {
		t.Fatal(err)
	}
	if got, _ := Verify(t.Context(), bytes.NewReader(b), root); !slices.Contains(got.Differences, "/d/b: it is no hard link") {
		t.Errorf("a copy in place of a hard link: %q", got.Differences)
	}
}

// TestVerifyRefuses: what is no layer is an error, not a difference.
func TestVerifyRefuses(t *testing.T) {
	root, _ := unpacked(t, archiveOf(t))
	for name, entries := range map[string][]entry{
		"up":               {file("../x", "1")},
		"through a file":   {file("a", "1"), file("a/b", "2")},
		"dangling link":    {hardlink("a", "nothing")},
		"link to a folder": {dir("d/"), hardlink("a", "d")},
	} {
		if _, err := Verify(t.Context(), bytes.NewReader(archiveOf(t, entries...)), root); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	cut := archiveOf(t, file("a", strings.Repeat("x", 5000)))[:2000]
	if _, err := Verify(t.Context(), bytes.NewReader(cut), root); err == nil {
		t.Error("a cut tar: no error")
	}
}
