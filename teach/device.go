package teach

import (
	"strings"

	"golang.org/x/sys/unix"
)

// ioctlRequests are the requests that set up terminals and the loopback
// device, and a few neighbours.
func ioctlRequests() family {
	return family{"", false, []constant{
		{unix.SIOCGIFFLAGS, "SIOCGIFFLAGS"}, {unix.SIOCSIFFLAGS, "SIOCSIFFLAGS"},
		{unix.SIOCSIFADDR, "SIOCSIFADDR"}, {unix.SIOCSIFNETMASK, "SIOCSIFNETMASK"},
		{unix.SIOCSIFMTU, "SIOCSIFMTU"}, {unix.SIOCGIFINDEX, "SIOCGIFINDEX"},
		{unix.TIOCSCTTY, "TIOCSCTTY"}, {unix.TIOCNOTTY, "TIOCNOTTY"}, {unix.TIOCSWINSZ, "TIOCSWINSZ"},
		{unix.TIOCGWINSZ, "TIOCGWINSZ"}, {unix.TIOCGPTN, "TIOCGPTN"}, {unix.TIOCSPTLCK, "TIOCSPTLCK"},
		{unix.TIOCGPTPEER, "TIOCGPTPEER"}, {unix.TIOCSPGRP, "TIOCSPGRP"}, {unix.TIOCGPGRP, "TIOCGPGRP"},
		{unix.TCGETS, "TCGETS"}, {unix.TCSETS, "TCSETS"}, {unix.NS_GET_USERNS, "NS_GET_USERNS"},
		{unix.NS_GET_PARENT, "NS_GET_PARENT"}, {unix.NS_GET_NSTYPE, "NS_GET_NSTYPE"},
	}}
}

// ioctlData renders what an ioctl's argument points at, or "" for a request
// that has no known layout.
func (d *decoder) ioctlData(request uint64, b []byte) string {
	switch request {
	case unix.SIOCGIFFLAGS, unix.SIOCSIFFLAGS:
		// struct ifreq (netdevice(7)): a name of 16 bytes, then a union.
		if len(b) < unix.IFNAMSIZ+2 {
			return ""
		}
		return "{ifr_name=" + quote(cstring(b[:unix.IFNAMSIZ]), 0) +
			", ifr_flags=" + interfaceFlags().all(u16(b, unix.IFNAMSIZ), true) + "}"
	case unix.TIOCSWINSZ:
		if len(b) < 8 {
			return ""
		}
		return "{ws_row=" + decimal(u16(b, 0)) + ", ws_col=" + decimal(u16(b, 2)) + "}"
	case unix.TIOCSPTLCK, unix.TIOCSPGRP:
		if len(b) < 4 {
			return ""
		}
		return "[" + decimal(u32(b, 0)) + "]"
	}
	return ""
}

func interfaceFlags() family {
	return family{"IFF_", false, []constant{
		{unix.IFF_UP, "UP"}, {unix.IFF_BROADCAST, "BROADCAST"}, {unix.IFF_LOOPBACK, "LOOPBACK"},
		{unix.IFF_POINTOPOINT, "POINTOPOINT"}, {unix.IFF_RUNNING, "RUNNING"}, {unix.IFF_NOARP, "NOARP"},
		{unix.IFF_PROMISC, "PROMISC"}, {unix.IFF_ALLMULTI, "ALLMULTI"}, {unix.IFF_MULTICAST, "MULTICAST"},
	}}
}

func bpfCommands() family {
	return family{"BPF_", false, []constant{
		{unix.BPF_MAP_CREATE, "MAP_CREATE"}, {unix.BPF_PROG_LOAD, "PROG_LOAD"}, {unix.BPF_OBJ_PIN, "OBJ_PIN"},
		{unix.BPF_OBJ_GET, "OBJ_GET"}, {unix.BPF_PROG_ATTACH, "PROG_ATTACH"},
		{unix.BPF_PROG_DETACH, "PROG_DETACH"}, {unix.BPF_PROG_QUERY, "PROG_QUERY"},
		{unix.BPF_PROG_GET_FD_BY_ID, "PROG_GET_FD_BY_ID"}, {unix.BPF_LINK_CREATE, "LINK_CREATE"},
	}}
}

// bpfAttr renders the part of union bpf_attr that a command on device programs
// uses (bpf(2)).
func (d *decoder) bpfAttr(command uint64, b []byte) string {
	types := family{"BPF_PROG_TYPE_", false, []constant{
		{unix.BPF_PROG_TYPE_CGROUP_DEVICE, "CGROUP_DEVICE"}, {unix.BPF_PROG_TYPE_CGROUP_SKB, "CGROUP_SKB"},
		{unix.BPF_PROG_TYPE_CGROUP_SOCK, "CGROUP_SOCK"},
	}}
	switch command {
	case unix.BPF_PROG_LOAD:
		if len(b) < 24 {
			return ""
		}
		return "{prog_type=" + types.one(u32(b, 0), true) + ", insns=" + count(int(u32(b, 4)), "instruction") + "}"
	case unix.BPF_PROG_ATTACH, unix.BPF_PROG_DETACH:
		if len(b) < 16 {
			return ""
		}
		attach := family{"BPF_CGROUP_", false, []constant{{unix.BPF_CGROUP_DEVICE, "DEVICE"}}}
		flags := family{"BPF_F_", false, []constant{
			{unix.BPF_F_ALLOW_OVERRIDE, "ALLOW_OVERRIDE"}, {unix.BPF_F_ALLOW_MULTI, "ALLOW_MULTI"},
			{unix.BPF_F_REPLACE, "REPLACE"},
		}}
		fields := []string{
			"target_fd=" + number(u32(b, 0)), "attach_bpf_fd=" + number(u32(b, 4)),
			"attach_type=" + attach.one(u32(b, 8), true),
		}
		if v := u32(b, 12); v != 0 {
			fields = append(fields, "attach_flags="+flags.all(v, true))
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	return ""
}
