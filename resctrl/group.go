package resctrl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// mountPoint is where resctrl is mounted by convention.
const mountPoint = "/sys/fs/resctrl"

// FS is a mounted resctrl file system.
type FS struct {
	// Dir is its mount point.
	Dir string
	// made is called when a group has been made; tests put the files there
	// that the kernel does.
	made func(dir string)
}

// Find looks for resctrl, first where it usually is. Without it the error wraps
// [ErrUnsupported].
func Find() (FS, error) {
	var st unix.Statfs_t
	if unix.Statfs(mountPoint, &st) == nil && st.Type == unix.RDTGROUP_SUPER_MAGIC {
		return FS{Dir: mountPoint}, nil
	}
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("resctrl"))
	if err != nil {
		return FS{}, fmt.Errorf("find resctrl: read mount table: %w", err)
	}
	if len(mounts) == 0 {
		return FS{}, fmt.Errorf("find resctrl: no such file system is mounted (mount -t resctrl resctrl %s): %w", mountPoint, ErrUnsupported)
	}
	return FS{Dir: mounts[0].Mountpoint}, nil
}

// Group is a container's place in resctrl.
type Group struct {
	fs  FS
	id  string
	rdt specs.LinuxIntelRdt
}

// Group checks a config by itself, and looks at nothing. The error wraps
// [ErrConfig].
func (f FS) Group(id string, rdt *specs.LinuxIntelRdt) (*Group, error) {
	g := &Group{fs: f, id: id, rdt: *rdt}
	if rdt.ClosID != "/" && badName(g.class()) {
		return nil, fmt.Errorf("linux.intelRdt.closID: %q names no group: %w", g.class(), ErrConfig)
	}
	if rdt.EnableMonitoring && badName(id) {
		return nil, fmt.Errorf("linux.intelRdt.enableMonitoring: id %q names no group: %w", id, ErrConfig)
	}
	if _, err := lines(rdt); err != nil {
		return nil, err
	}
	return g, nil
}

// badName tells that a name leads elsewhere, or is one of resctrl's own.
func badName(name string) bool {
	return name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\n\x00") ||
		slices.Contains([]string{"info", "mon_groups", "mon_data"}, name)
}

// class is the name of the container's class of service.
func (g *Group) class() string {
	if g.rdt.ClosID != "" {
		return g.rdt.ClosID
	}
	return g.id
}

// own tells that the class of service is the container's alone.
func (g *Group) own() bool { return g.rdt.ClosID == "" }

// Dir is the folder of the container's class of service.
func (g *Group) Dir() string { return filepath.Join(g.fs.Dir, g.class()) }

// monitor is the folder of the container's monitoring group.
func (g *Group) monitor() string { return filepath.Join(g.Dir(), "mon_groups", g.id) }

// Check refuses what cannot work on this machine. It makes nothing.
func (g *Group) Check() error {
	list, err := lines(&g.rdt)
	if err != nil {
		return err
	}
	if err := g.fs.offers(list); err != nil {
		return err
	}
	if g.rdt.EnableMonitoring && !exists(filepath.Join(g.fs.Dir, "info/L3_MON")) {
		return fmt.Errorf("linux.intelRdt.enableMonitoring: the processor has no resource monitoring: %w", ErrUnsupported)
	}
	switch there := exists(g.Dir()); {
	case g.own() && there:
		return g.checkLeftover()
	case g.own():
		return nil
	case !there && len(list) == 0:
		return fmt.Errorf("linux.intelRdt.closID: there is no class of service %q, and no schema to make it with: %w", g.rdt.ClosID, ErrConfig)
	case there:
		return g.compare(list)
	}
	return nil
}

// checkLeftover lets a group of the container's name be taken again if it is
// what a container of that name left behind.
func (g *Group) checkLeftover() error {
	text, err := os.ReadFile(filepath.Join(g.Dir(), "tasks"))
	if err != nil {
		return fmt.Errorf("linux.intelRdt: %w", err)
	}
	if strings.TrimSpace(string(text)) != "" {
		return fmt.Errorf("linux.intelRdt: class of service %q exists and has tasks: %w", g.id, ErrConfig)
	}
	return nil
}

// Join makes what is missing and puts a process into it; processes that it
// forks later follow. After an error nothing is left that it made.
func (g *Group) Join(pid int) error {
	made, err := g.fs.mkdir(g.Dir())
	if err != nil {
		return fmt.Errorf("linux.intelRdt.closID: make class of service: %w", err)
	}
	if err = g.set(made); err == nil {
		err = g.Enter(pid)
	}
	if err != nil && made {
		_ = unix.Rmdir(g.Dir())
	}
	return err
}

// set writes the schemas. What a class of service that was there has already
// was compared.
func (g *Group) set(made bool) error {
	list, err := lines(&g.rdt)
	if err != nil {
		return err
	}
	for _, x := range list {
		if !made && !g.own() && x.field != "schemata" {
			continue
		}
		if err := g.fs.writeSchema(g.Dir(), x); err != nil {
			return err
		}
	}
	return nil
}

// Enter puts a process into the class of service, which is there, and into the
// container's monitoring group. Processes that it forks later follow.
func (g *Group) Enter(pid int) error {
	if err := write(filepath.Join(g.Dir(), "tasks"), strconv.Itoa(pid)); err != nil {
		return fmt.Errorf("linux.intelRdt: %w", err)
	}
	if !g.rdt.EnableMonitoring {
		return nil
	}
	made, err := g.fs.mkdir(g.monitor())
	if err == nil {
		err = write(filepath.Join(g.monitor(), "tasks"), strconv.Itoa(pid))
	}
	if err == nil {
		return nil
	}
	if made {
		_ = unix.Rmdir(g.monitor())
	}
	return fmt.Errorf("linux.intelRdt.enableMonitoring: %w", err)
}

// mkdir makes a group, and tells whether it was missing.
func (f FS) mkdir(dir string) (made bool, err error) {
	switch err := unix.Mkdir(dir, 0o755); err {
	case nil:
		if f.made != nil {
			f.made(dir)
		}
		return true, nil
	case unix.EEXIST:
		return false, nil
	case unix.ENOSPC:
		return false, fmt.Errorf("mkdir %s: %w (the processor has no more identifiers for groups)", dir, err)
	default:
		return false, fmt.Errorf("mkdir %s: %w", dir, err)
	}
}

// Remove removes what belongs to the container. Groups that are gone are fine.
func (g *Group) Remove() error {
	var errs []error
	if g.rdt.EnableMonitoring {
		errs = append(errs, rmdir(g.monitor()))
	}
	if g.own() {
		errs = append(errs, rmdir(g.Dir()))
	}
	return errors.Join(errs...)
}

func rmdir(dir string) error {
	// The kernel moves tasks that are left to the parent.
	if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
		return fmt.Errorf("rmdir %s: %w", dir, err)
	}
	return nil
}

// Update writes new schemas for a running container's class of service. Fields
// that are empty stay as they are; closID and enableMonitoring cannot change.
func (g *Group) Update(rdt *specs.LinuxIntelRdt) error {
	list, err := lines(rdt)
	if err != nil {
		return err
	}
	if err := g.fs.offers(list); err != nil {
		return err
	}
	for _, x := range list {
		if err := g.fs.writeSchema(g.Dir(), x); err != nil {
			return err
		}
	}
	return nil
}

// write writes a control file with one call.
func write(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(value + "\n"); err != nil {
		return fmt.Errorf("write %q: %w", value, err)
	}
	return nil
}

func exists(file string) bool { return unix.Access(file, unix.F_OK) == nil }
