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

func capName(c capability.Cap) string { return "CAP_" + strings.ToUpper(c.String()) }

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

// capMask turns names into a bit set. Names that the kernel does not know are
// dropped, as the spec asks of runtimes (config.md, "capabilities").
func capMask(field string, names []string, last int) (uint64, error) {
	var mask uint64
	known := capability.ListKnown()
	for _, name := range names {
		i := slices.IndexFunc(known, func(c capability.Cap) bool { return capName(c) == name })
		if i < 0 {
			return 0, fmt.Errorf("process.capabilities.%s: unknown capability %q", field, name)
		}
		if int(known[i]) <= last {
			mask |= 1 << known[i]
		}
	}
	return mask, nil
}

// capSets are the five sets as bits.
type capSets struct {
	bounding, effective, permitted, inheritable, ambient uint64
}

// capabilitySets reads the five sets of the spec; none means none.
func capabilitySets(c *specs.LinuxCapabilities, last int) (capSets, error) {
	var s capSets
	if c == nil {
		return s, nil
	}
	for _, f := range []struct {
		field string
		names []string
		to    *uint64
	}{
		{"bounding", c.Bounding, &s.bounding},
		{"effective", c.Effective, &s.effective},
		{"permitted", c.Permitted, &s.permitted},
		{"inheritable", c.Inheritable, &s.inheritable},
		{"ambient", c.Ambient, &s.ambient},
	} {
		mask, err := capMask(f.field, f.names, last)
		if err != nil {
			return s, err
		}
		*f.to = mask
	}
	return s, nil
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
