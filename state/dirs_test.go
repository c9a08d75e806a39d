package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDirsFromEnv(t *testing.T) {
	tests := []struct {
		name, root, run string
		want            Dirs
		wantErr         string
	}{
		{"defaults", "", "", Dirs{"/var/lib/berth", "/run/berth"}, ""},
		{"both set", "/a/b", "/c", Dirs{"/a/b", "/c"}, ""},
		{"relative", "a", "", Dirs{}, "BERTH_ROOT"},
		{"dotdot", "/a/../b", "", Dirs{}, "BERTH_ROOT"},
		{"trailing slash", "", "/run/x/", Dirs{}, "BERTH_RUNROOT"},
		{"whole system", "/", "", Dirs{}, "BERTH_ROOT"},
		{"the same", "/x", "/x", Dirs{}, "must differ"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := map[string]string{"BERTH_ROOT": tt.root, "BERTH_RUNROOT": tt.run}
			got, err := DirsFromEnv(func(k string) string { return env[k] })
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Fatalf("error %v, want %q", err, tt.wantErr)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// The umask belongs to the whole process, so these tests are not parallel.
func TestUmask(t *testing.T) {
	for _, mask := range []int{0o000, 0o077, 0o777} {
		tmp := t.TempDir()
		d := Dirs{Root: filepath.Join(tmp, "root"), Run: filepath.Join(tmp, "run")}
		old := unix.Umask(mask)
		err := d.Ensure()
		file := d.Containers() + "/x.json"
		err = errors.Join(err, WriteJSON(file, &sample{}, Durable))
		l, lockErr := TryLock(d.Run + "/lock")
		unix.Umask(old)
		must(t, errors.Join(err, lockErr, l.Close()))
		for _, dir := range append(d.folders(), d.Root, d.Run) {
			if got := mode(t, dir); got != 0o700 {
				t.Errorf("umask %03o: %s has mode %04o", mask, dir, got)
			}
		}
		if got := mode(t, file); got != 0o600 {
			t.Errorf("umask %03o: record has mode %04o", mask, got)
		}
		if got := mode(t, d.Run+"/lock"); got&^0o600 != 0 {
			t.Errorf("umask %03o: lock has mode %04o", mask, got)
		}
	}
}

func TestEnsureMakesParentsAndIsIdempotent(t *testing.T) {
	tmp := t.TempDir()
	d := Dirs{Root: tmp + "/a/b/root", Run: tmp + "/c/run"}
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for range 16 {
		wg.Go(func() { errs <- d.Ensure() })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
}

func TestEnsureRefusesUnsafe(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, d Dirs)
		want    string
	}{
		{"root is a symlink", func(t *testing.T, d Dirs) {
			must(t, os.Symlink(t.TempDir(), d.Root))
		}, "symbolic link"},
		{"folder is a symlink", func(t *testing.T, d Dirs) {
			must(t, os.Mkdir(d.Root, 0o700))
			must(t, os.Symlink(t.TempDir(), d.Containers()))
		}, "symbolic link"},
		{"dangling symlink", func(t *testing.T, d Dirs) {
			must(t, os.Symlink("/nonexistent", d.Root))
		}, "symbolic link"},
		{"root is a file", func(t *testing.T, d Dirs) {
			must(t, os.WriteFile(d.Root, nil, 0o600))
		}, "not a directory"},
		{"group may write", func(t *testing.T, d Dirs) {
			must(t, os.Mkdir(d.Run, 0o700))
			must(t, os.Chmod(d.Run, 0o770))
		}, "others may write"},
		{"sticky and writable", func(t *testing.T, d Dirs) {
			must(t, os.Mkdir(d.Root, 0o700))
			must(t, os.Chmod(d.Root, 0o777|os.ModeSticky))
		}, "others may write"},
		{"somebody else's", func(t *testing.T, d Dirs) {
			needRoot(t, "to give a directory away")
			must(t, os.Mkdir(d.Root, 0o700))
			must(t, os.Chown(d.Root, 65534, 65534))
		}, "belongs to user 65534"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tmp := t.TempDir()
			d := Dirs{Root: tmp + "/root", Run: tmp + "/run"}
			tt.prepare(t, d)
			err := d.Ensure()
			if !errors.Is(err, ErrUnsafeDir) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ErrUnsafeDir with %q", err, tt.want)
			}
		})
	}
}

func TestEnsureLeavesSharedRootAndTightensFolders(t *testing.T) {
	d := newDirs(t)
	must(t, os.Chmod(d.Root, 0o755))
	must(t, os.Chmod(d.Names(), 0o755))
	must(t, d.Ensure())
	if got := mode(t, d.Root); got != 0o755 {
		t.Errorf("root changed to %04o", got)
	}
	if got := mode(t, d.Names()); got != 0o700 {
		t.Errorf("names has mode %04o", got)
	}
}

// TestEnsureNotices: the shortcut past the folders ends with any change in a
// root, and a root itself is never passed over.
func TestEnsureNotices(t *testing.T) {
	other := t.TempDir()
	tests := []struct {
		name   string
		change func(t *testing.T, d Dirs)
		want   string
	}{
		{"nothing", func(*testing.T, Dirs) {}, ""},
		{"folder removed", func(t *testing.T, d Dirs) { must(t, os.Remove(d.Names())) }, ""},
		{"all removed", func(t *testing.T, d Dirs) { must(t, os.RemoveAll(d.Root)) }, ""},
		{"after a reboot", func(t *testing.T, d Dirs) { must(t, os.RemoveAll(d.Run)) }, ""},
		{"folder replaced by a symlink", func(t *testing.T, d Dirs) {
			must(t, os.Remove(d.OCI()))
			must(t, os.Symlink(other, d.OCI()))
		}, "symbolic link"},
		{"folder replaced by one that others own in part", func(t *testing.T, d Dirs) {
			must(t, os.Mkdir(d.Root+"/x", 0o700))
			must(t, os.Chmod(d.Root+"/x", 0o777))
			must(t, unix.Renameat2(unix.AT_FDCWD, d.Root+"/x", unix.AT_FDCWD, d.Volumes(), unix.RENAME_EXCHANGE))
		}, "others may write"},
		{"root opened", func(t *testing.T, d Dirs) { must(t, os.Chmod(d.Run, 0o777)) }, "others may write"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDirs(t)
			time.Sleep(2 * settleTime)
			must(t, d.Ensure())
			if _, err := os.Readlink(d.layout()); err != nil {
				t.Fatalf("the check was not noted: %v", err)
			}
			tt.change(t, d)
			err := d.Ensure()
			if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrUnsafeDir) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if tt.want != "" {
				return
			}
			for _, dir := range d.folders() {
				if got := mode(t, dir); got != 0o700 {
					t.Errorf("%s has mode %04o", dir, got)
				}
			}
		})
	}
}

// TestLayoutVersion: an older berth's note must not cover a folder that it did
// not know.
func TestLayoutVersion(t *testing.T) {
	const version, known = 1, "R/image R/layer R/cache R/container R/volume R/network R/build r/container r/oci r/name r/address"
	if got := strings.Join(Dirs{"R", "r"}.folders(), " "); layoutVersion != version || got != known {
		t.Errorf("version %d has folders %q: give changed folders a new layoutVersion, here too", layoutVersion, got)
	}
}

func BenchmarkEnsure(b *testing.B) {
	d := newDirs(b)
	time.Sleep(2 * settleTime)
	for b.Loop() {
		must(b, d.Ensure())
	}
}
