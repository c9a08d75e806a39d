package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// entry is one entry of an archive to be.
type entry struct {
	kind         byte
	name, target string
}

// archiveOf writes a tar; a file's target is its content.
func archiveOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Mode: 0o644}
		content := ""
		switch e.kind {
		case tar.TypeReg:
			h.Size, content = int64(len(e.target)), e.target
		case tar.TypeChar, tar.TypeBlock:
			h.Devmajor, h.Devminor = int64(len(e.target)), int64(len(e.target))
		case tar.TypeDir:
			h.Mode = 0o755
		default:
			h.Linkname = e.target
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name, text string) entry      { return entry{tar.TypeReg, name, text} }
func dir(name string) entry             { return entry{tar.TypeDir, name, ""} }
func symlink(name, target string) entry { return entry{tar.TypeSymlink, name, target} }
func hardlink(name, to string) entry    { return entry{tar.TypeLink, name, to} }

// jail is a root inside a folder with a canary, and links that try to leave it.
func jail(t testing.TB) (outside string, root *os.File) {
	t.Helper()
	outside = t.TempDir()
	plant(t, outside, "canary=alive", "root/dir/f=old", "root/var/run -> /run", "root/run/", "root/file=x",
		"root/out -> "+outside, "root/up -> ../../../../../../.."+outside, "root/proc -> /proc/self/root", "root/loop -> loop", "root/nowhere -> /no/such")
	return outside, folder(t, outside+"/root")
}

// around lists what is outside the root.
func around(t testing.TB, outside string) []string {
	t.Helper()
	return slices.DeleteFunc(manifest(t, outside), func(r string) bool { return strings.HasPrefix(r, `"/root`) || strings.HasPrefix(r, `"" `) })
}

// TestHostileCopies: archives that try to leave the tree. Those without blame
// are harmless: what they mean, they mean inside.
func TestHostileCopies(t *testing.T) {
	tests := []struct {
		name    string
		entries []entry
		blame   string // a part of the error
	}{
		{"dotdot", []entry{file("../canary", "x")}, "outside"},
		{"dotdot inside", []entry{file("a/../../canary", "x")}, "outside"},
		{"absolute dotdot", []entry{file("/../canary", "x")}, "outside"},
		{"dotdot that stays", []entry{file("a/../b", "x")}, ""},
		{"absolute", []entry{file("/etc/x", "x")}, ""},
		{"through a link up", []entry{symlink("l", "../.."), file("l/canary", "x")}, ""},
		{"through a link of the archive", []entry{symlink("l", "/../.."), dir("l/d"), file("l/d/canary", "x")}, ""},
		{"through a link of the tree", []entry{file("out/canary", "x")}, ""},
		{"through a magic link", []entry{file("proc/canary", "x")}, ""},
		{"replace a link", []entry{file("out", "x")}, ""},
		{"replace a link by a folder", []entry{dir("out")}, "cannot overwrite non-directory"},
		{"replace a folder", []entry{file("dir", "x")}, "cannot overwrite directory"},
		{"hard link out", []entry{hardlink("h", "../canary")}, "outside"},
		{"hard link through a link", []entry{hardlink("h", "out/canary")}, "no such file"},
		{"hard link to nothing", []entry{hardlink("h", "nothing")}, "no such file"},
		{"hard link to itself", []entry{file("h", "x"), hardlink("h", "h")}, "itself"},
		{"a loop", []entry{file("loop/x", "x")}, "refused"},
		{"a whiteout device", []entry{{tar.TypeChar, "dev", ""}}, "whiteout"},
		{"a device", []entry{{tar.TypeBlock, "dev", "2"}}, ""},
		{"unknown type", []entry{{'Z', "z", ""}}, "not known"},
	}
	for _, tt := range tests {
		for _, links := range []bool{true, false} {
			t.Run(tt.name, func(t *testing.T) {
				outside, root := jail(t)
				before := around(t, outside)
				err := Extract(t.Context(), bytes.NewReader(archiveOf(t, tt.entries...)), Target{Root: root, Links: links, Owners: kept{}})
				if tt.blame != "" && links && (err == nil || !strings.Contains(err.Error(), tt.blame)) {
					t.Errorf("want %q: %v", tt.blame, err)
				}
				if after := around(t, outside); !slices.Equal(before, after) {
					t.Errorf("outside changed:\n%v\n%v", before, after)
				}
			})
		}
	}
}

// TestLinksOfTheTree: in a confined tree they are followed, elsewhere not.
func TestLinksOfTheTree(t *testing.T) {
	outside, root := jail(t)
	b := archiveOf(t, file("var/run/pid", "1"))
	if err := Extract(t.Context(), bytes.NewReader(b), Target{Root: root, Links: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(outside + "/root/run/pid"); string(got) != "1" {
		t.Errorf("%q, %v", got, err)
	}
	if err := Extract(t.Context(), bytes.NewReader(b), Target{Root: root}); !errors.Is(err, ErrHostile) {
		t.Errorf("a link was followed: %v", err)
	}
	if err := Extract(t.Context(), bytes.NewReader(archiveOf(t, file("pid2", "2"))), Target{Root: root, Dest: "/var/run", Links: true}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(outside + "/root/run/pid2"); err != nil {
		t.Error(err)
	}
}

// TestCopyOwners: whose file it becomes decides which powers it keeps.
func TestCopyOwners(t *testing.T) {
	root := richTree(t)
	b := pack(t, root, PackOptions{})
	to := t.TempDir()
	plant(t, to, "etc/")
	if err := errors.Join(os.Chown(to+"/etc", 7, 8), Extract(t.Context(), bytes.NewReader(b), Target{Root: folder(t, to), Owners: toRoot{}})); err != nil {
		t.Fatal(err)
	}
	check := func(name string, mode uint32, uid, gid uint32) {
		var st unix.Stat_t
		if err := unix.Lstat(to+"/"+name, &st); err != nil || st.Mode&0o7777 != mode || st.Uid != uid || st.Gid != gid {
			t.Errorf("%s: mode %o of %d:%d, %v; want %o of %d:%d", name, st.Mode, st.Uid, st.Gid, err, mode, uid, gid)
		}
	}
	check("bin/su", 0o755, 0, 0)   // another's setuid bit is not root's
	check("etc", 0o2750, 7, 8)     // a folder that was there keeps its owner
	check("dangling", 0o777, 0, 0) // a link's mode is always this
	if v, ok, err := mustNode(t, to+"/bin/ping").xattr(capabilityXattr); !ok || len(v) != 20 || err != nil {
		t.Errorf("capabilities of root's program: %q, %v, %v", v, ok, err)
	}
	owners := Owners(failing{})
	if err := Extract(t.Context(), bytes.NewReader(b), Target{Root: folder(t, t.TempDir()), Owners: owners}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("an owner that does not exist: %v", err)
	}
}

// toRoot gives everything to root, failing nothing to anybody.
type (
	toRoot  struct{}
	failing struct{}
)

func (toRoot) Of(int, int) (int, int, error)  { return 0, 0, nil }
func (toRoot) Keep() bool                     { return false }
func (failing) Of(int, int) (int, int, error) { return 0, 0, fs.ErrInvalid }
func (failing) Keep() bool                    { return true }

func mustNode(t *testing.T, name string) node {
	t.Helper()
	n, err := openNode(unix.AT_FDCWD, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

func FuzzExtract(f *testing.F) {
	if os.Geteuid() != 0 {
		f.Skip("needs root: archives hold devices and other users' files")
	}
	f.Add(archiveOf(f, symlink("l", "../.."), file("l/canary", "x"), hardlink("h", "l/canary")), true)
	f.Add(archiveOf(f, dir("a"), file("a/b", "x"), hardlink("a/c", "a/b"), file("out/canary", "x")), false)
	f.Add(pack(f, richTree(f), PackOptions{}), true)
	f.Fuzz(func(t *testing.T, b []byte, links bool) {
		outside, root := jail(t)
		before := around(t, outside)
		_ = Extract(t.Context(), bytes.NewReader(b), Target{Root: root, Links: links, Owners: kept{}})
		if after := around(t, outside); !slices.Equal(before, after) {
			t.Errorf("outside changed:\n%v\n%v", before, after)
		}
	})
}
