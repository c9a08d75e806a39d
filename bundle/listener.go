package bundle

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
	"berth/seccomp"
)

// filter is a container's compiled seccomp filter, empty without one.
func (r *Runtime) filter(spec *specs.Spec) (seccomp.Program, error) {
	if spec.Linux == nil {
		return seccomp.Program{}, nil
	}
	p, err := seccomp.Cache{Dir: path.Join(r.Dirs.Cache(), "seccomp")}.Compile(spec.Linux.Seccomp)
	if err != nil {
		return p, fmt.Errorf("linux.seccomp: %w", err)
	}
	return p, nil
}

// agent is the connection to the seccomp agent of a container, the program
// that decides about the calls which its filter reports (runtime-spec,
// config-linux.md, "Seccomp": listenerPath). The nil agent stands for none.
type agent struct {
	conn     int
	path     string
	metadata string
}

// dialAgent connects to the agent that a filter with SCMP_ACT_NOTIFY names;
// it returns nil without an error when no rule notifies. Call it before
// anything is made, for create, run and exec alike, so that an agent that is
// not there leaves nothing to undo; and close what it returns when the plan
// has run, whatever became of it:
//
//	a, err := dialAgent(spec.Linux.Seccomp)
//	if err != nil { … }
//	defer a.close()
//	in.Listener = a.listener(state)
func dialAgent(s *specs.LinuxSeccomp) (*agent, error) {
	if !notifies(s) {
		return nil, nil
	}
	conn, err := dialUnix(s.ListenerPath)
	if err != nil {
		return nil, fmt.Errorf("linux.seccomp.listenerPath: %w", err)
	}
	return &agent{conn: conn, path: s.ListenerPath, metadata: s.ListenerMetadata}, nil
}

// notifies reports whether a filter reports calls to an agent. One that names
// none is invalid, as whoever compiles it will say.
func notifies(s *specs.LinuxSeccomp) bool {
	if s == nil || s.ListenerPath == "" {
		return false
	}
	for i := range s.Syscalls {
		if s.Syscalls[i].Action == specs.ActNotify {
			return true
		}
	}
	return false
}

// listener returns what container.Input.Listener and container.JoinInput.
// Listener take; nil without an agent. The state is the container's: for its
// first process with the status "creating" and without pid, which is filled in;
// for exec as the state command prints it.
func (a *agent) listener(state specs.State) container.Listener {
	if a == nil {
		return nil
	}
	return func(pid, fd int) error {
		if state.Pid == 0 {
			state.Pid = pid
		}
		data, err := json.Marshal(specs.ContainerProcessState{
			Version:  specs.Version,
			Fds:      []string{specs.SeccompFdName},
			Pid:      pid,
			Metadata: a.metadata,
			State:    state,
		})
		if err != nil {
			return fmt.Errorf("encode state for the seccomp agent: %w", err)
		}
		return sendMessage(a.conn, a.path, data, fd) // the step names the field
	}
}

// lateListener is listener for a hook in the container, which has the filter
// too: it connects to the agent when there is something to send.
func lateListener(s *specs.LinuxSeccomp, state specs.State) container.Listener {
	if !notifies(s) {
		return nil
	}
	return func(pid, fd int) error {
		a, err := dialAgent(s)
		if err != nil {
			return err
		}
		defer a.close()
		return a.listener(state)(pid, fd)
	}
}

// close ends the connection, by which the agent knows that no more comes.
func (a *agent) close() {
	if a != nil {
		unix.Close(a.conn)
	}
}
