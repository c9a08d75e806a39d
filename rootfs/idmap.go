package rootfs

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// mappingOf returns the slot of the user namespace whose id mapping a bind
// mount gets: its own mappings', else the container's.
func (a *Assembly) mappingOf(m specs.Mount, from string) (nsenter.Slot, error) {
	if len(m.UIDMappings) == 0 {
		return a.users.ns, nil
	}
	for name, list := range map[string][]specs.LinuxIDMapping{"uidMappings": m.UIDMappings, "gidMappings": m.GIDMappings} {
		if err := checkMappings(list); err != nil {
			return nsenter.NoSlot, fmt.Errorf("%s: mount %s: %w", field(from, name), m.Destination, err)
		}
	}
	key := fmt.Sprint(m.UIDMappings, m.GIDMappings)
	if slot, ok := a.mappings[key]; ok {
		return slot, nil
	}
	slot := a.plan.NewSlot("id mapping")
	a.mappings[key] = slot
	a.host(nsenter.Do("make a user namespace with the mappings "+key, func(h *nsenter.Run) error {
		fd, err := mappingNamespace(m.UIDMappings, m.GIDMappings)
		if err == nil {
			h.SetFd(slot, fd)
		}
		return err
	}).To(slot).On(m.Destination).For(field(from, "uidMappings"), "the kernel takes a mapping in the form of a namespace that has it"))
	return slot, nil
}

// checkMappings refuses a table that the kernel would refuse.
func checkMappings(list []specs.LinuxIDMapping) error {
	for i, m := range list {
		if m.Size == 0 {
			return fmt.Errorf("mapping %d has the size 0", i)
		}
		if m.ContainerID+(m.Size-1) < m.ContainerID || m.HostID+(m.Size-1) < m.HostID {
			return fmt.Errorf("mapping %d goes beyond the highest id", i)
		}
		for j, n := range list[:i] {
			if overlap(m.ContainerID, n.ContainerID, m.Size, n.Size) || overlap(m.HostID, n.HostID, m.Size, n.Size) {
				return fmt.Errorf("mappings %d and %d overlap", j, i)
			}
		}
	}
	return nil
}

// overlap reports whether two ranges that begin at a and b have ids in common.
func overlap(a, b, sizeA, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}

// mappingNamespace returns a user namespace with these mappings. It has no
// process: the one that it takes to make it is stopped before its first
// instruction, and killed.
func mappingNamespace(uid, gid []specs.LinuxIDMapping) (int, error) {
	// Who traces is a thread, and with it the tracing would end.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := os.StartProcess("/proc/self/exe", []string{"berth", "--version"}, &os.ProcAttr{
		Env: []string{},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: sysMappings(uid),
			GidMappings: sysMappings(gid),
			Ptrace:      true,
			Pdeathsig:   unix.SIGKILL,
		},
	})
	if err != nil {
		return -1, fmt.Errorf("make user namespace: %w", err)
	}
	defer func() {
		_ = p.Kill()
		_, _ = p.Wait()
	}()
	fd, err := unix.Open("/proc/"+strconv.Itoa(p.Pid)+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open user namespace: %w", err)
	}
	return fd, nil
}

// sysMappings is a table in the form of package syscall.
func sysMappings(list []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, len(list))
	for i, m := range list {
		out[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return out
}
