package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/bundle"
	"berth/container"
	"berth/state"
)

// engineState is the state of a container that the engine has made, by id, name
// or unique prefix of an id; nil when there is none, or when --root names
// containers that are not ours. It is for people who look below what berth run
// does: the engine's containers are not of this command line otherwise.
func (s *session) engineState(ctx context.Context, ref string) (*bundle.State, error) {
	if s.globals.root != "" {
		return nil, nil
	}
	dirs, err := state.DirsFromEnv(s.getenv)
	if err != nil {
		return nil, err
	}
	// The engine would make its folders to look into them.
	if !exists(dirs.Containers()) && !exists(dirs.RunContainers()) {
		return nil, nil
	}
	view, err := container.New(dirs).Get(ctx, ref)
	if unknown := (*state.NoSuchError)(nil); errors.As(err, &unknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Where a running container's hosts, hostname and sockets are; one that
	// does not run has its record elsewhere, and need not have that folder.
	folder := dirs.RunContainer(view.ID)
	if !exists(folder) {
		folder = dirs.Container(view.ID)
	}
	return stateOf(view, folder)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// stateOf is a container of the engine in the runtime specification's words.
func stateOf(v *container.View, folder string) (*bundle.State, error) {
	st := &bundle.State{
		Version: v.Spec.Version, ID: v.ID, Bundle: folder, Rootfs: v.Rootfs, Created: v.Created,
		Annotations: v.Spec.Annotations, Owner: "root", // nobody else can run the engine
	}
	switch v.Status {
	case container.Created:
		st.Status = string(specs.StateCreated)
	case container.Running, container.Paused:
		st.Status = string(v.Status)
	case container.Exited, container.Dead:
		st.Status = string(specs.StateStopped)
	default:
		return nil, fmt.Errorf("look at container %s of the engine: it is %s: %w", v.ID, v.Status, state.ErrCorrupt)
	}
	if v.Live == nil {
		return st, nil
	}
	if st.Pid = v.Live.Payload.PID; st.Pid == 0 {
		st.Status = string(specs.StateCreating)
	} else if st.Rootfs == "" {
		// Its mounts are in no mount table but its own.
		st.Rootfs = "/proc/" + strconv.Itoa(st.Pid) + "/root"
	}
	return st, nil
}

// engineCommand is what does a verb of this command line to the engine's
// containers; inspect where the engine has no word for it.
func engineCommand(verb string) string {
	switch verb {
	case "delete":
		return "berth rm"
	case "exec", "kill", "start":
		return "berth " + verb
	}
	return "berth inspect"
}

// attribute says of an id that is unknown here when it is the engine's.
func (s *session) attribute(ctx context.Context, verb string, args []string, err error) error {
	if !errors.Is(err, bundle.ErrNotExist) || len(args) == 0 {
		return err
	}
	st, lookErr := s.engineState(ctx, args[0])
	if st == nil || lookErr != nil {
		return err // which is what was asked about
	}
	return fmt.Errorf("%w: it is a container of the engine: use '%s'", err, engineCommand(verb))
}
