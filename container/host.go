package container

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/rootfs"
)

// Host is what a plan depends on of the machine it is for. It is plain data,
// so that tests compile plans for machines that do not exist.
type Host struct {
	Cgroup cgroup.Host
	// Kernel is the kernel's version as 1000*major+minor: 6008 is 6.8.
	Kernel int
	// LastCap is the highest capability that the kernel knows.
	LastCap int
	// NoFile is the highest number of open files that may be allowed: our own
	// hard limit.
	NoFile uint64
	// Limits are our own resource limits, by number; nil when they are not
	// known.
	Limits []unix.Rlimit
	// Withheld are the capabilities that the kernel knows but that we cannot
	// hand on, as bits.
	Withheld uint64
	// AppArmor is the file below /proc/self that takes the profile of the next
	// execve; empty when the kernel has no AppArmor.
	AppArmor string
	// SELinux says that labels of SELinux mean something.
	SELinux bool
	// PathKind tells what a path in /proc or /sys is.
	PathKind func(path string) rootfs.Kind
}

// kernelMinimum is the oldest kernel that a plan can be made for.
const kernelMinimum = 5015

// DetectHost looks at this machine.
func DetectHost(cgroupParent string) (Host, error) {
	groups, err := cgroup.Detect(cgroupParent)
	if err != nil {
		return Host{}, err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return Host{}, fmt.Errorf("uname: %w", err)
	}
	kernel, err := parseRelease(unix.ByteSliceToString(name.Release[:]))
	if err != nil {
		return Host{}, err
	}
	if kernel < kernelMinimum {
		return Host{}, fmt.Errorf("kernel %s is older than 5.15, which berth needs", unix.ByteSliceToString(name.Release[:]))
	}
	limits, err := ownLimits()
	if err != nil {
		return Host{}, err
	}
	last := lastCap()
	return Host{
		Cgroup: groups, Kernel: kernel, LastCap: last, NoFile: limits[unix.RLIMIT_NOFILE].Max, Limits: limits,
		Withheld: withheld(last), AppArmor: appArmor(), SELinux: exists("/sys/fs/selinux/enforce"), PathKind: pathKind,
	}, nil
}

// ownLimits reads this process's resource limits.
func ownLimits() ([]unix.Rlimit, error) {
	limits := make([]unix.Rlimit, rlimitCount)
	for i := range limits {
		if err := unix.Getrlimit(i, &limits[i]); err != nil {
			return nil, fmt.Errorf("getrlimit %d: %w", i, err)
		}
	}
	return limits, nil
}

// withheld asks the kernel which capabilities this process does not have to
// give: those that it may not use itself, and those outside its bounding set.
func withheld(last int) uint64 {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	// It cannot fail for this version and this process; without an answer the
	// bounding set alone decides.
	known := unix.Capget(&header, &data[0]) == nil
	var mask uint64
	for c := 0; c <= last; c++ {
		has := !known || data[c/32].Permitted&(1<<(c%32)) != 0
		if set, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); !has || err != nil || set != 1 {
			mask |= 1 << c
		}
	}
	return mask
}

// appArmor finds the file that AppArmor takes a profile from. The one in
// attr/ is of whichever module came first, so AppArmor's own folder is better.
func appArmor() string {
	on, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	switch {
	case err != nil || len(on) == 0 || on[0] != 'Y':
		return ""
	case exists("/proc/self/attr/apparmor/exec"):
		return "attr/apparmor/exec"
	}
	return "attr/exec"
}

func exists(path string) bool { return unix.Access(path, unix.F_OK) == nil }

// parseRelease reads "6.18.44-x" as 6018.
func parseRelease(s string) (int, error) {
	major, rest, _ := strings.Cut(s, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(rest)
	if err1 != nil || err2 != nil || b > 999 {
		return 0, fmt.Errorf("kernel release %q is not a version", s)
	}
	return 1000*a + b, nil
}

// lastCap asks the kernel for its highest capability.
func lastCap() int {
	for c := unix.CAP_LAST_CAP; c < 63; c++ {
		// EINVAL is the first one that it does not know.
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c+1), 0, 0, 0); err != nil {
			return c
		}
	}
	return 63
}

// pathKind looks at the host's own /proc and /sys.
func pathKind(path string) rootfs.Kind {
	st, err := os.Lstat(path)
	switch {
	case err != nil:
		return rootfs.Missing
	case st.IsDir():
		return rootfs.Dir
	}
	return rootfs.File
}
