package container

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// rlimitCount is how many resource limits the kernel has.
const rlimitCount = 16

// rlimitNumber returns the number of a resource limit.
func rlimitNumber(name string) (int, bool) {
	names := []string{
		"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE",
		"MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
	}
	i := slices.Index(names, strings.TrimPrefix(name, "RLIMIT_"))
	return i, i >= 0 && strings.HasPrefix(name, "RLIMIT_")
}

// checkRlimits refuses limits that cannot be set.
func (pl *payload) checkRlimits() error {
	seen := 0
	for _, r := range pl.spec.Rlimits {
		n, ok := rlimitNumber(r.Type)
		switch {
		case !ok:
			return fmt.Errorf("process.rlimits: unknown limit %q", r.Type)
		case seen&(1<<n) != 0:
			return fmt.Errorf("process.rlimits: %s is there twice", r.Type)
		case r.Soft > r.Hard:
			return fmt.Errorf("process.rlimits: %s: soft limit %d is above the hard limit %d", r.Type, r.Soft, r.Hard)
		case pl.raises(n, r) && pl.host.Withheld&(1<<unix.CAP_SYS_RESOURCE) != 0:
			return fmt.Errorf("process.rlimits: %s: hard limit %d is above this process's own, %d, and raising it takes CAP_SYS_RESOURCE",
				r.Type, r.Hard, pl.host.Limits[n].Max)
		}
		seen |= 1 << n
	}
	return nil
}

// raises reports whether a limit is above the host process's own.
func (pl *payload) raises(number int, r specs.POSIXRlimit) bool {
	return number < len(pl.host.Limits) && r.Hard > pl.host.Limits[number].Max
}

// raiseLimits raises hard limits while the process may: a user other than the
// host's root has lost the capability. The soft ones stay, so that nothing on
// the way to the payload meets a limit that is meant for the payload.
func (pl *payload) raiseLimits() error {
	for _, r := range pl.spec.Rlimits {
		if n, _ := rlimitNumber(r.Type); pl.raises(n, r) {
			pl.setLimit(n, r.Type, pl.host.Limits[n].Cur, r.Hard, "raising a hard limit takes CAP_SYS_RESOURCE, which is still there")
		}
	}
	return nil
}

// rlimits sets the resource limits of the spec.
func (pl *payload) rlimits() error {
	for _, r := range pl.spec.Rlimits {
		n, _ := rlimitNumber(r.Type)
		pl.setLimit(n, r.Type, r.Soft, r.Hard, "a limit per process")
	}
	return nil
}

// setLimit sets a limit (prlimit(2)).
func (pl *payload) setLimit(number int, name string, soft, hard uint64, why string) {
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRLIMIT64, nsenter.Int(0), nsenter.Int(number),
		nsenter.Ptr(nsenter.Words(fmt.Sprintf("{soft=%d, hard=%d}", soft, hard), soft, hard)), nsenter.Null()).
		On(name).For(pl.fromField("process.rlimits["+name+"]"), why))
}
