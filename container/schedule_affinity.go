package container

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// maxCPUs is how many CPUs a kernel can be built for.
const maxCPUs = 8192

// affinity is process.execCPUAffinity as steps.
type affinity struct {
	// initial and final belong before and behind the steps that join the
	// container's cgroups.
	initial, final []nsenter.Step
}

// checkAffinity refuses lists that are none, also where nobody joins yet.
func (pl *payload) checkAffinity() (err error) {
	pl.affinity, err = newAffinity(pl.spec.ExecCPUAffinity, pl.fromField("process.execCPUAffinity"))
	return err
}

// newAffinity reads the two lists of CPUs; none is none.
func newAffinity(s *specs.CPUAffinity, from string) (affinity, error) {
	var a affinity
	if s == nil {
		return a, nil
	}
	for _, f := range []struct {
		field, list, why string
		to               *[]nsenter.Step
	}{
		{"initial", s.Initial, "the set-up keeps off the CPUs that the container has for itself", &a.initial},
		{"final", s.Final, "the CPUs that the program runs on", &a.final},
	} {
		if f.list == "" {
			continue
		}
		mask, err := parseList(f.list, maxCPUs)
		if err != nil {
			return a, fmt.Errorf("process.execCPUAffinity.%s: %w", f.field, err)
		}
		*f.to = []nsenter.Step{
			nsenter.Call(nsenter.Child, unix.SYS_SCHED_SETAFFINITY, nsenter.Int(0), nsenter.Int(len(mask)), maskData(mask)).
				On("CPUs "+f.list).For(from+"."+f.field, f.why),
		}
	}
	return a, nil
}

// enterCgroup2 plans what takes the place of being born in a cgroup v2
// directory, for a child that must first have its affinity: it joins.
func enterCgroup2(p *nsenter.Plan, born nsenter.Slot) nsenter.Step {
	procs := p.NewSlot("cgroup.procs")
	p.Add(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Fd(born), nsenter.Str("cgroup.procs"), nsenter.Int(unix.O_WRONLY|unix.O_CLOEXEC), nsenter.Int(0)).
		To(procs).On("cgroup.procs").For("process.execCPUAffinity.initial", "the child joins once it has its CPUs: one born there ran on the container's"))
	return nsenter.Call(nsenter.Child, unix.SYS_WRITE, nsenter.Fd(procs), nsenter.Bytes([]byte("0"), `"0"`), nsenter.Int(1)).
		On("cgroup.procs").For("cgroup", "enter the container's group")
}
