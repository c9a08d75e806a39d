package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/container"
)

// copyWorld has a container "box" on a folder, and the caller's folder: both
// with a file, a folder with a file, and links to them.
func copyWorld(t *testing.T) (w *world, root, local string) {
	t.Helper()
	w = newWorld()
	w.views = []*container.View{{Config: &container.Config{ID: "0123", Name: "box"}}}
	w.root, local = t.TempDir(), t.TempDir()
	for _, top := range []string{w.root, local} {
		for _, d := range []string{"/dir/sub", "/empty"} {
			if err := os.MkdirAll(top+d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range map[string]string{"/file": "F", "/dir/a": "A", "/dir/sub/b": "B", "/other": "O"} {
			if err := os.WriteFile(top+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for name, target := range map[string]string{"/tofile": "file", "/todir": "dir", "/dangling": "new"} {
			if err := os.Symlink(target, top+name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(local)
	return w, w.root, local
}

// contents lists what is below a folder: names, with a file's text or a link's
// target.
func contents(t *testing.T, top string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == top {
			return err
		}
		text := ""
		switch d.Type() {
		case 0:
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text = "=" + string(b)
		case fs.ModeSymlink:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			text = "->" + target
		}
		list = append(list, strings.TrimPrefix(p, top+"/")+text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// copyRules is docker's table of what a source becomes: SRC and DEST are tried
// in both directions. want are the paths that are new or different; err is a
// part of the error.
func copyRules() []struct{ src, dest, want, err string } {
	return []struct{ src, dest, want, err string }{
		{"file", "new", "new=F", ""},
		{"file", "new/", "", "no such directory"},
		{"file", "new/.", "", "no such directory"},
		{"file", "other", "other=F", ""},
		{"file", "empty", "empty/file=F", ""},
		{"file", "empty/", "empty/file=F", ""},
		{"file", "empty/.", "empty/file=F", ""},
		{"file", "empty/new", "empty/new=F", ""},
		{"file", "todir", "dir/file=F", ""},
		{"file", "tofile", "", ""},
		{"other", "tofile", "file=O", ""},
		{"file", "dangling", "new=F", ""},
		{"file", "other/", "", "not a directory"},
		{"file", "other/x", "", "|"},
		{"file", "no/new", "", "|"},
		{"file/", "new", "", "|"},
		{"file/.", "new", "", "|"},
		{"nothing", "new", "", "|"},
		{"dir", "new", "new,new/a=A,new/sub,new/sub/b=B", ""},
		{"dir", "new/", "new,new/a=A,new/sub,new/sub/b=B", ""},
		{"dir/.", "new", "new,new/a=A,new/sub,new/sub/b=B", ""},
		{"dir", "file", "", "cannot copy directory"},
		{"dir/.", "file", "", "cannot copy directory"},
		{"dir", "empty", "empty/dir,empty/dir/a=A,empty/dir/sub,empty/dir/sub/b=B", ""},
		{"dir/", "empty", "empty/dir,empty/dir/a=A,empty/dir/sub,empty/dir/sub/b=B", ""},
		{"dir/.", "empty", "empty/a=A,empty/sub,empty/sub/b=B", ""},
		{"dir/sub/..", "empty", "empty/dir,empty/dir/a=A,empty/dir/sub,empty/dir/sub/b=B", ""},
		{"dir", "no/new", "", "|"},
		{"tofile", "new", "new->file", ""},
		{"-L tofile", "new", "new=F", ""},
		{"-L tofile", "empty", "empty/tofile=F", ""},
		{"todir", "new", "new->dir", ""},
		{"todir/", "new", "new,new/a=A,new/sub,new/sub/b=B", ""},
		{"todir/.", "empty", "empty/a=A,empty/sub,empty/sub/b=B", ""},
		{"-L todir", "new", "new,new/a=A,new/sub,new/sub/b=B", ""},
		{"-L todir", "empty", "empty/todir,empty/todir/a=A,empty/todir/sub,empty/todir/sub/b=B", ""},
		{"dangling", "empty", "empty/dangling->new", ""},
		{"dir", "dir/sub", "dir/sub/dir,dir/sub/dir/a=A,dir/sub/dir/sub,dir/sub/dir/sub/b=B", ""},
	}
}

func TestCopyRules(t *testing.T) {
	for _, tt := range copyRules() {
		for _, way := range []string{"in", "out"} {
			t.Run(way+" "+tt.src+" "+tt.dest, func(t *testing.T) {
				w, root, local := copyWorld(t)
				words := strings.Fields(tt.src)
				src, dest, changed := words[len(words)-1], "box:"+tt.dest, root
				if way == "out" {
					src, dest, changed = "box:/"+src, tt.dest, local
				}
				before := contents(t, changed)
				r := w.berth(t, slices.Concat([]string{"cp"}, words[:len(words)-1], []string{src, dest})...)
				var got []string
				for _, row := range contents(t, changed) {
					if !slices.Contains(before, row) {
						got = append(got, row)
					}
				}
				if strings.Join(got, ",") != tt.want {
					t.Errorf("made %q, want %q; %+v", got, tt.want, r)
				}
				failed := r.code == 1 && r.out == "" && strings.HasPrefix(r.err, "Error: ") && strings.Contains(r.err, strings.Trim(tt.err, "|"))
				if tt.err != "" && !failed || tt.err == "" && (r.code != 0 || r.err != "") {
					t.Errorf("want error %q: %+v", tt.err, r)
				}
			})
		}
	}
}

func TestCopyArguments(t *testing.T) {
	w, root, local := copyWorld(t)
	if err := os.WriteFile("x:y", []byte("colon"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ args, want string }{
		{"cp box:a box:b", "Error: copying between containers is not supported\n"},
		{"cp a b", "Error: must specify at least one container source\n"},
		{"cp ./x:y /tmp", "Error: must specify at least one container source\n"},
		{"cp box:/file /no/such", "Error: invalid output path: directory \"/no\" does not exist\n"},
		{"cp box:/nothing x", "Error: Could not find the file /nothing in container box\n"},
		{"cp file box:/no/x", "Error: Could not find the file /no in container box\n"},
		{"cp nothing box:/", "Error: lstat " + local + "/nothing: no such file or directory\n"},
		{"cp - box:/file", "Error: destination \"box:/file\" must be a directory\n"},
		{"cp file nope:/x", "Error: No such container: nope\n"},
		{"cp box:/file /dev/null", "Error: invalid output path: \"/dev/null\" must be a directory or a regular file: got a device\n"},
	}
	for _, tt := range tests {
		if r := w.berth(t, strings.Fields(tt.args)...); r.code != 1 || r.err != tt.want {
			t.Errorf("%s: %+v, want %q", tt.args, r, tt.want)
		}
	}
	for _, args := range [][]string{{"cp", "", "box:x"}, {"cp", "x", ""}, {"cp", "x"}, {"cp", "a", "b", "c"}} {
		if r := w.berth(t, args...); r.code != 1 {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := w.berth(t, "cp", "-q=false", "./x:y", "box:/"); r.code != 0 || r.err != "Successfully copied 2.05kB to box:/\n" {
		t.Errorf("a name with a colon: %+v", r)
	}
	if b, err := os.ReadFile(root + "/x:y"); string(b) != "colon" {
		t.Errorf("%q, %v", b, err)
	}
	if r := w.berth(t, "cp", "--quiet=false", "box:x:y", "out"); r.code != 0 || r.err != "Successfully copied 2.05kB to "+local+"/out\n" {
		t.Errorf("out: %+v", r)
	}
}

// pipe sets what the next command line reads on stdin.
func pipe(t *testing.T, w *world, text string) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "in")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	w.piped = f
}

func TestCopyStreams(t *testing.T) {
	w, root, _ := copyWorld(t)
	out := w.berth(t, "cp", "box:/dir", "-")
	if out.code != 0 || !strings.HasPrefix(out.out, "dir/") {
		t.Fatalf("to stdout: %+v", out)
	}
	pipe(t, w, out.out)
	if r := w.berth(t, "cp", "-", "box:/empty"); r.code != 0 {
		t.Fatalf("from stdin: %+v", r)
	}
	if b, err := os.ReadFile(root + "/empty/dir/sub/b"); string(b) != "B" {
		t.Errorf("%q, %v", b, err)
	}
	pipe(t, w, strings.Repeat("no archive, but long enough to be taken for the beginning of one. ", 10))
	if r := w.berth(t, "cp", "-", "box:/empty"); r.code != 1 {
		t.Errorf("no archive: %+v", r)
	}
}

// TestCopyStaysInside: links of the container lead to its own files.
func TestCopyStaysInside(t *testing.T) {
	w, root, local := copyWorld(t)
	outside := t.TempDir()
	if err := os.WriteFile(outside+"/secret", []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"abs": outside, "up": "../../../../../../../../.." + outside, "absfile": outside + "/secret", "self": "/proc/self/root" + outside, "loop": "loop",
	} {
		if err := os.Symlink(target, root+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{
		"box:abs/secret got", "-L box:absfile got", "box:up/secret got", "box:self/secret got", "-L box:loop got", "box:abs/. got",
		"file box:abs/secret", "file box:absfile", "file box:up/", "file box:loop", "file box:self/x", "dir box:abs/d", "dir/. box:abs/.",
	} {
		r := w.berth(t, append([]string{"cp"}, strings.Fields(args)...)...)
		if r.code != 1 {
			t.Errorf("cp %s: %+v", args, r)
		}
	}
	if got := contents(t, outside); !slices.Equal(got, []string{"secret=secret"}) {
		t.Errorf("outside: %q", got)
	}
	if _, err := os.Lstat(local + "/got"); err == nil {
		t.Error("something was copied")
	}
}
