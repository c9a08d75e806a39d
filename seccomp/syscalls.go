package seccomp

import "golang.org/x/sys/unix"

//go:generate go run gen_syscalls.go

// abi is one way of entering the kernel: an audit architecture, and on x86-64
// also the x32 bit of the number. Its value is the column in syscallTable.
type abi int

const (
	abiX86_64 abi = iota
	abiX32
	abiI386
	abiARM64
	abiARM
	abiCount
)

// x32Bit is __X32_SYSCALL_BIT: x32 calls carry it and share x86-64's audit
// architecture, so that a filter can tell them apart by the number alone.
const x32Bit = 0x40000000

// armPrivate is __ARM_NR_BASE, where arm keeps six calls of its own
// (cacheflush, set_tls …) far above the ordinary ones.
const armPrivate = 0xf0000

// syscallRow is one name with its number in every ABI.
type syscallRow struct {
	name    string
	numbers [abiCount]int32
}

// auditArch returns the value that seccomp_data.arch has for calls of the ABI.
func (a abi) auditArch() uint32 {
	switch a {
	case abiI386:
		return unix.AUDIT_ARCH_I386
	case abiARM64:
		return unix.AUDIT_ARCH_AARCH64
	case abiARM:
		return unix.AUDIT_ARCH_ARM
	default:
		return unix.AUDIT_ARCH_X86_64
	}
}

// narrow reports whether the ABI's arguments are compared as 32 bits. The
// upper halves are whatever the caller left in its registers: 64-bit code may
// use int $0x80, and the kernel then shows seccomp the whole register while
// the call itself sees the lower half. x32 follows libseccomp, which compares
// 32 bits too.
func (a abi) narrow() bool {
	return a == abiX32 || a == abiI386 || a == abiARM
}

// lookup returns the table row of a kernel call, nil for an unknown name.
func lookup(name string) *syscallRow {
	lo, hi := 0, len(syscallTable)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		row := &syscallTable[mid]
		if row.name == name {
			return row
		}
		if row.name < name {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return nil
}

// intArguments returns a bit per argument of the call that the kernel
// truncates to 32 bits before use. Comparing such an argument with all 64
// bits, as libseccomp does, can be evaded: socket(1<<32 | AF_ALG, …) opens an
// AF_ALG socket, yet it is "greater than AF_VSOCK" (compare CVE-2019-10063,
// the same trick with ioctl and TIOCSTI). The list covers the calls that
// profiles filter by value; calls that reject set upper bits themselves
// (unshare) need no entry.
func intArguments(name string) uint8 {
	switch name {
	case "socket", "socketpair", "reboot", "getsockopt", "setsockopt":
		return 1<<0 | 1<<1 | 1<<2
	case "ioctl", "fcntl", "fcntl64", "seccomp", "setns", "kill", "tkill",
		"pidfd_open", "msgctl", "io_uring_register", "epoll_ctl":
		return 1<<0 | 1<<1
	case "bpf", "shutdown":
		return 1<<0 | 1<<2
	case "prctl", "personality", "keyctl", "syslog", "quotactl", "clone",
		"arch_prctl", "io_uring_setup", "userfaultfd", "inotify_init1",
		"epoll_create1", "eventfd", "modify_ldt":
		return 1 << 0
	case "open", "futex", "umount2", "memfd_create", "pipe2", "eventfd2", "semget", "access":
		return 1 << 1
	case "openat", "madvise", "mknodat", "dup3", "fchmodat", "faccessat", "shmat", "shmget":
		return 1 << 2
	case "accept4", "signalfd4":
		return 1 << 3
	case "execveat":
		return 1<<0 | 1<<4
	default:
		return 0
	}
}
