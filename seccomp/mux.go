package seccomp

import specs "github.com/opencontainers/runtime-spec/specs-go"

// i386 has two multiplexers, socketcall(2) and ipc(2): their first argument
// selects the call. BPF sees that selector but not the arguments proper,
// which are behind a pointer (socketcall) or in other places (ipc).
const (
	socketcall = "socketcall"
	ipc        = "ipc"
)

// muxed returns the multiplexer through which i386 can also make the call and
// the selector; an empty string when there is none. linux/net.h, linux/ipc.h.
func muxed(name string) (mux string, selector uint64) {
	if n := socketcallSelector(name); n != 0 {
		return socketcall, n
	}
	if n := ipcSelector(name); n != 0 {
		return ipc, n
	}
	return "", 0
}

func socketcallSelector(name string) uint64 {
	for i, n := range [...]string{
		"socket", "bind", "connect", "listen", "accept", "getsockname",
		"getpeername", "socketpair", "send", "recv", "sendto", "recvfrom",
		"shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg",
		"accept4", "recvmmsg", "sendmmsg",
	} {
		if n == name {
			return uint64(i + 1)
		}
	}
	return 0
}

func ipcSelector(name string) uint64 {
	switch name {
	case "semop":
		return 1
	case "semget":
		return 2
	case "semctl":
		return 3
	case "semtimedop":
		return 4
	case "msgsnd":
		return 11
	case "msgrcv":
		return 12
	case "msgget":
		return 13
	case "msgctl":
		return 14
	case "shmat":
		return 21
	case "shmdt":
		return 22
	case "shmget":
		return 23
	case "shmctl":
		return 24
	default:
		return 0
	}
}

// muxRule returns the multiplexer's share of a rule for one of its calls, or
// false when it gets none.
//
// A rule without conditions simply adds the selector. A condition cannot be
// checked, and the share fails closed: what would permit more than the default
// is left out, what would restrict applies to the call whatever its arguments.
// (libseccomp keeps the rule and overwrites its condition on argument 0, which
// lets every socket family through.) None of this matters for a profile that
// allows the multiplexer itself, as docker's must: 32-bit glibc uses nothing
// else. There a denied family (AF_ALG) is reachable through socketcall and
// only an LSM can stop it, moby#52494 and moby#52547.
func muxRule(mux string, selector uint64, conditional bool, ret, defaultRet uint32) (condition, bool) {
	if conditional && strictness(ret) < strictness(defaultRet) {
		return condition{}, false
	}
	c := condition{op: specs.OpEqualTo, value: selector, narrow: true}
	if mux == ipc {
		// The upper half of ipc's selector is a version (ipc/syscall.c).
		c = condition{op: specs.OpMaskedEqual, value: 0xffff, valueTwo: selector, narrow: true}
	}
	return c, true
}
