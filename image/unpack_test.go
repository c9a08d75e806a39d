package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/archive"
)

// unpackInto unpacks a tar into a fresh folder beside a canary and returns it.
func unpackInto(t testing.TB, b []byte, limits Limits) (string, archive.Unpacked, error) {
	t.Helper()
	root := t.TempDir() + "/tree"
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := archive.Unpack(t.Context(), bytes.NewReader(b), f, limits)
	return root, out, err
}

// manifest describes every path below root: what a container would see of it.
func manifest(t testing.TB, root string) []string {
	t.Helper()
	var rows []string
	inodes := map[uint64]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		name := strings.TrimPrefix(p, root)
		size, target, content := st.Size, "", ""
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			size = 0
		case unix.S_IFLNK:
			target, _ = os.Readlink(p)
		case unix.S_IFREG:
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			content = fmt.Sprintf("%x", sha256.Sum256(b))
		}
		first := inodes[st.Ino]
		if first == "" {
			inodes[st.Ino] = name
		}
		rows = append(rows, fmt.Sprintf("%s mode=%o owner=%d:%d size=%d mtime=%d.%d rdev=%x target=%q same=%q xattrs=%v content=%s",
			name, st.Mode, st.Uid, st.Gid, size, st.Mtim.Sec, st.Mtim.Nsec, st.Rdev, target, first, xattrsOf(p), content))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func xattrsOf(p string) map[string]string {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(p, buf)
	if err != nil || n == 0 {
		return nil
	}
	out := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 4096)
		n, _ := unix.Lgetxattr(p, name, value)
		out[name] = string(value[:n])
	}
	return out
}

func mode(e *tarEntry, bits int64, uid, gid int) *tarEntry {
	e.Mode, e.Uid, e.Gid = bits, uid, gid
	return e
}

func attr(e *tarEntry, name, value string) *tarEntry {
	e.PAXRecords = map[string]string{"SCHILY.xattr." + name: value}
	return e
}

// capability is security.capability for cap_net_raw+ep (capabilities(7), v2).
const capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// richTar has one of everything that a root filesystem holds.
func richTar(t testing.TB) []byte {
	long := strings.Repeat("long/", 40) + strings.Repeat("n", 200)
	dev := mode(&tarEntry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "dev/tty9", Devmajor: 4, Devminor: 9}}, 0o620, 0, 5)
	block := mode(&tarEntry{Header: tar.Header{Typeflag: tar.TypeBlock, Name: "dev/sda", Devmajor: 8, Devminor: 300}}, 0o660, 0, 6)
	fifo := mode(&tarEntry{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "run/fifo"}}, 0o600, 7, 7)
	late := file("etc/late", "z")
	late.ModTime = time.Unix(1_600_000_000, 123456789)
	late.Format = tar.FormatPAX
	return makeTar(t,
		mode(dir("./"), 0o755, 0, 0), dir("bin"), mode(file("bin/su", "setuid"), 0o4755, 0, 0), mode(file("bin/wall", "x"), 0o2755, 0, 5),
		attr(mode(file("bin/ping", "caps"), 0o755, 0, 0), "security.capability", capability),
		link(tar.TypeLink, "bin/hard", "bin/su"), link(tar.TypeSymlink, "bin/soft", "/absolute/target"),
		link(tar.TypeSymlink, "up", "../../../etc/passwd"), link(tar.TypeLink, "hardsoft", "bin/soft"),
		mode(dir("tmp"), 0o1777, 0, 0), mode(dir("mail"), 0o2775, 0, 8), mode(file("mail/m", "m"), 0o660, 1000, 1000),
		mode(dir("closed"), 0, 12, 12), file("closed/in", "x"), dir("dev"), dev, block, dir("run"), fifo,
		attr(file("etc/attr", "a"), "user.note", "v\x00w"), late, file(long, "deep"),
		file("zero", strings.Repeat("\x00", 300_000)), file("hole", strings.Repeat("\x00", 200_000)+"end"), file("empty", ""),
		mode(file("big ids", "x"), 0o644, 3_000_000_000, 4_000_000_000), file("weird \n\xff name", "w"))
}

func TestUnpackLikeGNUTar(t *testing.T) {
	needRoot(t)
	need(t, "tar")
	b := richTar(t)
	got, out, err := unpackInto(t, b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.DroppedXattrs) > 0 {
		t.Errorf("dropped %v", out.DroppedXattrs)
	}
	peer := t.TempDir() + "/peer"
	os.Mkdir(peer, 0o755)
	c := exec.Command("tar", "-xpf", "-", "-C", peer, "--xattrs", "--xattrs-include=*", "--same-owner", "--numeric-owner", "--delay-directory-restore")
	c.Stdin = bytes.NewReader(b)
	if msg, err := c.CombinedOutput(); err != nil {
		t.Fatalf("tar: %s%v", msg, err)
	}
	compareManifests(t, manifest(t, got), manifest(t, peer), out.Implicit)
}

func TestUnpackLikeUmoci(t *testing.T) {
	needRoot(t)
	need(t, "umoci")
	s := testStore(t)
	img, err := s.Import(t.Context(), bytes.NewReader(richTar(t)), ImportOptions{Ref: "rich"})
	if err != nil {
		t.Fatal(err)
	}
	bundle := t.TempDir() + "/bundle"
	if msg, err := exec.Command("umoci", "unpack", "--image", s.dirs.Image()+":"+img.Ref, bundle).CombinedOutput(); err != nil {
		t.Fatalf("umoci: %s%v", msg, err)
	}
	rec, err := s.readLayer(Digest("sha256:" + filepath.Base(img.Layers[0])))
	if err != nil {
		t.Fatal(err)
	}
	// umoci leaves the root its own time.
	got, want := manifest(t, img.Layers[0])[1:], manifest(t, bundle+"/rootfs")[1:]
	compareManifests(t, got, want, rec.Implicit)
}

// compareManifests ignores the times of directories that the tar does not
// describe: they are when the unpacking was.
func compareManifests(t *testing.T, got, want, implicit []string) {
	t.Helper()
	strip := func(rows []string) []string {
		for i, r := range rows {
			for _, p := range implicit {
				if strings.HasPrefix(r, "/"+p+" mode") {
					before, after, _ := strings.Cut(r, " mtime=")
					_, after, _ = strings.Cut(after, " ")
					rows[i] = before + " " + after
				}
			}
		}
		return rows
	}
	got, want = strip(got), strip(want)
	for _, r := range got {
		if !slices.Contains(want, r) {
			t.Errorf("only berth: %s", r)
		}
	}
	for _, r := range want {
		if !slices.Contains(got, r) {
			t.Errorf("only the peer: %s", r)
		}
	}
}

// TestUnpackDebian compares a whole distribution, when its fixture has been made.
func TestUnpackDebian(t *testing.T) {
	needRoot(t)
	need(t, "tar")
	fixtures, _ := filepath.Glob("../.build/fixtures/*.tar")
	if len(fixtures) == 0 {
		t.Skip("needs a root filesystem under .build/fixtures, which the root tests make")
	}
	f, err := os.Open(fixtures[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	start := time.Now()
	img, err := testStore(t).Import(t.Context(), f, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("imported %d bytes of files in %v", img.Size, time.Since(start))
	peer := t.TempDir() + "/peer"
	os.Mkdir(peer, 0o755)
	if msg, err := exec.Command("tar", "-xpf", fixtures[0], "-C", peer, "--xattrs", "--xattrs-include=*", "--same-owner", "--numeric-owner").CombinedOutput(); err != nil {
		t.Fatalf("tar: %s%v", msg, err)
	}
	compareManifests(t, manifest(t, img.Layers[0]), manifest(t, peer), nil)
}

func TestSparseFilesStaySparse(t *testing.T) {
	needRoot(t)
	root, out, err := unpackInto(t, richTar(t), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, most := range map[string]int64{"zero": 100, "hole": 200} {
		fi, err := os.Stat(root + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if blocks := fi.Sys().(*syscall.Stat_t).Blocks; blocks > most {
			t.Errorf("%s: %d bytes take %d blocks", name, fi.Size(), blocks)
		}
	}
	if out.Size < 500_000 {
		t.Errorf("size %d leaves out holes", out.Size)
	}
}

// hostileTar is refused, and blame named.
type hostileTar struct {
	name    string
	entries []*tarEntry
	blame   string
}

// hostileTars are what no layer may hold.
func hostileTars() []hostileTar {
	char := func(name string, major, minor int64) *tarEntry {
		return &tarEntry{Header: tar.Header{Typeflag: tar.TypeChar, Name: name, Devmajor: major, Devminor: minor, Mode: 0o666}}
	}
	return []hostileTar{
		{"dotdot", []*tarEntry{file("../canary", "x")}, "../canary"},
		{"dotdot inside", []*tarEntry{file("a/../../canary", "x")}, "a/../../canary"},
		{"dotdot that stays", []*tarEntry{file("a/../b", "x")}, "a/../b"},
		{"dotdot directory", []*tarEntry{dir("..")}, ".."},
		{"absolute dotdot", []*tarEntry{file("/../canary", "x")}, "/../canary"},
		{"write through link", []*tarEntry{link(tar.TypeSymlink, "l", ".."), file("l/canary", "x")}, "l/canary"},
		{"write through absolute link", []*tarEntry{link(tar.TypeSymlink, "l", "/tmp"), file("l/canary", "x")}, "l/canary"},
		{"write through nested link", []*tarEntry{dir("d"), link(tar.TypeSymlink, "d/l", "../.."), file("d/l/canary", "x")}, "d/l/canary"},
		{"mkdir through link", []*tarEntry{link(tar.TypeSymlink, "l", ".."), dir("l/sub")}, "l/sub"},
		{"implicit through link", []*tarEntry{link(tar.TypeSymlink, "l", ".."), file("l/a/b/c", "x")}, "l/a/b/c"},
		{"hard link out", []*tarEntry{link(tar.TypeLink, "h", "../canary")}, "h"},
		{"hard link through link", []*tarEntry{link(tar.TypeSymlink, "l", ".."), link(tar.TypeLink, "h", "l/canary")}, "h"},
		{"hard link to nothing", []*tarEntry{link(tar.TypeLink, "h", "absent")}, "h"},
		{"hard link to itself", []*tarEntry{file("h", "x"), link(tar.TypeLink, "h", "h")}, "h"},
		{"hard link to a parent", []*tarEntry{dir("d"), link(tar.TypeLink, "d/h", "d")}, "d/h"},
		{"hard link to the root", []*tarEntry{link(tar.TypeLink, "h", "/")}, "h"},
		{"hard link to a whiteout", []*tarEntry{file(".wh.x", ""), link(tar.TypeLink, "h", "x")}, "h"},
		{"whiteout through link", []*tarEntry{link(tar.TypeSymlink, "l", ".."), file("l/.wh.canary", "")}, "l/.wh.canary"},
		{"opaque through link", []*tarEntry{link(tar.TypeSymlink, "l", ".."), file("l/.wh..wh..opq", "")}, "l/.wh..wh..opq"},
		{"whiteout of nothing", []*tarEntry{file("a/.wh.", "")}, "a/.wh."},
		{"whiteout of dot", []*tarEntry{file("a/.wh..", "")}, "a/.wh.."},
		{"whiteout of dotdot", []*tarEntry{file(".wh...", "")}, ".wh..."},
		{"root as link", []*tarEntry{link(tar.TypeSymlink, "./", "/etc")}, "./"},
		{"root as file", []*tarEntry{file(".", "x")}, "."},
		{"root as hard link", []*tarEntry{file("x", ""), link(tar.TypeLink, "/", "x")}, "/"},
		{"file as directory", []*tarEntry{file("f", "x"), file("f/g", "x")}, "f/g"},
		{"whiteout device", []*tarEntry{char("dev/null", 0, 0)}, "dev/null"},
		{"large major", []*tarEntry{char("dev/x", 1<<12, 0)}, "dev/x"},
		{"negative owner", []*tarEntry{mode(file("f", ""), 0o644, -1, 0)}, "f"},
		{"owner beyond 32 bits", []*tarEntry{mode(file("f", ""), 0o644, 1<<32, 0)}, "f"},
		{"owner that chown ignores", []*tarEntry{mode(file("f", ""), 0o644, 1<<32-1, 0)}, "f"},
		{"unknown type", []*tarEntry{{Header: tar.Header{Typeflag: 'Z', Name: "z"}}}, "z"},
		{"long path", []*tarEntry{file(strings.Repeat("a/", 3000)+"f", "x")}, "a/a/a"},
		{"long name", []*tarEntry{file(strings.Repeat("a", 300), "x")}, "aaaa"},
	}
}

// TestHostileEntries: each tar is refused, the error names the entry, and nothing
// outside the layer changes.
func TestHostileEntries(t *testing.T) {
	needRoot(t)
	for _, tt := range hostileTars() {
		t.Run(tt.name, func(t *testing.T) {
			outside := t.TempDir()
			os.WriteFile(outside+"/canary", []byte("alive"), 0o640)
			root := outside + "/tree"
			os.Mkdir(root, 0o755)
			before := manifestOutside(t, outside)
			f, err := os.Open(root)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, err = archive.Unpack(t.Context(), bytes.NewReader(makeTar(t, tt.entries...)), f, Limits{})
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), fmt.Sprintf("unpack %q", tt.blame)[:8+min(len(tt.blame), 4)]) {
				t.Errorf("error does not name %q: %v", tt.blame, err)
			}
			if after := manifestOutside(t, outside); !slices.Equal(before, after) {
				t.Errorf("outside changed:\n%v\n%v", before, after)
			}
		})
	}
}

// manifestOutside leaves out the layer's own tree.
func manifestOutside(t testing.TB, outside string) []string {
	rows := manifest(t, outside)
	return slices.DeleteFunc(rows, func(r string) bool { return strings.HasPrefix(r, "/tree") })
}

// TestUnusualEntries are odd and harmless: what they become is fixed here.
func TestUnusualEntries(t *testing.T) {
	needRoot(t)
	b := makeTar(t,
		dir("/"), file("/abs", "1"), file("./dot", "2"), file("a//b", "3"), file("twice", "old"), file("twice", "new"),
		dir("was-dir"), file("was-dir/x", ""), file("was-dir", "now a file"), file("was-file", ""), dir("was-file"), file("was-file/y", ""),
		link(tar.TypeSymlink, "l", "/etc/passwd"), file("l", "replaced, not followed"),
		attr(file("ovl", ""), "trusted.overlay.redirect", "/etc"), attr(dir("ovldir"), "user.overlay.opaque", "y"))
	root, out, err := unpackInto(t, b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"abs": "1", "dot": "2", "a/b": "3", "twice": "new", "was-dir": "now a file", "was-file/y": "", "l": "replaced, not followed",
	} {
		if got, err := os.ReadFile(root + "/" + name); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v", name, got, err)
		}
	}
	if x := xattrsOf(root + "/ovl"); x != nil {
		t.Errorf("overlay attributes: %v", x)
	}
	if x := xattrsOf(root + "/ovldir"); x != nil {
		t.Errorf("overlay attributes: %v", x)
	}
	if !slices.Equal(out.Implicit, []string{"a"}) {
		t.Errorf("implicit: %v", out.Implicit)
	}
	if fi, err := os.Stat(root + "/a"); err != nil || fi.Mode().Perm() != 0o755 {
		t.Errorf("implicit directory: %v, %v", fi, err)
	}
}

func TestWhiteouts(t *testing.T) {
	needRoot(t)
	root, _, err := unpackInto(t, makeTar(t,
		dir("d"), file("d/.wh.gone", ""), file("d/.wh..wh..opq", ""), file("d/.wh..wh.aufs", ""), file(".wh.top", ""),
		file("kept", "x"), file(".wh.kept", ""), file(".wh.back", ""), file("back", "again"),
		file(".wh.newdir", ""), dir("newdir"), dir("olddir"), file(".wh.olddir", ""), file(".wh.implied", ""), file("implied/f", ""),
		file("x/.wh.y", "")), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d/gone", "top", "x/y"} {
		var st unix.Stat_t
		if err := unix.Lstat(root+"/"+name, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
			t.Errorf("%s is no whiteout: %+v, %v", name, st, err)
		}
	}
	for _, name := range []string{"d", "newdir", "olddir", "implied"} {
		if x := xattrsOf(root + "/" + name); x["trusted.overlay.opaque"] != "y" {
			t.Errorf("%s is not opaque: %v", name, x)
		}
	}
	for name, want := range map[string]string{"kept": "x", "back": "again"} {
		if got, err := os.ReadFile(root + "/" + name); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v", name, got, err)
		}
	}
	if _, err := os.Lstat(root + "/d/.wh..wh.aufs"); !os.IsNotExist(err) {
		t.Errorf("aufs' own file was kept: %v", err)
	}
}

func TestOpaqueRoot(t *testing.T) {
	needRoot(t)
	root, _, err := unpackInto(t, makeTar(t, file(".wh..wh..opq", "")), Limits{})
	if err != nil || xattrsOf(root)["trusted.overlay.opaque"] != "y" {
		t.Errorf("%v, %v", xattrsOf(root), err)
	}
}

func TestLimits(t *testing.T) {
	needRoot(t)
	var many []*tarEntry
	for i := range 50 {
		many = append(many, file(fmt.Sprint("f", i), ""))
	}
	if _, _, err := unpackInto(t, makeTar(t, many...), Limits{Entries: 49}); !errors.Is(err, ErrLayerTooBig) {
		t.Errorf("entries: %v", err)
	}
	if _, _, err := unpackInto(t, makeTar(t, many...), Limits{Entries: 50}); err != nil {
		t.Errorf("as many entries as allowed: %v", err)
	}
	zeros := makeTar(t, file("z", strings.Repeat("\x00", 4<<20)))
	s := testStore(t)
	_, err := s.Import(t.Context(), bytes.NewReader(gzipBytes(t, zeros)), ImportOptions{Limits: Limits{Ratio: 100, RatioAfter: 1 << 20}})
	if !errors.Is(err, ErrLayerTooBig) {
		t.Errorf("ratio: %v", err)
	}
	_, err = s.Import(t.Context(), bytes.NewReader(zeros), ImportOptions{Limits: Limits{Bytes: 1 << 20}})
	if !errors.Is(err, ErrLayerTooBig) {
		t.Errorf("bytes: %v", err)
	}
	if left, _ := os.ReadDir(s.dirs.Image() + "/blobs/sha256"); len(left) != 0 {
		t.Errorf("refused layers left %v", left)
	}
}

func FuzzUnpack(f *testing.F) {
	if os.Geteuid() != 0 {
		f.Skip("needs root: layers hold devices and other users' files")
	}
	f.Add(richTar(f))
	f.Add(makeTar(f, link(tar.TypeSymlink, "l", ".."), file("l/canary", "x")))
	f.Add(makeTar(f, dir("a"), file("a/.wh.b", ""), dir("a/b"), link(tar.TypeLink, "a/c", "a/b")))
	f.Fuzz(func(t *testing.T, b []byte) {
		outside := t.TempDir()
		os.WriteFile(outside+"/canary", []byte("alive"), 0o640)
		os.Mkdir(outside+"/tree", 0o755)
		before := manifestOutside(t, outside)
		root, err := os.Open(outside + "/tree")
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		_, _ = archive.Unpack(t.Context(), bytes.NewReader(b), root, Limits{Entries: 1000, Bytes: 16 << 20})
		if after := manifestOutside(t, outside); !slices.Equal(before, after) {
			t.Errorf("outside changed:\n%v\n%v", before, after)
		}
	})
}

// TestManyDirectories: few entries with long names cannot make any number of
// directories.
func TestManyDirectories(t *testing.T) {
	needRoot(t)
	var entries []*tarEntry
	for i := range 12 {
		entries = append(entries, file(fmt.Sprint(i)+strings.Repeat("/d", 1000)+"/f", ""))
	}
	_, _, err := unpackInto(t, makeTar(t, entries...), Limits{Entries: 100})
	if !errors.Is(err, ErrLayerTooBig) || !strings.Contains(err.Error(), "more than 10000 directories") {
		t.Errorf("12,000 directories in 12 entries: %v", err)
	}
}
