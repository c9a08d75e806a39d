package container

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// boundingSet drops what no program in the container may ever have.
func (pl *payload) boundingSet() error {
	for c := 0; c <= pl.host.LastCap; c++ {
		if pl.caps.bounding&(1<<c) != 0 {
			continue
		}
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_CAPBSET_DROP), nsenter.Int(c)).
			For(pl.fromField("process.capabilities.bounding"), "not even a setuid program can gain it"))
	}
	return nil
}

// confine takes away the capabilities and installs the filter. A filter needs
// CAP_SYS_ADMIN or no_new_privs, so without the latter it goes in while the
// process still has its capabilities.
func (pl *payload) confine() error {
	all := uint64(1)<<(pl.host.LastCap+1) - 1
	if pl.host.LastCap == 63 {
		all = ^uint64(0)
	}
	capsFrom := pl.fromField("process.capabilities")
	drop := capset(pl.caps.effective, pl.caps.permitted, pl.caps.inheritable).For(capsFrom, "what the payload itself may do")
	if pl.spec.NoNewPrivileges {
		pl.ambient(drop, capsFrom)
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_SET_NO_NEW_PRIVS), nsenter.Int(1), nsenter.Int(0), nsenter.Int(0), nsenter.Int(0)).
			For(pl.fromField("process.noNewPrivileges"), "setuid programs and file capabilities give nothing"))
		pl.seccomp()
		return nil
	}
	if len(pl.filter.Filter) > 0 {
		// A change to another user has emptied the effective set.
		keep := pl.caps.permitted | pl.caps.bounding | 1<<unix.CAP_SYS_ADMIN
		pl.child(capset(keep&all, keep&all, 0).For("linux.seccomp", "installing a filter takes CAP_SYS_ADMIN"))
		pl.seccomp()
	}
	pl.ambient(drop, capsFrom)
	return nil
}

// ambient sets the final capability sets and raises the ambient ones.
func (pl *payload) ambient(drop nsenter.Step, from string) {
	pl.child(drop)
	if pl.caps.inheritable != 0 {
		// The kernel has dropped those that are not inheritable.
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_CAP_AMBIENT), nsenter.Int(unix.PR_CAP_AMBIENT_CLEAR_ALL), nsenter.Int(0), nsenter.Int(0), nsenter.Int(0)).
			For(from, "the caller's ambient capabilities are not the payload's"))
	}
	for c := 0; c <= pl.host.LastCap; c++ {
		if pl.caps.ambient&(1<<c) != 0 {
			pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_CAP_AMBIENT), nsenter.Int(unix.PR_CAP_AMBIENT_RAISE), nsenter.Int(c), nsenter.Int(0), nsenter.Int(0)).
				For(from, "a program that is not root keeps it over execve"))
		}
	}
}

// seccomp installs the filter.
func (pl *payload) seccomp() {
	if len(pl.filter.Filter) == 0 {
		return
	}
	code := make([]byte, 0, 8*len(pl.filter.Filter))
	for _, f := range pl.filter.Filter {
		code = binary.NativeEndian.AppendUint16(code, f.Code)
		code = append(code, f.Jt, f.Jf)
		code = binary.NativeEndian.AppendUint32(code, f.K)
	}
	prog := &nsenter.Data{
		Bytes:    make([]byte, 16),
		Pointers: []nsenter.Pointer{{Offset: 8, To: &nsenter.Data{Bytes: code, Text: "filter"}}},
		Text:     fmt.Sprintf("{%d instructions}", len(pl.filter.Filter)),
	}
	binary.NativeEndian.PutUint16(prog.Bytes, uint16(len(pl.filter.Filter)))
	install := nsenter.Call(nsenter.Child, unix.SYS_SECCOMP, nsenter.Int(unix.SECCOMP_SET_MODE_FILTER), nsenter.Int(pl.filter.Flags), nsenter.Ptr(prog)).
		For(pl.fromField("linux.seccomp"), "system calls that containers have no use for are refused from here on")
	install.Await = pl.listens()
	pl.filterStep = len(pl.p.Steps)
	pl.child(install)
}
