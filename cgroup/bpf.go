package cgroup

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The attribute structures below are parts of union bpf_attr (linux/bpf.h),
// as bpf(2) takes them on 64-bit machines.

type bpfLoad struct {
	kind    uint32
	count   uint32
	code    unsafe.Pointer
	license unsafe.Pointer
	_       uint32 // log_level
	_       uint32 // log_size
	_       uint64 // log_buf
	_       uint32 // kern_version
	_       uint32 // prog_flags
	name    [16]byte
}

type bpfAttach struct {
	target uint32
	prog   uint32
	kind   uint32
	flags  uint32
}

type bpfQuery struct {
	target uint32
	kind   uint32
	_      uint32 // query_flags
	_      uint32 // attach_flags
	_      uint64 // prog_ids
	count  uint32
	_      uint32
}

// bpf makes the system call.
func bpf[T bpfLoad | bpfAttach | bpfQuery](cmd uintptr, attr *T) (int, error) {
	for {
		fd, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EAGAIN, unix.EINTR:
			// The verifier gives up with EAGAIN when a signal is pending,
			// which the Go runtime's preemption makes likely.
			continue
		}
		return -1, errno
	}
}

// load has the kernel check and translate the filter, and returns the
// program's descriptor. RLIMIT_MEMLOCK, which others raise first (and need
// CAP_SYS_RESOURCE for), has not counted since 5.11.
func (f *filter) load() (int, error) {
	code, license := programBytes(f.code), []byte("Apache-2.0\x00")
	attr := bpfLoad{
		kind:    unix.BPF_PROG_TYPE_CGROUP_DEVICE,
		count:   uint32(len(f.code)),
		code:    unsafe.Pointer(&code[0]),
		license: unsafe.Pointer(&license[0]),
	}
	copy(attr.name[:15], "berth_devices")
	fd, err := bpf(unix.BPF_PROG_LOAD, &attr)
	if err != nil {
		return -1, fmt.Errorf("bpf BPF_PROG_LOAD device filter of %d instructions: %w", len(f.code), err)
	}
	return fd, nil
}

// attached returns how many device filters a group has itself; those of its
// parents are not counted.
func attached(dir int) (int, error) {
	attr := bpfQuery{target: uint32(dir), kind: unix.BPF_CGROUP_DEVICE}
	if _, err := bpf(unix.BPF_PROG_QUERY, &attr); err != nil {
		return 0, fmt.Errorf("bpf BPF_PROG_QUERY device filters: %w", err)
	}
	return int(attr.count), nil
}

// attach loads the filter and puts it in force for a group and all below it.
// Several filters hold together (BPF_F_ALLOW_MULTI): systemd may have its own
// above ours, and a payload that manages cgroups its own below.
func (f *filter) attach(dir int) error {
	prog, err := f.load()
	if err != nil {
		return err
	}
	defer unix.Close(prog)
	attr := bpfAttach{target: uint32(dir), prog: uint32(prog), kind: unix.BPF_CGROUP_DEVICE, flags: unix.BPF_F_ALLOW_MULTI}
	if _, err := bpf(unix.BPF_PROG_ATTACH, &attr); err != nil {
		return fmt.Errorf("bpf BPF_PROG_ATTACH device filter: %w", err)
	}
	return nil
}

// ensure puts the filter in force unless the group has it. Of several starts
// at once one attaches, under a lock on the group's directory.
func (f *filter) ensure(dir int) error {
	if n, err := attached(dir); err != nil || n > 0 {
		return err
	}
	if err := lock(dir); err != nil {
		return err
	}
	// Closing the descriptor would unlock too, but much later.
	defer func() { _ = unix.Flock(dir, unix.LOCK_UN) }()
	if n, err := attached(dir); err != nil || n > 0 {
		return err
	}
	return f.attach(dir)
}

// lock waits for the lock on a directory. Its holders only make two system
// calls, so there is no deadline.
func lock(dir int) error {
	for {
		err := unix.Flock(dir, unix.LOCK_EX)
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return fmt.Errorf("flock device filter group: %w", err)
		}
	}
}

// refused tells whether an error means that bpf(2) is not for us here: a
// kernel without it, a lockdown, or missing privileges.
func refused(err error) bool {
	for _, errno := range []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EOPNOTSUPP} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
