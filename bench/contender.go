package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Sections of the report, in this order.
const (
	sectionStart   = "start of true"
	sectionExec    = "exec of true in a running container"
	sectionVersion = "--version"
	sectionList    = "list of containers"
)

// contender is a command to be timed, or the reason why it is not.
type contender struct {
	section string
	name    string
	command command
	// then are the commands that follow, and belong to the time.
	then []command
	// settle is waited after each run: podman and docker clean up behind the
	// back of their client, and that must not fall into another's time.
	settle time.Duration
	absent string
}

// engine is something with docker's command line: berth, podman or docker.
type engine struct {
	name    string
	base    command
	flags   []string // of run, besides those all of them get
	settle  time.Duration
	absent  string // why it cannot be measured
	stopped int    // containers to list
	running int
	floor   int64                 // the memory limit the search begins at
	daemons func() map[string]int // what stays besides each container's supervisor
	close   func() error
}

const imageName = "bench"

// run is the command line of a container of the common image.
func (e *engine) run(extra []string, args ...string) command {
	c := e.base.with("run", "--network", "none").with(e.flags...).with(extra...)
	return c.with(imageName).with(args...)
}

// prepare imports the image and starts the container that exec runs in.
func (e *engine) prepare(w *workspace) error {
	if _, err := e.base.with("import", w.tar, imageName).output(); err != nil {
		return err
	}
	_, err := e.run([]string{"-d", "--name", "target"}, "sleep", "1000000").output()
	return err
}

func (e *engine) contenders() []contender {
	start := contender{section: sectionStart, name: e.name + " run --rm --network none", settle: e.settle, absent: e.absent}
	inside := contender{section: sectionExec, name: e.name + " exec", settle: e.settle, absent: e.absent}
	if e.absent == "" {
		start.command = e.run([]string{"--rm"}, "true")
		inside.command = e.base.with("exec", "target", "true")
	}
	return []contender{start, inside}
}

// fill makes the containers to list.
func (e *engine) fill(ctx context.Context) error {
	for i := range e.stopped {
		if _, err := e.run([]string{"--name", "stopped" + strconv.Itoa(i)}, "true").output(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	// The container for exec is one of those that run.
	for i := 1; i < e.running; i++ {
		if _, err := e.run([]string{"-d", "--name", "running" + strconv.Itoa(i)}, "sleep", "1000000").output(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// lists checks that the list is complete before its time counts.
func (e *engine) lists() ([]contender, error) {
	all := contender{section: sectionList, absent: e.absent,
		name: fmt.Sprintf("%s ps -a (%d stopped, %d running)", e.name, e.stopped, e.running)}
	live := contender{section: sectionList, absent: e.absent,
		name: fmt.Sprintf("%s ps (the same, shows %d)", e.name, e.running)}
	if e.absent != "" {
		return []contender{all, live}, nil
	}
	all.command, live.command = e.base.with("ps", "-a"), e.base.with("ps")
	for _, check := range []struct {
		c    command
		want int
	}{{all.command, e.stopped + e.running}, {live.command, e.running}} {
		out, err := check.c.with("-q").output()
		if err != nil {
			return nil, err
		}
		if got := len(strings.Fields(out)); got != check.want {
			return nil, fmt.Errorf("%s lists %d containers, want %d", check.c, got, check.want)
		}
	}
	return []contender{all, live}, nil
}

// supervisor is the process that stays with a detached container: the parent
// of its first process.
func (e *engine) supervisor() (pid int, name string, err error) {
	out, err := e.base.with("inspect", "--format", "{{.State.Pid}}", "target").output()
	if err != nil {
		return 0, "", err
	}
	status, err := os.ReadFile(filepath.Join("/proc", out, "status"))
	if err != nil {
		return 0, "", err
	}
	_, rest, _ := strings.Cut(string(status), "\nPPid:\t")
	line, _, _ := strings.Cut(rest, "\n")
	if pid, err = strconv.Atoi(line); err != nil {
		return 0, "", fmt.Errorf("parse PPid of process %s: %w", out, err)
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return pid, strings.TrimSpace(string(comm)), err
}

// remove takes its containers away and, of what runs for it, everything.
func (e *engine) remove() error {
	// Also one that was left out may have made a container.
	if len(e.base.argv) > 0 {
		if out, err := e.base.with("ps", "-aq").output(); err == nil && out != "" {
			if _, err := e.base.with("rm", "-f").with(strings.Fields(out)...).output(); err != nil {
				return err
			}
		}
	}
	if e.close != nil {
		return e.close()
	}
	return nil
}

// newBerth is berth itself, with roots of its own.
func newBerth(w *workspace, host *launcher, root string) *engine {
	env := append(os.Environ(),
		"BERTH_ROOT="+filepath.Join(w.disk, root), "BERTH_RUNROOT="+filepath.Join(w.tmpfs, root))
	return &engine{name: "berth", base: command{argv: []string{w.berth}, env: env, on: host},
		stopped: 1000, running: 50, floor: 1 << 10}
}

// newPodman uses runc, because crun refuses hybrid hosts, and sets limits that a
// machine without CAP_SYS_RESOURCE can set.
func newPodman(w *workspace, host *launcher) *engine {
	e := &engine{name: "podman", settle: 50 * time.Millisecond, stopped: 100, running: 5, floor: 1 << 10}
	path, err := exec.LookPath("podman")
	if err != nil {
		e.absent = err.Error()
		return e
	}
	// conmon leaves a file "oom" where it is when its container runs out of memory.
	e.base = command{on: host, env: os.Environ(), dir: w.disk, argv: []string{path,
		"--root", filepath.Join(w.disk, "podman"), "--runroot", filepath.Join(w.tmpfs, "podman"),
		"--tmpdir", filepath.Join(w.tmpfs, "podman-tmp"), "--runtime", "runc", "--cgroup-manager", "cgroupfs"}}
	e.flags = []string{"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--cgroup-parent", "/" + w.parent}
	return e
}
