package container

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/archive"
	"berth/rootfs"
	"berth/state"
)

// Files is a container's file system, to copy from and to. No process of the
// container takes part in it, and none can lead it out of the root.
type Files struct {
	archive.Tree
	e     *Engine
	c     *Config
	owner [2]idMap // of a running container with a user namespace
	done  func()
}

// NewFiles returns the files of a tree as those of a container whose root the
// caller is; for tests.
func NewFiles(t archive.Tree) *Files {
	f := &Files{Tree: t, done: func() {}}
	for i, id := range []int{os.Geteuid(), os.Getegid()} {
		f.owner[i] = idMap{file: "the caller's ids", list: []specs.LinuxIDMapping{{HostID: uint32(id), Size: 1}}}
	}
	return f
}

// Close ends the use of the files.
func (f *Files) Close() { f.done() }

// Emit records what was done with the files: archive-path or extract-to-dir.
func (f *Files) Emit(action, name string) {
	if f.e != nil {
		f.e.emit(f.c, action, "path", name)
	}
}

// startTime bounds how long files wait for a container that is being started.
const startTime = 5 * time.Second

// OpenFiles opens the files of a container. Of one that runs it is what its
// processes see, mounts and all, and others go on meanwhile. Of one that does
// not, it is the root with the binds, and the container can neither be started
// nor removed before Close.
func (e *Engine) OpenFiles(ctx context.Context, ref string) (*Files, error) {
	for deadline := time.Now().Add(startTime); ; {
		v, err := e.Get(ctx, ref)
		if err != nil {
			return nil, err
		}
		switch {
		case v.Live == nil:
			f, err := e.stoppedFiles(ctx, v)
			if f != nil || err != nil {
				return f, err
			}
		case v.Live.Payload.PID != 0:
			return e.runningFiles(v)
		}
		// It is starting, or ending.
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("container %s is being started", v.ID)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// runningFiles opens the root of the payload.
func (e *Engine) runningFiles(v *View) (*Files, error) {
	payload := v.Live.Payload
	name := "/proc/" + strconv.Itoa(payload.PID) + "/root"
	root, err := os.OpenFile(name, pathFlags, 0)
	// Only now: had the number gone to another process before, this would tell.
	if !payload.AliveIn(e.self.BootID) {
		if err == nil {
			root.Close()
		}
		return nil, fmt.Errorf("container %s %w", v.ID, ErrNotRunning)
	}
	if err != nil {
		return nil, err
	}
	f := &Files{Tree: archive.Tree{Root: root, Confined: true}, e: e, c: v.Config, done: func() { root.Close() }}
	if err := f.readMaps(payload); err != nil {
		root.Close()
		return nil, err
	}
	return f, nil
}

// readMaps learns which ids of the host the container's are.
func (f *Files) readMaps(payload state.Process) error {
	if f.c.Modes.User == "" {
		return nil
	}
	for i, m := range idMaps(f.c.Spec) {
		text, err := m.read(payload.PID)
		if err != nil {
			return err
		}
		if f.owner[i], err = m.parse(text); err != nil {
			return err
		}
	}
	f.Shown = func(uid, gid uint32) (int, int) { return f.owner[0].inside(uid), f.owner[1].inside(gid) }
	// Files of the host's root have no place in an id-mapped file system, not
	// even for the moment until they are given away.
	uid, gid, err := f.Owners(false).Of(0, 0)
	if err != nil {
		return err
	}
	f.Act = func(do func() error) error { return rootfs.AsOwner(uid, gid, do) }
	return nil
}

// nobody is who files belong to whose owner the container has no number for
// (/proc/sys/kernel/overflowuid).
const nobody = 65534

// inside returns the container's number for an id of the host.
func (m idMap) inside(id uint32) int {
	for _, l := range m.list {
		if id >= l.HostID && id-l.HostID < l.Size {
			return int(l.ContainerID + id - l.HostID)
		}
	}
	return nobody
}

// outside returns the host's number for an id of the container.
func (m idMap) outside(id int) (int, error) {
	if m.list == nil {
		return id, nil
	}
	for _, l := range m.list {
		if uint32(id) >= l.ContainerID && uint32(id)-l.ContainerID < l.Size {
			return int(l.HostID + uint32(id) - l.ContainerID), nil
		}
	}
	return 0, fmt.Errorf("owner %d does not exist in the container: it is not in %s", id, m.file)
}

// Owners returns who copied files shall belong to in the container: its root,
// or, when they keep their owners, the same numbers.
func (f *Files) Owners(keep bool) archive.Owners { return owners{f, keep} }

type owners struct {
	f    *Files
	keep bool
}

func (o owners) Keep() bool { return o.keep }

func (o owners) Of(uid, gid int) (int, int, error) {
	if !o.keep {
		uid, gid = 0, 0
	}
	uid, err := o.f.owner[0].outside(uid)
	if err != nil {
		return 0, 0, err
	}
	gid, err = o.f.owner[1].outside(gid)
	return uid, gid, err
}

// stoppedFiles assembles the root and the binds, as the next start would; nil
// when the container has been started meanwhile.
func (e *Engine) stoppedFiles(ctx context.Context, v *View) (*Files, error) {
	lock, err := e.lock(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	live, err := e.loadLive(v.ID)
	if err == nil && live != nil {
		return nil, lock.Close()
	}
	if err == nil {
		_, err = e.load(v.ID) // it may be removed since
	}
	if err == nil {
		err = e.writable(v.ID)
	}
	if err != nil {
		unlock(lock)
		return nil, err
	}
	stage := rootfs.Stage{
		Layers: e.layers(v.Config), Upper: e.upperDir(v.ID), Work: e.workDir(v.ID), Folder: v.Rootfs,
		Binds: binds(v.Spec), ReadOnly: v.Spec.Root.Readonly, Hold: e.emptyDir(),
	}
	root, done, err := stage.Open()
	if err != nil {
		unlock(lock)
		return nil, err
	}
	return &Files{Tree: archive.Tree{Root: root, Confined: true}, e: e, c: v.Config, done: func() {
		done()
		unlock(lock)
	}}, nil
}

// binds are the mounts whose content is there without the container.
func binds(spec *specs.Spec) []rootfs.Bind {
	var list []rootfs.Bind
	for _, m := range spec.Mounts {
		has := func(o string) bool { return slices.Contains(m.Options, o) }
		if m.Type != "bind" && !has("bind") && !has("rbind") || isKernels(m.Destination) {
			continue
		}
		list = append(list, rootfs.Bind{
			Source: m.Source, Target: path.Clean("/" + m.Destination),
			Recursive: !has("bind"), ReadOnly: has("ro") || has("rro"),
		})
	}
	return list
}

// isKernels tells of the places where a container has the kernel's own files.
func isKernels(dest string) bool {
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if dest == dir || strings.HasPrefix(dest, dir+"/") {
			return true
		}
	}
	return false
}
