package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	units "github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
)

// mountFlags are what the container sees of files.
type mountFlags struct {
	volumes  []bind
	mounts   []mountSpec
	tmpfs    []specs.Mount
	readOnly bool
	shmSize  int64
	devices  []device
	// rules are those of --device-cgroup-rule, ruleTexts the same as given.
	rules     []specs.LinuxDeviceCgroup
	ruleTexts []string
	from      []volumesFrom
	rootfs    string
}

func (f *mountFlags) options() []*option.Option {
	return []*option.Option{
		option.ParsedList(&f.volumes, parseVolume, "v,volume", "list", "Bind mount a folder or file of the host"),
		option.ParsedList(&f.mounts, parseMount, "mount", "mount", "Attach a filesystem mount to the container"),
		option.ParsedList(&f.tmpfs, parseTmpfs, "tmpfs", "list", "Mount a tmpfs directory"),
		option.Switch(&f.readOnly, "read-only", "Mount the container's root filesystem as read only"),
		option.Parsed(&f.shmSize, units.RAMInBytes, "shm-size", "bytes", "Size of /dev/shm"),
		option.ParsedList(&f.devices, parseDevice, "device", "list", "Add a host device to the container"),
		option.New("device-cgroup-rule", "list", "Add a rule to the cgroup allowed devices list", f.addRule),
		option.ParsedList(&f.from, parseVolumesFrom, "volumes-from", "list", "Mount volumes from the specified container(s)"),
		option.Text(&f.rootfs, "rootfs", "dir", "Run on a root file system of the host instead of an image"),
	}
}

// check refuses two mounts in one place.
func (f *mountFlags) check() error {
	seen := map[string]bool{}
	twice := func(destination string) error {
		if seen[destination] {
			return verbatim("Duplicate mount point: %s", destination)
		}
		seen[destination] = true
		return nil
	}
	var errs []error
	for _, v := range f.volumes {
		errs = append(errs, twice(v.destination))
	}
	for _, m := range f.mounts {
		errs = append(errs, twice(m.target))
	}
	for _, m := range f.tmpfs {
		errs = append(errs, twice(m.Destination))
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *mountFlags) apply(d *draft) error {
	if f.readOnly {
		d.Spec.Root.Readonly = true
		d.asked("root.readonly", "--read-only")
	}
	if f.shmSize > 0 {
		f.applyShm(d)
	}
	for _, v := range f.from {
		if err := v.apply(d); err != nil {
			return err
		}
	}
	for _, m := range f.tmpfs {
		d.setMount(m, "--tmpfs")
	}
	for _, m := range f.mounts {
		if err := f.applyMount(d, m); err != nil {
			return err
		}
	}
	for _, b := range f.volumes {
		if err := b.prepare(d); err != nil {
			return err
		}
		d.setMount(b.mount(), "--volume")
	}
	for _, dev := range f.devices {
		if err := dev.apply(d); err != nil {
			return err
		}
	}
	f.applyRules(d)
	return nil
}

// applyShm changes the size of the /dev/shm that every container has.
func (f *mountFlags) applyShm(d *draft) {
	for i := range d.Spec.Mounts {
		m := &d.Spec.Mounts[i]
		if m.Destination != "/dev/shm" || m.Type != "tmpfs" {
			continue // the host's, with --ipc host
		}
		m.Options = slices.DeleteFunc(slices.Clone(m.Options), func(o string) bool { return len(o) > 5 && o[:5] == "size=" })
		m.Options = append(m.Options, "size="+strconv.FormatInt(f.shmSize, 10))
		d.asked(mountField(m.Destination), "--shm-size")
	}
}

func (f *mountFlags) applyMount(d *draft, m mountSpec) error {
	if m.kind == "tmpfs" {
		options := m.tmpfs
		if m.readOnly {
			options = append(options, "ro")
		}
		d.setMount(tmpfsMount(m.target, options), "--mount")
		return nil
	}
	b, err := m.bind()
	if err != nil {
		return err
	}
	if err := b.prepare(d); err != nil {
		return err
	}
	d.setMount(b.mount(), "--mount")
	return nil
}

// prepare makes sure that the source is there: -v makes a folder, as in docker.
func (b bind) prepare(d *draft) error {
	if slices.Contains(b.options, "idmap") && d.Modes.User == "" {
		return fmt.Errorf("invalid mount config for type \"bind\": idmap at %s needs a user namespace (--userns)", b.destination)
	}
	_, err := os.Stat(b.source)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("invalid mount config for type \"bind\": %w", err)
	case !b.create:
		return fmt.Errorf("invalid mount config for type \"bind\": bind source path does not exist: %s", b.source)
	}
	if err := os.MkdirAll(b.source, 0o755); err != nil {
		return verbatim("error while creating mount source path '%s': %w", b.source, err)
	}
	return nil
}
