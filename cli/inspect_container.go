package cli

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
	"berth/container/logs"
)

// The types of docker's output of inspect: names, nesting and zero values are
// what scripts and templates ask for. A field's name is that of docker's own
// source, its tag that of the JSON, since a template may use either. They are
// made from a container's record when it is shown, and nothing is ever read
// from them.

type containerDetails struct {
	ID              string `json:"Id"`
	Created, Path   string
	Args            []string
	State           containerState
	Image           string
	ResolvConfPath  string
	HostnamePath    string
	HostsPath       string
	LogPath, Name   string
	RestartCount    int
	Driver          string
	Platform        string
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	ExecIDs         []string
	HostConfig      hostConfig
	GraphDriver     graphDriver
	SizeRw          *int64 `json:",omitempty"`
	SizeRootFs      *int64 `json:",omitempty"`
	Mounts          []mountPoint
	Config          containerConfig
	NetworkSettings networkSettings
	// Error is why a record cannot be read; docker has no such key.
	Error string `json:",omitempty"`
}

type containerState struct {
	Status                                       string
	Running, Paused, Restarting, OOMKilled, Dead bool
	Pid                                          int
	// ExitCode is null when nobody was there to see the end.
	ExitCode                     *int
	Error, StartedAt, FinishedAt string
	Health                       *healthState `json:",omitempty"`
}

type mountPoint struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	Driver      string `json:",omitempty"`
	Mode        string
	RW          bool
	Propagation string
}

type containerConfig struct {
	Hostname, Domainname, User              string
	AttachStdin, AttachStdout, AttachStderr bool
	ExposedPorts                            map[string]struct{} `json:",omitempty"`
	Tty, OpenStdin, StdinOnce               bool
	Env, Cmd                                []string
	Healthcheck                             *healthConfig `json:",omitempty"`
	Image                                   string
	Volumes                                 map[string]struct{}
	WorkingDir                              string
	Entrypoint, OnBuild                     []string
	Labels                                  map[string]string
	StopSignal                              string `json:",omitempty"`
	StopTimeout                             *int   `json:",omitempty"`
	// Timeout is podman's key; docker has no such limit.
	Timeout int `json:",omitempty"`
}

// storageDriver is docker's word for layers that an overlay puts together.
const storageDriver = "overlay2"

// never is docker's way to write that a time has not come.
const never = "0001-01-01T00:00:00Z"

func describeContainer(b *backend, v *container.View, size bool) containerDetails {
	if v.Status == container.Broken || v.Spec == nil {
		d := containerDetails{State: containerState{Status: string(v.Status)}}
		if v.Config != nil {
			d.ID, d.Name = v.ID, "/"+v.Name
		}
		if v.Err != nil {
			d.Error = v.Err.Error()
		}
		return d
	}
	d := containerDetails{
		ID: v.ID, Created: v.Created.Format(time.RFC3339Nano), Args: []string{}, State: describeState(v), RestartCount: v.RestartCount(),
		Image: v.Image.ID, Name: "/" + v.Name, Driver: storageDriver, Platform: "linux",
		MountLabel: v.Spec.Linux.MountLabel, ProcessLabel: v.Spec.Process.SelinuxLabel, AppArmorProfile: v.Spec.Process.ApparmorProfile,
		HostConfig: describeHost(v.Config), Mounts: describeMounts(v.Config), Config: describeConfig(v.Config),
		NetworkSettings: describeNetwork(v),
	}
	if args := v.Spec.Process.Args; len(args) > 0 {
		d.Path, d.Args = args[0], args[1:]
	}
	if logs.HasFile(v.Log.Driver) {
		d.LogPath = b.LogPath(v.Config)
	}
	d.files(b, v)
	if size {
		d.sizes(b, v)
	}
	return d
}

// files names what berth keeps of a container on the host.
func (d *containerDetails) files(b *backend, v *container.View) {
	own := b.dirs.RunContainer(v.ID)
	d.HostnamePath, d.HostsPath = own+"/hostname", own+"/hosts"
	if v.Network != "none" {
		d.ResolvConfPath = own + "/resolv.conf"
	}
	if len(v.Layers) == 0 {
		d.Driver, d.GraphDriver = "rootfs", graphDriver{Name: "rootfs", Data: map[string]string{"Root": v.Spec.Root.Path}}
		return
	}
	d.GraphDriver = graphDriver{Name: d.Driver, Data: map[string]string{
		"LowerDir": strings.Join(v.Layers, ":"), "UpperDir": b.upper(v.ID), "WorkDir": b.dirs.Container(v.ID) + "/work",
	}}
	if d.State.Pid != 0 {
		// The overlay is mounted nowhere on the host: this is the way to it.
		d.GraphDriver.Data["MergedDir"] = "/proc/" + strconv.Itoa(d.State.Pid) + "/root"
	}
}

func (d *containerDetails) sizes(b *backend, v *container.View) {
	written := treeSize(b.upper(v.ID))
	total := written
	if img, err := b.images.Resolve(v.Image.ID); err == nil {
		total += img.Size
	}
	d.SizeRw, d.SizeRootFs = &written, &total
}

func describeState(v *container.View) containerState {
	s := containerState{
		Status: string(v.Status), Running: v.Up(), Restarting: v.Status == container.Restarting,
		Paused: v.Status == container.Paused, Dead: v.Status == container.Dead,
		StartedAt: never, FinishedAt: never, ExitCode: to(0),
	}
	if x := v.Exit; x != nil {
		s.ExitCode, s.Error, s.OOMKilled = x.Code, x.Error, x.OOMKilled
		s.StartedAt, s.FinishedAt = timeText(x.Started), timeText(x.Finished)
	}
	if v.Live != nil && s.Running && !s.Restarting {
		s.Pid, s.StartedAt, s.ExitCode = v.Live.Payload.PID, timeText(v.Live.Started), to(0)
	}
	s.Health = describeHealth(v.Health)
	return s
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return never
	}
	return t.Format(time.RFC3339Nano)
}

func describeConfig(c *container.Config) containerConfig {
	p := c.Spec.Process
	d := containerConfig{
		Hostname: c.Spec.Hostname, Domainname: c.Spec.Domainname, User: userText(p.User),
		OpenStdin: c.OpenStdin, Tty: p.Terminal, Env: []string{}, Cmd: c.Cmd, Image: c.Image.Ref, WorkingDir: p.Cwd,
		Entrypoint: c.Entrypoint, Labels: c.Labels, StopSignal: c.StopSignal, StopTimeout: c.StopTimeout, Timeout: c.Timeout,
		Healthcheck: describeHealthCheck(c.HealthCheck),
	}
	own := ownVariables(c)
	for _, v := range p.Env {
		if !slices.Contains(own, v) {
			d.Env = append(d.Env, v)
		}
	}
	if d.Labels == nil {
		d.Labels = map[string]string{}
	}
	for _, list := range [][]container.Port{c.Ports, c.Exposed} {
		for _, port := range list {
			if d.ExposedPorts == nil {
				d.ExposedPorts = map[string]struct{}{}
			}
			d.ExposedPorts[port.Private()] = struct{}{}
		}
	}
	return d
}

// ownVariables are those that every container is given at its start, which docker
// does not show among those that were asked for.
func ownVariables(c *container.Config) []string {
	list := []string{"HOSTNAME=" + c.Spec.Hostname}
	if c.Spec.Process.Terminal {
		list = append(list, "TERM=xterm")
	}
	return list
}

// userText is the user as -u would take it; empty for root.
func userText(u specs.User) string {
	switch {
	case u.Username != "":
		return u.Username
	case u.GID != 0:
		return strconv.Itoa(int(u.UID)) + ":" + strconv.Itoa(int(u.GID))
	case u.UID != 0:
		return strconv.Itoa(int(u.UID))
	}
	return ""
}

func describeMounts(c *container.Config) []mountPoint {
	list := []mountPoint{}
	for _, m := range c.Spec.Mounts {
		if m.Type != "bind" || c.From[mountField(m.Destination)] == "--ipc" {
			continue
		}
		point := mountPoint{Type: "bind", Source: m.Source, Destination: path.Clean(m.Destination), RW: !readOnly(m), Propagation: "rprivate"}
		if !point.RW && c.From[mountField(m.Destination)] != "--mount" {
			point.Mode = "ro"
		}
		for _, o := range m.Options {
			switch o {
			case "private", "shared", "rshared", "slave", "rslave":
				point.Propagation = o
			}
		}
		list = append(list, point)
	}
	return list
}

func readOnly(m specs.Mount) bool {
	for _, o := range m.Options {
		if o == "ro" || o == "rro" {
			return true
		}
	}
	return false
}
