package container

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
	"berth/state"
)

// peer is another container that one shares a namespace with.
type peer struct {
	kind specs.LinuxNamespaceType
	id   string
	// idle are docker's words for a peer that does not run.
	idle string
}

const idleUsers = "cannot join user namespace of a non running container: %s"

// peers lists the namespaces that a container has of others.
func (c *Config) peers() []peer {
	list := []peer{
		{specs.PIDNamespace, ModeContainer(c.Modes.PID), "cannot join PID of a non running container: %s"},
		{specs.IPCNamespace, ModeContainer(c.Modes.IPC), "can't join IPC of container %[1]s: container %[1]s is not running"},
		{specs.UserNamespace, ModeContainer(c.Modes.User), idleUsers},
		{specs.NetworkNamespace, ModeContainer(c.Network), "cannot join network of a non running container: %s"},
	}
	return slices.DeleteFunc(list, func(p peer) bool { return p.id == "" })
}

// find returns the live record of the peer.
func (p peer) find(e *Engine) (*Live, error) {
	c, err := e.load(p.id)
	if err != nil {
		return nil, errors.Join(&state.NoSuchError{Ref: p.id}, dropMissing(err))
	}
	live, err := e.loadLive(p.id)
	if err != nil {
		return nil, err
	}
	if live == nil || live.Exit != nil || !live.Payload.Alive() {
		return nil, fmt.Errorf(p.idle, p.id)
	}
	if p.kind == specs.IPCNamespace && c.Modes.IPC != "shareable" && c.Modes.IPC != "host" && ModeContainer(c.Modes.IPC) == "" {
		// docker's words
		return nil, fmt.Errorf("can't join IPC of container %s: non-shareable IPC (hint: use IpcMode:shareable for the donor container)", p.id)
	}
	return live, nil
}

// dropMissing drops the error of a record that is not there.
func dropMissing(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// sharing is what a plan must know of the containers that one joins.
type sharing struct {
	// processes are those whose namespaces the spec names.
	processes []state.Process
	// shm is the process whose /dev/shm the container has; nil for its own.
	shm *state.Process
}

// join gives the namespaces in spec, which is the caller's to change, that
// belong to other containers their paths of this moment.
func (e *Engine) join(c *Config, spec *specs.Spec) (sharing, error) {
	var s sharing
	list := c.peers()
	if len(list) == 0 {
		return s, nil
	}
	linux := *spec.Linux
	linux.Namespaces = slices.Clone(linux.Namespaces)
	spec.Linux = &linux
	for _, p := range list {
		live, err := p.find(e)
		if err != nil {
			return s, err
		}
		for i := range linux.Namespaces {
			if linux.Namespaces[i].Type == p.kind {
				linux.Namespaces[i].Path = path.Join("/proc", strconv.Itoa(live.Payload.PID), "ns", namespaceFile(p.kind))
			}
		}
		s.processes = append(s.processes, live.Payload)
		if p.kind == specs.IPCNamespace {
			s.shm = &live.Payload
		}
	}
	return s, nil
}

// networkOwner returns the container whose network another one has in the end:
// its name files are the ones that are true for that.
func (e *Engine) networkOwner(c *Config) (*Config, error) {
	for id := ModeContainer(c.Network); id != ""; id = ModeContainer(c.Network) {
		// It ends: a container can only join one that was there before it.
		owner, err := e.load(id)
		if err != nil {
			return nil, errors.Join(&state.NoSuchError{Ref: id}, dropMissing(err))
		}
		c = owner
	}
	return c, nil
}

// checkPeers makes sure, once their namespaces are open, that the processes
// which they were opened by are still there: so no other process can have had
// one of their numbers in between.
func (c *compiler) checkPeers() {
	for _, p := range c.in.Peers {
		c.p.Add(nsenter.Do("make sure that process "+strconv.Itoa(p.PID)+" is still the other container's", func(*nsenter.Run) error {
			if !p.Alive() {
				return fmt.Errorf("join namespaces of process %d: %w", p.PID, state.ErrProcessGone)
			}
			return nil
		}).On("pid "+strconv.Itoa(p.PID)).For("linux.namespaces", "another process could have got its number before the namespaces were open"))
	}
}
