package state

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// plant fills dir with what a container may leave.
func plant(t testing.TB, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir+"/rw/work/work", 0o700))
	must(t, os.Chmod(dir+"/rw/work/work", 0))
	must(t, os.MkdirAll(dir+"/rw/upper/a/b", 0o700))
	must(t, os.WriteFile(dir+"/rw/upper/a/b/f", []byte("x"), 0))
	must(t, os.Symlink("/", dir+"/rw/upper/root"))
	must(t, os.Symlink("../../..", dir+"/rw/upper/up"))
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	must(t, os.WriteFile(dir+"/\n\xff name", nil, 0o600))
}

func TestRemoveTree(t *testing.T) {
	tmp := t.TempDir()
	must(t, os.WriteFile(tmp+"/canary", []byte("x"), 0o600))
	plant(t, tmp+"/c")
	must(t, RemoveTree(tmp+"/c"))
	must(t, RemoveTree(tmp+"/c")) // idempotent
	must(t, RemoveTree(tmp+"/none/c"))
	must(t, os.Symlink("canary", tmp+"/link"))
	must(t, RemoveTree(tmp+"/link"))
	if got := entries(t, tmp); len(got) != 1 || got[0] != "canary" {
		t.Errorf("left: %v", got)
	}
	for _, bad := range []string{"", "/", ".", "..", tmp + "/", tmp + "/.."} {
		if err := RemoveTree(bad); err == nil {
			t.Errorf("removed %q", bad)
		}
	}
}

func TestRemoveTreeWide(t *testing.T) {
	tmp := t.TempDir()
	for i := range 5000 {
		name := tmp + "/c/" + strconv.Itoa(i%7) + "/" + strings.Repeat("n", 100) + strconv.Itoa(i)
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, nil, 0o600))
	}
	must(t, RemoveTree(tmp+"/c"))
	if got := entries(t, tmp); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// dig makes a chain of n directories, each with a file, and far longer than
// PATH_MAX.
func dig(t *testing.T, top string, n int) {
	t.Helper()
	must(t, os.Mkdir(top, 0o700))
	fd, err := unix.Open(top, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	for range n {
		must(t, unix.Mkdirat(fd, "deep-directory", 0o700))
		must(t, unix.Mknodat(fd, "file", unix.S_IFREG|0o600, 0))
		next, err := unix.Openat(fd, "deep-directory", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Close(fd))
		fd = next
	}
	must(t, unix.Close(fd))
}

func TestRemoveTreeDeep(t *testing.T) {
	tmp := t.TempDir()
	dig(t, tmp+"/c", 3000)
	// Far fewer descriptors than levels, and a path far above PATH_MAX.
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: old.Max}))
	defer func() { must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old)) }()
	must(t, RemoveTree(tmp+"/c"))
	if got := entries(t, tmp); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestRemoveTreeLeavesMounts(t *testing.T) {
	needRoot(t, "to mount a tmpfs")
	for _, where := range []string{"c/rw/mnt", "c"} {
		tmp := t.TempDir()
		must(t, os.MkdirAll(tmp+"/c/rw", 0o700))
		mountTmpfs(t, tmp+"/"+where, "64k")
		must(t, os.WriteFile(tmp+"/"+where+"/kept", nil, 0o600))
		err := RemoveTree(tmp + "/c")
		if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), filepath.Base(where)) {
			t.Errorf("%s: got %v, want EBUSY that names it", where, err)
		}
		found := false
		must(t, filepath.Walk(tmp, func(path string, _ os.FileInfo, err error) error {
			found = found || filepath.Base(path) == "kept"
			if err == nil && filepath.Base(path) == filepath.Base(where) || strings.HasPrefix(filepath.Base(path), removingPrefix) {
				t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
			}
			return err
		}))
		if !found {
			t.Errorf("%s: emptied the mount", where)
		}
	}
}

func TestRemoveTreeConcurrently(t *testing.T) {
	d := newDirs(t)
	for range 8 {
		id := newID(t)
		plant(t, d.Container(id))
		dig(t, d.Container(id)+"/deep", 200)
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				if err := RemoveTree(d.Container(id)); err != nil {
					t.Error(err)
				}
				if i%2 == 0 {
					if _, err := Sweep(d); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	if got := entries(t, d.Containers()); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestSweep(t *testing.T) {
	d := newDirs(t)
	id := newID(t)
	stop(t, d, id)
	dead := deadProcess(t)
	old := func(pid int, ns string) string { return stagingPrefix + strconv.Itoa(pid) + "-" + ns }
	gone := []string{
		d.Root + "/" + old(dead.PID, "1"),
		d.Layer() + "/" + old(dead.PID, "2"),
		d.Container(id) + "/" + old(dead.PID, "3"),
		d.Containers() + "/" + removingPrefix + "1-2",
		d.RunContainers() + "/" + removingPrefix + "x",
		d.Run + "/" + old(os.Getpid(), "1"),                   // made before this process began
		d.Run + "/" + old(os.Getpid(), "9000000000000000000"), // made in an earlier, longer boot
	}
	kept := []string{
		d.Container(id) + "/" + StagingName(),
		d.Layer() + "/sha256-x",
		d.Root + "/.tmp-mine",
		d.Root + "/.hidden",
	}
	for i, path := range append(append([]string{}, gone...), kept...) {
		if i%2 == 0 {
			plant(t, path)
		} else {
			must(t, os.WriteFile(path, []byte("x"), 0o600))
		}
	}
	removed, err := Sweep(d)
	must(t, err)
	if len(removed) != len(gone) {
		t.Errorf("removed %v", removed)
	}
	for _, path := range gone {
		if exists(path) {
			t.Errorf("%s is still there", path)
		}
	}
	for _, path := range append(kept, d.Container(id)) {
		if !exists(path) {
			t.Errorf("%s was removed", path)
		}
	}
	if removed, err = Sweep(d); err != nil || len(removed) != 0 {
		t.Errorf("second sweep: %v, %v", removed, err)
	}
}

func TestSweepFreesClaims(t *testing.T) {
	d, me, dead := newDirs(t), self(t), deadProcess(t)
	a, b := newID(t), newID(t)
	stop(t, d, a)
	_, err := RestoreNames(d, "boot", func() ([]Named, error) { return []Named{{a, "stopped"}}, nil })
	must(t, err)
	must(t, Claim(d, "starting", b, me))
	must(t, Claim(d, "stale", newID(t), dead))
	must(t, os.Symlink("v2:x", d.Name("newer")))
	removed, err := Sweep(d)
	must(t, err)
	if len(removed) != 1 || removed[0] != d.Name("stale") || !restored(d, "boot") {
		t.Errorf("removed %v, marker %v", removed, restored(d, "boot"))
	}
	wantHolder(t, d, "stale", "")
	wantHolder(t, d, "stopped", a)
	wantHolder(t, d, "starting", b)
	// The damage hits a container's name: the next restore brings it back.
	must(t, os.Remove(d.Name("stopped")))
	must(t, os.WriteFile(d.Name("stopped"), nil, 0o600))
	_, err = Sweep(d)
	must(t, err)
	_, err = RestoreNames(d, "boot", func() ([]Named, error) { return []Named{{a, "stopped"}}, nil })
	must(t, err)
	wantHolder(t, d, "stopped", a)
}

func TestSweepStaysInside(t *testing.T) {
	d, other := newDirs(t), t.TempDir()
	must(t, os.WriteFile(other+"/"+removingPrefix+"1", nil, 0o600))
	must(t, os.Symlink(other, d.Containers()+"/link"))
	must(t, os.Symlink(other, d.Containers()+"/"+removingPrefix+"link"))
	_, err := Sweep(d)
	must(t, err)
	if got := entries(t, other); len(got) != 1 {
		t.Error("followed a symlink out")
	}
}

func BenchmarkRemoveContainer(b *testing.B) {
	d, id := newDirs(b), newID(b)
	for b.Loop() {
		must(b, os.MkdirAll(d.Container(id)+"/rw/work", 0o700))
		must(b, os.Mkdir(d.Container(id)+"/rw/upper", 0o700))
		must(b, RemoveTree(d.Container(id)))
	}
}
