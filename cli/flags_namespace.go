package cli

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
	"berth/container"
)

// namespaceFlags say whose namespaces the container has, but for the network.
type namespaceFlags struct {
	pid, ipc, uts, cgroup, user string
}

func (f *namespaceFlags) options() []*option.Option {
	return []*option.Option{
		option.Text(&f.pid, "pid", "string", "PID namespace to use: private (the default), host, or container:<name|id>"),
		option.Text(&f.ipc, "ipc", "string", "IPC mode to use: private (the default), shareable, none, host, or container:<name|id>"),
		option.Text(&f.uts, "uts", "string", "UTS namespace to use: private (the default) or host"),
		option.Text(&f.user, "userns", "string", "User namespace to use: host (the default), private, auto[:size=N], START[:SIZE], or container:<name|id>"),
		option.Text(&f.cgroup, "cgroupns", "string", "Cgroup namespace to use: private (the default) or host"),
	}
}

// isMode tells whether a mode is one of words, or names a container where that
// is allowed.
func isMode(mode string, container bool, words ...string) bool {
	id, named := strings.CutPrefix(mode, "container:")
	return mode == "" || slices.Contains(words, mode) || named && container && id != ""
}

func (f *namespaceFlags) check() error {
	switch {
	case !isMode(f.pid, true, "private", "host"):
		return errors.New("--pid: invalid PID mode")
	case !isMode(f.ipc, true, "private", "shareable", "none", "host"):
		return &daemonError{verbatim("invalid IPC mode: %s", f.ipc)}
	case !isMode(f.uts, false, "private", "host"):
		return errors.New("--uts: invalid UTS mode")
	case !isMode(f.cgroup, false, "private", "host"):
		return errors.New("--cgroupns: invalid CGROUP mode")
	}
	_, err := container.ParseUserMode(f.user)
	return err
}

func (f *namespaceFlags) apply(d *draft) error {
	var err error
	if d.Modes.PID, err = d.share(specs.PIDNamespace, f.pid, "--pid"); err != nil {
		return err
	}
	if d.Modes.IPC, err = d.share(specs.IPCNamespace, f.ipc, "--ipc"); err != nil {
		return err
	}
	if d.Modes.UTS, err = d.share(specs.UTSNamespace, f.uts, "--uts"); err != nil {
		return err
	}
	if d.Modes.Cgroup, err = d.share(specs.CgroupNamespace, f.cgroup, "--cgroupns"); err != nil {
		return err
	}
	if err := f.applyUsers(d); err != nil {
		return err
	}
	if err := f.applyHostname(d); err != nil {
		return err
	}
	f.applyShm(d)
	return checkSysctls(d)
}

// applyUsers gives the container ids of its own.
func (f *namespaceFlags) applyUsers(d *draft) error {
	mode, err := container.ParseUserMode(f.user)
	if err != nil {
		return err
	}
	if d.Modes.User, err = d.share(specs.UserNamespace, mode, "--userns"); err != nil || d.Modes.User == "" {
		return err
	}
	if d.Privileged {
		return verbatim("privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode")
	}
	if container.ModeContainer(mode) != "" {
		return nil
	}
	// The kernel lets nobody mount what belongs to a namespace that is another
	// user namespace's.
	for flag, of := range map[string]string{"--pid": d.Modes.PID, "--ipc": d.Modes.IPC, "--network": d.Network} {
		if container.ModeContainer(of) != "" {
			return &hintError{verbatim("conflicting options: %s container and --userns %s", flag, f.user), "join the container's user namespace as well (--userns container:<name|id>)"}
		}
	}
	return nil
}

// share applies the mode of one namespace. It returns the mode to keep, with the
// other container's full ID: a rename must not make it another one.
func (d *draft) share(kind specs.LinuxNamespaceType, mode, flag string) (string, error) {
	if mode != "" {
		d.asked("linux.namespaces["+string(kind)+"]", flag)
	}
	if mode == "private" {
		return "", nil
	}
	if mode == "host" {
		d.DropNamespace(kind)
	}
	ref := container.ModeContainer(mode)
	if ref == "" {
		return mode, nil
	}
	other, err := d.find(ref)
	if err != nil {
		return "", err
	}
	return "container:" + other.ID, nil
}

// applyHostname leaves the host its name.
func (f *namespaceFlags) applyHostname(d *draft) error {
	if f.uts != "host" {
		return nil
	}
	if d.From["hostname"] != "" {
		return errors.New("conflicting options: hostname and the UTS mode")
	}
	if d.Spec.Domainname != "" {
		return errors.New("conflicting options: domainname and the UTS mode")
	}
	d.Spec.Hostname = ""
	return nil
}

// hostname is what the container's own name will be.
func (d *draft) hostname() string {
	if d.Spec.Hostname != "" {
		return d.Spec.Hostname
	}
	// Without one it is empty, as for the host's own programs.
	name, _ := os.Hostname()
	return name
}

// applyShm gives the container the shared memory that goes with its IPC
// namespace: what programs call so are files in /dev/shm.
func (f *namespaceFlags) applyShm(d *draft) {
	const shm = "/dev/shm"
	switch f.ipc {
	case "host":
		d.setMount(specs.Mount{Type: "bind", Source: shm, Destination: shm, Options: []string{"rbind", "rprivate"}}, "--ipc")
	case "none":
		d.Spec.Mounts = slices.DeleteFunc(slices.Clone(d.Spec.Mounts), func(m specs.Mount) bool { return m.Destination == shm })
	}
}

// checkSysctls refuses kernel parameters of namespaces that are the host's, in
// the words of the runtime below docker.
func checkSysctls(d *draft) error {
	for key := range d.Spec.Linux.Sysctl {
		switch {
		case strings.HasPrefix(key, "net."):
			if d.Shares(specs.NetworkNamespace) {
				return verbatim("sysctl %q not allowed in host network namespace", key)
			}
		case d.Shares(specs.IPCNamespace):
			return verbatim("sysctl %q is not allowed in the hosts ipc namespace", key)
		}
	}
	return nil
}
