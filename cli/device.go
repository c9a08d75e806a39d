package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
)

// device is one --device: HOST[:CONTAINER][:PERMISSIONS].
type device struct{ host, inside, access string }

func parseDevice(s string) (device, error) {
	parts := strings.Split(s, ":")
	d := device{host: parts[0], inside: parts[0], access: "rwm"}
	switch {
	case len(parts) > 3 || parts[0] == "":
		return d, verbatim("bad format for path: %s", s)
	case strings.Contains(parts[0], "=") && !path.IsAbs(parts[0]):
		return d, fmt.Errorf("device %s: this version knows no devices of the Container Device Interface", s)
	case len(parts) == 3:
		d.inside, d.access = parts[1], parts[2]
	case len(parts) == 2 && isAccess(parts[1]):
		d.access = parts[1]
	case len(parts) == 2:
		d.inside = parts[1]
	}
	if !isAccess(d.access) {
		return d, verbatim("bad mode specified: %s", d.access)
	}
	for _, p := range []string{d.inside, d.host} {
		if !path.IsAbs(p) {
			return d, verbatim("%s is not an absolute path", p)
		}
	}
	d.inside = path.Clean(d.inside)
	return d, nil
}

// isAccess tells whether s is a set of read, write and mknod.
func isAccess(s string) bool {
	seen := map[rune]bool{}
	for _, c := range s {
		if !strings.ContainsRune("rwm", c) || seen[c] {
			return false
		}
		seen[c] = true
	}
	return s != ""
}

// addRule reads one --device-cgroup-rule: TYPE MAJOR:MINOR ACCESS, as the kernel
// takes it (cgroup-v1/devices.rst).
func (f *mountFlags) addRule(s string) error {
	refused := verbatim("invalid device cgroup format '%s'", s)
	kind, rest, _ := strings.Cut(s, " ")
	numbers, access, _ := strings.Cut(rest, " ")
	major, minor, both := strings.Cut(numbers, ":")
	if !slices.Contains([]string{"a", "b", "c"}, kind) || !both || !isAccess(access) {
		return refused
	}
	r := specs.LinuxDeviceCgroup{Allow: true, Type: kind, Access: access}
	for _, x := range []struct {
		text string
		to   **int64
	}{{major, &r.Major}, {minor, &r.Minor}} {
		if x.text == "*" {
			continue
		}
		n, err := strconv.ParseUint(x.text, 10, 31)
		if err != nil {
			return refused
		}
		*x.to = to(int64(n))
	}
	f.rules = append(f.rules, r)
	f.ruleTexts = append(f.ruleTexts, s)
	return nil
}

func (f *mountFlags) applyRules(d *draft) {
	if len(f.rules) == 0 {
		return
	}
	d.resources().Devices = append(d.resources().Devices, f.rules...)
	d.DeviceRules = f.ruleTexts
	d.asked("linux.resources.devices", "--device-cgroup-rule")
}

// apply adds the device, or all devices below it when it is a folder.
func (d device) apply(to *draft) error {
	to.Devices = append(to.Devices, container.Device{Host: d.host, Inside: d.inside, Access: d.access})
	host, err := filepath.EvalSymlinks(d.host)
	if err != nil {
		return d.cannot(err)
	}
	info, err := os.Stat(host)
	if err != nil {
		return d.cannot(err)
	}
	if !info.IsDir() {
		return d.add(to, host, d.inside)
	}
	return filepath.WalkDir(host, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeDevice == 0 {
			return err
		}
		return d.add(to, name, path.Join(d.inside, strings.TrimPrefix(name, host)))
	})
}

func (d device) cannot(err error) error {
	return verbatim("error gathering device information while adding custom device %q: %w", d.host, err)
}

// add makes the file in the container and allows it in the cgroup.
func (d device) add(to *draft, host, inside string) error {
	dev, err := deviceAt(host)
	if err != nil {
		return d.cannot(err)
	}
	dev.Path = inside
	to.Spec.Linux.Devices = append(to.Spec.Linux.Devices, dev)
	to.resources().Devices = append(to.resources().Devices, specs.LinuxDeviceCgroup{
		Allow: true, Type: dev.Type, Major: &dev.Major, Minor: &dev.Minor, Access: d.access,
	})
	to.asked("linux.devices["+inside+"]", "--device")
	to.asked("linux.resources.devices", "--device")
	return nil
}

// deviceAt describes a device node of the host, under its own path.
func deviceAt(name string) (specs.LinuxDevice, error) {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return specs.LinuxDevice{}, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	var kind string
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		kind = "b"
	case unix.S_IFCHR:
		kind = "c"
	default:
		return specs.LinuxDevice{}, fmt.Errorf("%s is not a device node", name)
	}
	return specs.LinuxDevice{
		Path: name, Type: kind, Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)),
		FileMode: to(os.FileMode(st.Mode & 0o777)), UID: to(st.Uid), GID: to(st.Gid),
	}, nil
}

// hostDevices lists what --privileged gives: the devices of /dev, without
// terminals and without what every container has of its own.
func hostDevices() ([]specs.LinuxDevice, error) {
	var list []specs.LinuxDevice
	err := filepath.WalkDir("/dev", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			// A device that was unplugged meanwhile is no reason to fail.
			return ignoreMissing(err)
		}
		if e.IsDir() {
			switch name {
			case "/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/.lxc", "/dev/.lxd-mounts", "/dev/.udev":
				return fs.SkipDir
			}
			return nil
		}
		switch name {
		case "/dev/console", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx":
			return nil
		}
		if e.Type()&fs.ModeDevice == 0 {
			return nil
		}
		dev, err := deviceAt(name)
		if err != nil {
			return ignoreMissing(err)
		}
		list = append(list, dev)
		return nil
	})
	return list, err
}
