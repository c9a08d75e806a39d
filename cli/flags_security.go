package cli

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"berth/cli/option"
	"berth/container"
	"berth/seccomp"
)

// securityFlags loosen or tighten the confinement.
type securityFlags struct {
	privileged      bool
	capAdd, capDrop []string
	security        []string
	sysctls         []string
}

func (f *securityFlags) options() []*option.Option {
	return []*option.Option{
		option.Switch(&f.privileged, "privileged", "Give extended privileges to this container"),
		option.List(&f.capAdd, "cap-add", "list", "Add Linux capabilities"),
		option.List(&f.capDrop, "cap-drop", "list", "Drop Linux capabilities"),
		option.List(&f.security, "security-opt", "list", "Security Options"),
		option.ParsedList(&f.sysctls, parseSysctl, "sysctl", "map", "Sysctl options"),
	}
}

// parseSysctl accepts what is a namespace's own: any other name would change
// the host (CVE-2022-0811 smuggled one in).
func parseSysctl(s string) (string, error) {
	key, value, given := strings.Cut(s, "=")
	name := strings.ReplaceAll(key, "/", ".")
	if !given || key == "" || strings.ContainsAny(value, "\x00\n") || strings.Contains(name, "..") {
		return "", fmt.Errorf("sysctl '%s' is not allowed", s)
	}
	switch name {
	case "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced":
		return name + "=" + value, nil
	}
	if strings.HasPrefix(name, "net.") || strings.HasPrefix(name, "fs.mqueue.") {
		return name + "=" + value, nil
	}
	return "", fmt.Errorf("sysctl '%s' is not allowed", s)
}

func (f *securityFlags) check() error { return nil }

// apply runs before all other groups: --privileged replaces what they add to.
func (f *securityFlags) apply(d *draft) error {
	if f.privileged {
		devices, err := hostDevices()
		if err != nil {
			return err
		}
		container.Privilege(d.Spec, devices)
		d.Privileged, d.Seccomp = true, "unconfined"
		for _, field := range []string{"process.capabilities", "process.capabilities.bounding", "linux.seccomp", "linux.maskedPaths", "linux.readonlyPaths", "linux.resources.devices"} {
			d.asked(field, "--privileged")
		}
	}
	if err := f.applyCapabilities(d); err != nil {
		return err
	}
	for _, o := range f.security {
		if err := applySecurityOpt(d, o); err != nil {
			return err
		}
	}
	for _, s := range f.sysctls {
		key, value, _ := strings.Cut(s, "=")
		if d.Spec.Linux.Sysctl == nil {
			d.Spec.Linux.Sysctl = map[string]string{}
		}
		d.Spec.Linux.Sysctl[key] = value
		d.asked("linux.sysctl["+key+"]", "--sysctl")
	}
	return nil
}

// applyCapabilities follows docker: ALL in either list sets the base that the
// other list changes.
func (f *securityFlags) applyCapabilities(d *draft) error {
	add, allAdded, err := capabilityNames("CapAdd", f.capAdd)
	if err != nil {
		return err
	}
	drop, allDropped, err := capabilityNames("CapDrop", f.capDrop)
	if err != nil {
		return err
	}
	if len(f.capAdd) == 0 && len(f.capDrop) == 0 {
		return nil
	}
	caps := d.Spec.Process.Capabilities.Bounding
	switch {
	case f.privileged:
		return nil // docker's --privileged wins over both lists
	case allAdded:
		caps = container.AllCapabilities()
	case allDropped:
		caps, drop = nil, nil
	}
	caps = slices.DeleteFunc(slices.Clone(caps), func(c string) bool { return slices.Contains(drop, c) })
	for _, c := range add {
		if !slices.Contains(caps, c) {
			caps = append(caps, c)
		}
	}
	// Inheritable stays empty (CVE-2022-24769).
	d.Spec.Process.Capabilities.Bounding = caps
	d.Spec.Process.Capabilities.Effective = slices.Clone(caps)
	d.Spec.Process.Capabilities.Permitted = slices.Clone(caps)
	from := "--cap-add"
	if len(f.capDrop) > 0 {
		from = "--cap-drop"
		if len(f.capAdd) > 0 {
			from = "--cap-add, --cap-drop"
		}
	}
	d.asked("process.capabilities", from)
	d.asked("process.capabilities.bounding", from)
	return nil
}

// capabilityNames returns canonical names, and whether ALL was among them.
func capabilityNames(field string, list []string) (names []string, all bool, err error) {
	for _, s := range list {
		for part := range strings.SplitSeq(s, ",") {
			if strings.EqualFold(part, "ALL") {
				all = true
				continue
			}
			name, err := container.CapabilityName(part)
			if err != nil {
				return nil, false, &daemonError{fmt.Errorf("invalid %s: unknown capability: %q", field, "CAP_"+strings.TrimPrefix(strings.ToUpper(part), "CAP_"))}
			}
			names = append(names, name)
		}
	}
	return names, all, nil
}

// applySecurityOpt takes in one --security-opt. Older clients write key:value.
func applySecurityOpt(d *draft, s string) error {
	key, value, given := strings.Cut(s, "=")
	if !given {
		key, value, given = strings.Cut(s, ":")
	}
	switch key {
	case "no-new-privileges":
		return applyNoNewPrivileges(d, s, value, given)
	case "seccomp":
		return applySeccomp(d, value)
	case "apparmor":
		d.Spec.Process.ApparmorProfile = strings.TrimSpace(value)
		d.asked("process.apparmorProfile", "--security-opt")
	case "label":
		if value != "disable" {
			return &hintError{fmt.Errorf("--security-opt %s: this version sets no SELinux label", s), "label=disable is what runs"}
		}
	case "systempaths":
		if value != "unconfined" {
			return fmt.Errorf("invalid --security-opt: %q", s)
		}
		unmask(d, "ALL")
	case "writable-cgroups":
		return applyWritableCgroups(d, s, value)
	case "mask":
		return mask(d, s, value)
	case "unmask":
		unmask(d, value)
	default:
		if !given {
			return verbatim("Invalid --security-opt: %q", s)
		}
		return fmt.Errorf("invalid --security-opt 2: %q", s)
	}
	return nil
}

func applyNoNewPrivileges(d *draft, s, value string, given bool) error {
	on := true
	if given {
		var err error
		if on, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("invalid --security-opt: %q", s)
		}
	}
	d.Spec.Process.NoNewPrivileges = on
	d.asked("process.noNewPrivileges", "--security-opt")
	return nil
}

// applyWritableCgroups lets the container make groups below its own.
func applyWritableCgroups(d *draft, s, value string) error {
	on, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("invalid --security-opt: %q", s)
	}
	for i := range d.Spec.Mounts {
		m := &d.Spec.Mounts[i]
		if on && m.Type == "cgroup" {
			m.Options = slices.DeleteFunc(slices.Clone(m.Options), func(o string) bool { return o == "ro" })
			d.asked(mountField(m.Destination), "--security-opt")
		}
	}
	return nil
}

// mask hides more paths, separated by colons.
func mask(d *draft, s, value string) error {
	for p := range strings.SplitSeq(value, ":") {
		if !strings.HasPrefix(p, "/") {
			return fmt.Errorf("invalid --security-opt: %q: paths must be absolute", s)
		}
		d.Spec.Linux.MaskedPaths = append(d.Spec.Linux.MaskedPaths, p)
	}
	d.asked("linux.maskedPaths", "--security-opt")
	return nil
}

// unmask takes paths from both lists; ALL takes all.
func unmask(d *draft, value string) {
	d.asked("linux.maskedPaths", "--security-opt")
	d.asked("linux.readonlyPaths", "--security-opt")
	if strings.EqualFold(value, "ALL") {
		d.Spec.Linux.MaskedPaths, d.Spec.Linux.ReadonlyPaths = nil, nil
		return
	}
	paths := strings.Split(value, ":")
	without := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(p string) bool { return slices.Contains(paths, p) })
	}
	d.Spec.Linux.MaskedPaths = without(d.Spec.Linux.MaskedPaths)
	d.Spec.Linux.ReadonlyPaths = without(d.Spec.Linux.ReadonlyPaths)
}

// applySeccomp picks the filter: none, docker's, or a profile in a file.
func applySeccomp(d *draft, value string) error {
	d.asked("linux.seccomp", "--security-opt")
	switch value {
	case "unconfined":
		d.Seccomp = value
		return nil
	case "", "builtin":
		d.Seccomp = ""
		return nil
	}
	data, err := os.ReadFile(value)
	if err != nil {
		return fmt.Errorf("opening seccomp profile (%s) failed: %w", value, err)
	}
	if _, err := seccomp.Load(data, d.Spec); err != nil {
		return fmt.Errorf("decoding seccomp profile (%s) failed: %w", value, err)
	}
	d.Seccomp = string(data)
	return nil
}
