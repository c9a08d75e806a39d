package teach

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// capName returns the name of a capability (capabilities(7)).
func capName(v uint64) string {
	names := capNames()
	if v < uint64(len(names)) {
		return "CAP_" + names[v]
	}
	return number(v)
}

// capNames are the capabilities in the order of their numbers.
func capNames() [unix.CAP_LAST_CAP + 1]string {
	return [...]string{
		"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
		"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
		"IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
		"SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
		"LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
		"WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
	}
}

// capSet renders a set of capabilities. Listings say what is missing when
// nearly all are set: that is the interesting part.
func (d *decoder) capSet(v uint64) string {
	names := capNames()
	all := uint64(1)<<len(names) - 1
	switch {
	case v == 0:
		return "0"
	case v == all && !d.full:
		return "/* all " + strconv.Itoa(len(names)) + " */"
	}
	prefix := ""
	if d.full {
		prefix = "CAP_"
	}
	var list []string
	for i, name := range names {
		if v>>i&1 != 0 {
			list = append(list, prefix+name)
		}
	}
	if rest := v &^ all; rest != 0 {
		list = append(list, "0x"+strconv.FormatUint(rest, 16))
	}
	return strings.Join(list, "|")
}

// capHeader renders struct __user_cap_header_struct (capset(2)).
func (d *decoder) capHeader(b []byte) string {
	if len(b) < 8 {
		return ""
	}
	versions := family{"_LINUX_CAPABILITY_VERSION_", false, []constant{
		{unix.LINUX_CAPABILITY_VERSION_1, "1"},
		{unix.LINUX_CAPABILITY_VERSION_2, "2"},
		{unix.LINUX_CAPABILITY_VERSION_3, "3"},
	}}
	return "{version=" + versions.one(u32(b, 0), true) + ", pid=" + number(u32(b, 4)) + "}"
}

// capData renders the two struct __user_cap_data_struct that version 3 takes:
// the low halves of the three sets, then the high ones.
func (d *decoder) capData(b []byte) string {
	if len(b) < 24 {
		return ""
	}
	set := func(at int) uint64 { return u32(b, at) | u32(b, at+12)<<32 }
	effective, permitted, inheritable := set(0), set(4), set(8)
	text := "{effective=" + d.capSet(effective)
	if permitted == effective && !d.full {
		text = "{effective=permitted=" + d.capSet(effective)
	} else {
		text += ", permitted=" + d.capSet(permitted)
	}
	return text + ", inheritable=" + d.capSet(inheritable) + "}"
}
