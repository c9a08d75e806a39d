package cli

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is the architecture in the kernel's words, as docker's info has it.
func machine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return runtime.GOARCH
	}
	return unix.ByteSliceToString(u.Machine[:])
}

// operatingSystem reads the distribution's own name and version
// (os-release(5)).
func operatingSystem() (name, version string) {
	for _, file := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		return osRelease(string(data))
	}
	return "Linux", ""
}

func osRelease(text string) (name, version string) {
	name = "Linux"
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if plain, err := strconv.Unquote(value); err == nil {
			value = plain
		}
		value = strings.Trim(value, "'")
		switch key {
		case "PRETTY_NAME":
			name = value
		case "VERSION_ID":
			version = value
		}
	}
	return name, version
}

// driverStatus is what overlays can do on this machine.
func driverStatus(root string, kernel int) [][2]string {
	var st unix.Statfs_t
	backing := "unknown"
	if unix.Statfs(root, &st) == nil {
		backing = filesystemName(st.Type)
	}
	return [][2]string{
		{"Backing Filesystem", backing},
		{"Supports d_type", "true"},
		// What package rootfs asks of an overlay: one option per layer, and layers
		// whose ids are mapped.
		{"Layer Options", strconv.FormatBool(kernel >= 6008)},
		{"Mapped Layers", strconv.FormatBool(kernel >= 5019)},
	}
}

// filesystemName is docker's name of a file system by its magic number
// (statfs(2)).
func filesystemName(magic int64) string {
	switch magic {
	case unix.EXT4_SUPER_MAGIC:
		return "extfs"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	case zfsMagic:
		return "zfs"
	}
	return "0x" + strconv.FormatInt(magic, 16)
}

// zfsMagic is in no header of the kernel's.
const zfsMagic = 0x2fc12fc1
