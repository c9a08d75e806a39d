package state

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Defaults of the two roots when the environment does not name them.
const (
	defaultRoot = "/var/lib/berth"
	defaultRun  = "/run/berth"
)

// Dirs locates everything that berth keeps. Root survives a reboot, Run is
// normally on tmpfs. Both are absolute and clean. Methods that take an ID or a
// name join it as it is: check it with ValidID or ValidName first.
type Dirs struct {
	Root, Run string
}

// DirsFromEnv reads BERTH_ROOT and BERTH_RUNROOT through getenv and fills in
// the defaults. It touches no file.
func DirsFromEnv(getenv func(string) string) (Dirs, error) {
	d := Dirs{Root: getenv("BERTH_ROOT"), Run: getenv("BERTH_RUNROOT")}
	if d.Root == "" {
		d.Root = defaultRoot
	}
	if d.Run == "" {
		d.Run = defaultRun
	}
	for _, v := range []struct{ name, path string }{{"BERTH_ROOT", d.Root}, {"BERTH_RUNROOT", d.Run}} {
		if !filepath.IsAbs(v.path) || filepath.Clean(v.path) != v.path || v.path == "/" {
			return Dirs{}, fmt.Errorf("use %s=%q: must be an absolute path below / with no trailing slash, empty or dot element", v.name, v.path)
		}
	}
	// Both keep a folder called container.
	if d.Root == d.Run {
		return Dirs{}, fmt.Errorf("use BERTH_ROOT=%q: must differ from BERTH_RUNROOT", d.Root)
	}
	return d, nil
}

// Image is the OCI image layout.
func (d Dirs) Image() string { return d.Root + "/image" }

// Layer holds unpacked layers, a folder per chain ID.
func (d Dirs) Layer() string { return d.Root + "/layer" }

// Cache holds what can be made again at any time, such as compiled filters.
func (d Dirs) Cache() string { return d.Root + "/cache" }

// Containers holds a folder per container, kept across reboots.
func (d Dirs) Containers() string { return d.Root + "/container" }

// Container is the lasting folder of one container.
func (d Dirs) Container(id string) string { return d.Root + "/container/" + id }

// Volumes holds a folder per named volume.
func (d Dirs) Volumes() string { return d.Root + "/volume" }

// Networks holds a record per network.
func (d Dirs) Networks() string { return d.Root + "/network" }

// Build holds the cache records of image builds.
func (d Dirs) Build() string { return d.Root + "/build" }

// RunContainers holds a folder per container that has run since boot.
func (d Dirs) RunContainers() string { return d.Run + "/container" }

// RunContainer is the folder of one container that ends with the boot.
func (d Dirs) RunContainer(id string) string { return d.Run + "/container/" + id }

// OCI is the default --root of the OCI command line.
func (d Dirs) OCI() string { return d.Run + "/oci" }

// OCIContainer is the folder of one container of the OCI command line.
func (d Dirs) OCIContainer(id string) string { return d.Run + "/oci/" + id }

// Names holds the name claims.
func (d Dirs) Names() string { return d.Run + "/name" }

// Name is the claim on one name.
func (d Dirs) Name(name string) string { return d.Run + "/name/" + name }

// Addresses holds a folder of leases per network.
func (d Dirs) Addresses() string { return d.Run + "/address" }

// boot is the marker that says for which boot the claims were restored.
func (d Dirs) boot() string { return d.Run + "/boot" }

// folders lists every folder of the layout below the two roots.
func (d Dirs) folders() []string {
	return []string{
		d.Image(), d.Layer(), d.Cache(), d.Containers(), d.Volumes(), d.Networks(), d.Build(),
		d.RunContainers(), d.OCI(), d.Names(), d.Addresses(),
	}
}

// Ensure makes the two roots and the folders of the layout, mode 0700 whatever
// the umask, and checks those that exist: real directories of the calling
// user that nobody else may write. When all is well it costs one lstat each.
//
// A root that others may read or search is taken as it is, because it may be
// a directory that an administrator shares with something else; the folders
// below are berth's own and are brought back to 0700.
func (d Dirs) Ensure() error {
	for _, root := range []string{d.Root, d.Run} {
		if err := ensureRoot(root); err != nil {
			return err
		}
	}
	for _, dir := range d.folders() {
		if err := MakeDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// ensureRoot makes a root and its parents. Parents get 0755: they are the
// host's, not berth's.
func ensureRoot(root string) error {
	made, perm, err := checkedDir(root)
	if os.IsNotExist(err) {
		if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
			return err
		}
		made, perm, err = checkedDir(root)
	}
	if err != nil || !made {
		return err
	}
	return makePrivate(root, perm)
}

// MakeDir makes one private directory, or checks and tightens the one that is
// there: mode 0700 whatever the umask, owned by the caller, no symlink. It is
// idempotent and safe to race. Its parent must exist and be berth's own.
func MakeDir(path string) error {
	_, perm, err := checkedDir(path)
	if err != nil {
		return err
	}
	return makePrivate(path, perm)
}

// makePrivate sets mode 0700 unless perm already says so. The parent belongs
// to us, so nobody can put a symlink in the way.
func makePrivate(path string, perm uint32) error {
	if perm == 0o700 {
		return nil
	}
	if err := unix.Chmod(path, 0o700); err != nil {
		return &fs.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}

// checkedDir makes the directory when it is missing and refuses one that
// others could control. perm holds its permission bits, made tells whether
// this call created it.
func checkedDir(path string) (made bool, perm uint32, err error) {
	var st unix.Stat_t
	err = unix.Lstat(path, &st)
	if err == unix.ENOENT {
		err = unix.Mkdir(path, 0o700)
		made = err == nil
		if err != nil && err != unix.EEXIST {
			return false, 0, &fs.PathError{Op: "mkdir", Path: path, Err: err}
		}
		err = unix.Lstat(path, &st)
	}
	if err != nil {
		return made, 0, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		err = fmt.Errorf("use %s: %w: it is a symbolic link; name its target in BERTH_ROOT or BERTH_RUNROOT", path, ErrUnsafeDir)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		err = fmt.Errorf("use %s: %w: it is not a directory", path, ErrUnsafeDir)
	case int(st.Uid) != os.Geteuid():
		err = fmt.Errorf("use %s: %w: it belongs to user %d", path, ErrUnsafeDir, st.Uid)
	case st.Mode&0o022 != 0:
		err = fmt.Errorf("use %s: %w: others may write to it (mode %04o)", path, ErrUnsafeDir, st.Mode&0o7777)
	}
	return made, uint32(st.Mode) & 0o7777, err
}
