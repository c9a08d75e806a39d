package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/containerd/cgroups/v3"
	"golang.org/x/sys/unix"
)

// Machine is what the numbers were measured on.
type Machine struct {
	Date       string   `json:"date"`
	Kernel     string   `json:"kernel"`
	Arch       string   `json:"arch"`
	CPUs       int      `json:"cpus"`
	Model      string   `json:"model"`
	Cgroup     string   `json:"cgroup"`
	Disk       string   `json:"disk"`
	Filesystem string   `json:"filesystem"`
	Versions   []string `json:"versions"`
	LoadBefore float64  `json:"load_before"`
	LoadAfter  float64  `json:"load_after"`
}

func describeMachine(w *workspace) Machine {
	m := Machine{
		Date: time.Now().UTC().Format("2006-01-02 15:04 MST"), Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Model: cpuModel(), Cgroup: cgroupMode(), Disk: w.disk, Filesystem: filesystem(w.disk), LoadBefore: load(),
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	for _, c := range [][]string{{w.berth}, {"crun"}, {"runc"}, {"bwrap"}, {"podman"}, {"dockerd"}, {"containerd"}} {
		out, err := exec.Command(c[0], "--version").Output()
		if err == nil {
			first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			m.Versions = append(m.Versions, first)
		}
	}
	return m
}

func cgroupMode() string {
	switch cgroups.Mode() {
	case cgroups.Unified:
		return "v2"
	case cgroups.Hybrid:
		return "hybrid"
	case cgroups.Legacy:
		return "v1"
	}
	return "unavailable"
}

func filesystem(path string) string {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return err.Error()
	}
	names := map[int64]string{unix.EXT4_SUPER_MAGIC: "ext4", unix.TMPFS_MAGIC: "tmpfs", unix.XFS_SUPER_MAGIC: "xfs",
		unix.BTRFS_SUPER_MAGIC: "btrfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay"}
	if name, ok := names[s.Type]; ok {
		return name
	}
	return fmt.Sprintf("file system %#x", s.Type)
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// load is the load average of the last minute.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	var minute float64
	fmt.Sscan(string(text), &minute)
	return minute
}

// hasMemoryController tells whether the unified hierarchy can limit memory.
func hasMemoryController() bool {
	for _, dir := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		text, err := os.ReadFile(dir + "/cgroup.controllers")
		if err == nil {
			return strings.Contains(string(text), "memory")
		}
	}
	return false
}
