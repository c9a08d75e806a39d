package container

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/nsenter"
)

// maxDeviceName is how long a network device's name may be, in bytes
// (IFNAMSIZ, less the NUL).
const maxDeviceName = 15

// DeviceMover moves a network device of the host into the network namespace of
// process pid and brings it up there; name is its name there.
type DeviceMover func(pid int, host, name string) error

// checkDeviceName refuses what the kernel would not take for a device's name.
func checkDeviceName(field, name string) error {
	switch {
	case name == "" || name == "." || name == ".." || len(name) > maxDeviceName:
	case strings.ContainsAny(name, "/:") || strings.ContainsFunc(name, unicode.IsSpace) || strings.IndexByte(name, 0) >= 0:
	default:
		return nil
	}
	return fmt.Errorf("%s: %q is not a network device's name", field, name)
}

// template reports whether the kernel makes a name of this one, with a number
// that is free (runtime-spec, config-linux.md, "Network Devices").
func template(name string) bool { return strings.HasSuffix(name, "%d") }

// netDevices returns the devices to move, each with its name in the container,
// in the order of their names on the host.
func netDevices(s *specs.Spec) [][2]string {
	var list [][2]string
	for _, host := range slices.Sorted(maps.Keys(s.Linux.NetDevices)) {
		name := s.Linux.NetDevices[host].Name
		if name == "" {
			name = host
		}
		list = append(list, [2]string{host, name})
	}
	return list
}

// checkNetDevices refuses devices that cannot be moved.
func checkNetDevices(s *specs.Spec) error {
	list := netDevices(s)
	if len(list) == 0 {
		return nil
	}
	if namespace(s, specs.NetworkNamespace) == nil {
		return fmt.Errorf("linux.netDevices: moving devices needs a network namespace")
	}
	taken := map[string]string{}
	for _, d := range list {
		host, name := d[0], d[1]
		if err := checkDeviceName("linux.netDevices", host); err != nil {
			return err
		}
		if template(host) {
			return fmt.Errorf("linux.netDevices: %q is a template, not a device", host)
		}
		field := "linux.netDevices[" + host + "].name"
		if err := checkDeviceName(field, name); err != nil {
			return err
		}
		if strings.Contains(strings.TrimSuffix(name, "%d"), "%") {
			return fmt.Errorf("%s: %q is not a network device's name", field, name)
		}
		if other, ok := taken[name]; ok && !template(name) {
			return fmt.Errorf("%s: %q is what %s will be called, too", field, name, other)
		}
		taken[name] = host
	}
	return nil
}

// moveDevices plans the moves. They need the container's network namespace, so
// the child has been waited for.
func (c *compiler) moveDevices() error {
	list := netDevices(c.in.Spec)
	if len(list) > 0 && c.in.MoveDevice == nil {
		return fmt.Errorf("linux.netDevices: not supported here")
	}
	for _, d := range list {
		host, name := d[0], d[1]
		text := "move network device " + host + " into the container"
		if name != host {
			text += ", as " + name
		}
		c.p.Add(nsenter.Do(text, func(h *nsenter.Run) error { return c.in.MoveDevice(h.Pid(), host, name) }).
			On(host).For(c.from("linux.netDevices"), "with the addresses that it has, and up"))
	}
	return nil
}
