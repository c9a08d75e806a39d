package container

import (
	"errors"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Listener takes what a seccomp filter with SCMP_ACT_NOTIFY gives: the
// descriptor that calls are reported on. It sends it to the agent, with the
// pid of the process that installed the filter, and keeps nothing; fd is
// closed when it returns. An error ends the container before its program runs.
type Listener func(pid, fd int) error

// errNoListener is a filter that notifies nobody: the calls would fail with
// ENOSYS.
var errNoListener = errors.New("linux.seccomp.listenerPath: the filter has SCMP_ACT_NOTIFY, and no agent takes its notifications")

// listens reports whether the filter makes a listener.
func (pl *payload) listens() bool {
	return len(pl.filter.Filter) > 0 && pl.filter.Flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0
}

// listen hands the filter's listener to the agent. It must stay the plan's
// last step: a host step in between would have the child receive the steps
// behind it under the filter, whose calls nobody may be answering yet. The
// child stands still meanwhile, for its execve closes the listener.
func (pl *payload) listen() error {
	if !pl.listens() {
		return nil
	}
	if pl.listener == nil {
		return errNoListener
	}
	pl.p.Add(listenerStep(pl.filterStep, pl.listener, pl.fromField("linux.seccomp.listenerPath")))
	return nil
}

// listenerStep is the host's step for the filter that the child step of that
// index installs.
func listenerStep(filter int, l Listener, from string) nsenter.Step {
	return nsenter.Do("hand the filter's listener to the agent", func(h *nsenter.Run) error {
		return h.TakeFd(filter, l)
	}).For(from, "the agent decides about the calls that the filter reports; the child waits for it, without a system call")
}
