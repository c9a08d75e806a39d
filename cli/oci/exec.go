package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/bundle"
	"berth/cli/option"
	"berth/cli/status"
)

func execCommand() *command {
	return &command{
		name: "exec", args: "[OPTIONS] " + idArg + " COMMAND [ARG...]", short: "Run one more program in a container",
		about: `Exec runs a program beside the container's own, with the same namespaces, cgroups and limits. What it runs as is the process of config.json with the flags' changes, or, with --process, a file with a process object and nothing else.

Exec ends with the program's status, and with 255 when the program could not be run.`,
		min: 1, max: unlimited, ordered: true,
		build: func(s *session) ([]*option.Option, action) {
			o := bundle.ExecOptions{Stdio: s.stdio}
			var f processFlags
			return append(execOptions(&o), f.options()...), func(ctx context.Context, args []string) error {
				code, err := s.exec(ctx, &o, &f, args)
				if err != nil {
					return &status.Error{Code: exitExec, Err: fmt.Errorf("exec failed: %w", err)}
				}
				return status.Exit(code)
			}
		},
	}
}

// execOptions are the flags of exec that are about running, not about what runs.
func execOptions(o *bundle.ExecOptions) []*option.Option {
	return []*option.Option{
		switchOption(&o.Detach, "detach,d", "Return once the program runs"),
		option.Text(&o.ConsoleSocket, "console-socket", "path", "Unix socket that receives the terminal's master"),
		option.Text(&o.PidfdSocket, "pidfd-socket", "path", "Unix socket that receives a pidfd of the program"),
		option.Text(&o.PidFile, "pid-file", "path", "File that receives the pid of the program"),
		countOption(&o.PreserveFds, "preserve-fds", "n", "Pass on n descriptors, from 3 and behind those of LISTEN_FDS (0)"),
		option.Text(&o.SubCgroup, "cgroup", "path", "Run in a cgroup below the container's own, which must exist"),
		switchOption(&o.IgnorePaused, "ignore-paused", "Join a paused container; the program runs once that is resumed"),
		switchOption(&o.NoSubreaper, "no-subreaper", "Do not adopt the processes that the program leaves behind"),
	}
}

func (s *session) exec(ctx context.Context, o *bundle.ExecOptions, f *processFlags, args []string) (int, error) {
	b, err := s.open()
	if err != nil {
		return 0, err
	}
	if o.PidFile != "" {
		if o.PidFile, err = filepath.Abs(o.PidFile); err != nil {
			return 0, fmt.Errorf("find %s: %w", o.PidFile, err)
		}
	}
	id := args[0]
	// The id is looked at first: an unknown one is what callers ask about.
	spec, err := b.Spec(id)
	if err != nil {
		return 0, err
	}
	if o.Process, err = f.process(spec.Process, args[1:]); err != nil {
		return 0, err
	}
	return b.Exec(ctx, id, *o)
}

// processFlags are the flags of exec that say what runs, and as whom.
type processFlags struct {
	path, cwd, user, apparmor, label string
	tty, noNewPrivs                  bool
	env, caps                        []string
	gids                             []uint32
}

func (f *processFlags) options() []*option.Option {
	return []*option.Option{
		option.Text(&f.path, "process,p", "file", "Read the process as JSON from a file; the flags below then say nothing"),
		option.Text(&f.cwd, "cwd", "dir", "Working folder in the container"),
		option.List(&f.env, "env,e", "name=value", "Add a variable to the environment"),
		switchOption(&f.tty, "tty,t", "Give the program a terminal"),
		option.Text(&f.user, "user,u", "uid[:gid]", "Run as this user and group, by number"),
		option.New("additional-gids,g", "gid", "Add a group", func(s string) error {
			gid, err := strconv.ParseUint(s, 10, 32)
			f.gids = append(f.gids, uint32(gid))
			return simplify(err)
		}),
		option.Text(&f.label, "process-label", "label", "SELinux label of the program"),
		option.Text(&f.apparmor, "apparmor", "profile", "AppArmor profile of the program"),
		switchOption(&f.noNewPrivs, "no-new-privs", "Let no program below gain privileges"),
		option.List(&f.caps, "cap,c", "capability", "Add a capability"),
	}
}

// inherit gives a process from a file what it does not say and the container's
// own has: a program must not be less confined for want of a field.
func inherit(p, base *specs.Process) *specs.Process {
	if base == nil {
		return p
	}
	if p.Capabilities == nil {
		p.Capabilities = base.Capabilities
	}
	if p.ApparmorProfile == "" {
		p.ApparmorProfile = base.ApparmorProfile
	}
	if p.SelinuxLabel == "" {
		p.SelinuxLabel = base.SelinuxLabel
	}
	if p.Rlimits == nil {
		p.Rlimits = base.Rlimits
	}
	if p.OOMScoreAdj == nil {
		p.OOMScoreAdj = base.OOMScoreAdj
	}
	if p.Scheduler == nil {
		p.Scheduler = base.Scheduler
	}
	if p.IOPriority == nil {
		p.IOPriority = base.IOPriority
	}
	if p.ExecCPUAffinity == nil {
		p.ExecCPUAffinity = base.ExecCPUAffinity
	}
	return p
}

// process is what exec runs: base, the container's own process, with the flags
// and args on top, or a file.
func (f *processFlags) process(base *specs.Process, args []string) (*specs.Process, error) {
	if f.path != "" {
		p, err := readProcess(f.path)
		if err != nil {
			return nil, err
		}
		return inherit(p, base), checkProcess(p)
	}
	if base == nil {
		return nil, errors.New("the container's configuration has no process to start from")
	}
	p := *base
	p.Args = args
	p.Env = append(slices.Clone(p.Env), f.env...)
	// Whether the container has a terminal is no reason for this program to.
	p.Terminal, p.ConsoleSize = f.tty, nil
	for _, set := range []struct {
		to   *string
		from string
	}{{&p.Cwd, f.cwd}, {&p.ApparmorProfile, f.apparmor}, {&p.SelinuxLabel, f.label}} {
		if set.from != "" {
			*set.to = set.from
		}
	}
	p.NoNewPrivileges = p.NoNewPrivileges || f.noNewPrivs
	p.Capabilities = f.capabilities(p.Capabilities)
	var err error
	if p.User, err = f.identity(p.User); err != nil {
		return nil, err
	}
	return &p, checkProcess(&p)
}

// capabilities adds those of --cap. The ambient set takes only what is
// inheritable, too (capabilities(7)), so it grows where the container's
// inheritable set is not empty; runc decides by the same.
func (f *processFlags) capabilities(base *specs.LinuxCapabilities) *specs.LinuxCapabilities {
	if len(f.caps) == 0 {
		return base
	}
	var c specs.LinuxCapabilities
	if base != nil {
		c = *base
	}
	sets := []*[]string{&c.Bounding, &c.Effective, &c.Permitted}
	if c.Inheritable != nil {
		sets = append(sets, &c.Inheritable, &c.Ambient)
	}
	for _, set := range sets {
		all := slices.Clone(*set)
		for _, name := range f.caps {
			if name = strings.ToUpper(name); !strings.HasPrefix(name, "CAP_") {
				name = "CAP_" + name
			}
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
		*set = all
	}
	return &c
}

// identity is the user of the container with --user and --additional-gids.
func (f *processFlags) identity(u specs.User) (specs.User, error) {
	u.AdditionalGids = append(slices.Clone(u.AdditionalGids), f.gids...)
	if f.user == "" {
		return u, nil
	}
	u.Username = ""
	uid, gid, both := strings.Cut(f.user, ":")
	for _, part := range []struct {
		text string
		to   *uint32
	}{{uid, &u.UID}, {gid, &u.GID}} {
		if part.to == &u.GID && !both {
			continue
		}
		n, err := strconv.ParseUint(part.text, 10, 32)
		if err != nil {
			return u, fmt.Errorf("read user %q: must be uid[:gid] in numbers: %w", f.user, simplify(err))
		}
		*part.to = uint32(n)
	}
	return u, nil
}

func readProcess(path string) (*specs.Process, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var p specs.Process
	if err := json.NewDecoder(file).Decode(&p); err != nil {
		return nil, fmt.Errorf("read process from %s: %w", path, err)
	}
	return &p, nil
}

// checkProcess holds what config.md asks of a process.
func checkProcess(p *specs.Process) error {
	switch {
	case len(p.Args) == 0:
		return errors.New("process args cannot be empty")
	case p.Cwd == "":
		return errors.New("process cwd cannot be empty")
	case !filepath.IsAbs(p.Cwd):
		return fmt.Errorf("process cwd %q must be an absolute path", p.Cwd)
	}
	return nil
}
