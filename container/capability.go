package container

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// DefaultCapabilities are docker's: enough for the usual image, which expects
// them, and nothing that administers the host.
func DefaultCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD",
		"CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP",
		"CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
	}
}

// AllCapabilities are those of the running kernel that this process may hand
// on: a capability outside our own bounding set cannot be given to anyone.
func AllCapabilities() []string {
	var names []string
	for _, c := range capability.ListKnown() {
		if set, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err == nil && set == 1 {
			names = append(names, capName(c))
		}
	}
	return names
}

// KnownCapabilities are those that this version has names for, sorted, whatever
// the host can grant.
func KnownCapabilities() []string {
	var names []string
	for _, c := range capability.ListKnown() {
		names = append(names, capName(c))
	}
	slices.Sort(names)
	return names
}

func capName(c capability.Cap) string { return "CAP_" + strings.ToUpper(c.String()) }

// Capabilities returns the canonical names of all capabilities that are known.
func Capabilities() []string {
	var names []string
	for _, c := range capability.ListKnown() {
		names = append(names, capName(c))
	}
	return names
}

// CapabilityName returns the canonical name ("CAP_NET_ADMIN") of a capability
// as users write it, or an error with docker's words.
func CapabilityName(s string) (string, error) {
	name := "CAP_" + strings.TrimPrefix(strings.ToUpper(s), "CAP_")
	for _, c := range capability.ListKnown() {
		if capName(c) == name {
			return name, nil
		}
	}
	return "", fmt.Errorf("invalid capability: %q", s)
}

// capSets are the five sets as bits.
type capSets struct {
	bounding, effective, permitted, inheritable, ambient uint64
}

// capabilitySets reads the five sets of the spec; none means none. What cannot
// be granted is left out with a warning, as config.md ("capabilities") asks of
// runtimes: names that nobody knows, capabilities that the kernel does not know,
// and those that this process does not have to give.
func capabilitySets(c *specs.LinuxCapabilities, host Host) (s capSets, warnings []string, err error) {
	if c == nil {
		return s, nil, nil
	}
	known := capability.ListKnown()
	var unknown, withheld []string
	for _, f := range []struct {
		names []string
		to    *uint64
	}{
		{c.Bounding, &s.bounding}, {c.Effective, &s.effective}, {c.Permitted, &s.permitted},
		{c.Inheritable, &s.inheritable}, {c.Ambient, &s.ambient},
	} {
		for _, name := range f.names {
			i := slices.IndexFunc(known, func(c capability.Cap) bool { return capName(c) == name })
			switch {
			case i < 0 || int(known[i]) > host.LastCap:
				unknown = append(unknown, name)
			case host.Withheld&(1<<known[i]) != 0:
				withheld = append(withheld, name)
			default:
				*f.to |= 1 << known[i]
			}
		}
	}
	for text, names := range map[string][]string{"unknown": unknown, "unavailable": withheld} {
		if slices.Sort(names); len(names) > 0 {
			warnings = append(warnings, fmt.Sprintf("process.capabilities: ignoring %s capabilities %s", text, strings.Join(slices.Compact(names), ", ")))
		}
	}
	if lost := s.dropAmbient(); len(lost) > 0 {
		warnings = append(warnings, "process.capabilities.ambient: ignoring "+strings.Join(lost, ", ")+": not permitted and inheritable too")
	}
	slices.Sort(warnings)
	return s, warnings, s.check()
}

// dropAmbient takes out and names the ambient capabilities that the kernel
// would not raise. Configs have them: runc's own spec command wrote them for
// years, beside an empty inheritable set, and no runtime refuses it.
func (s *capSets) dropAmbient() []string {
	var lost []string
	for _, c := range capability.ListKnown() {
		if bit := uint64(1) << c; s.ambient&bit != 0 && s.permitted&s.inheritable&bit == 0 {
			s.ambient &^= bit
			lost = append(lost, capName(c))
		}
	}
	return lost
}

// check refuses sets that the kernel would not take (capabilities(7)).
func (s capSets) check() error {
	for _, f := range []struct {
		field, rule string
		wrong       uint64
	}{
		{"effective", "permitted", s.effective &^ s.permitted},
		{"inheritable", "bounding", s.inheritable &^ s.bounding},
	} {
		for _, c := range capability.ListKnown() {
			if f.wrong&(1<<c) != 0 {
				return fmt.Errorf("process.capabilities.%s: %s is not in %s too, as the kernel demands", f.field, capName(c), f.rule)
			}
		}
	}
	return nil
}

// capset returns a step that sets the three sets of capset(2).
func capset(effective, permitted, inheritable uint64) nsenter.Step {
	header := make([]byte, 8)
	data := make([]byte, 24)
	put := func(b []byte, v uint64) { b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24) }
	put(header, unix.LINUX_CAPABILITY_VERSION_3)
	for i := range 2 {
		put(data[12*i:], effective>>(32*i))
		put(data[12*i+4:], permitted>>(32*i))
		put(data[12*i+8:], inheritable>>(32*i))
	}
	return nsenter.Call(nsenter.Child, unix.SYS_CAPSET, nsenter.Bytes(header, ""), nsenter.Bytes(data, ""))
}
