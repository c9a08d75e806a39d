package cli

import (
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
)

// The types below are docker's output of inspect: names and nesting are what
// scripts and templates ask for. They are made from a container's record when
// it is shown, and nothing is ever read from them.

type containerDetails struct {
	Id, Created, Path string
	Args              []string
	State             containerState
	Image             string
	LogPath, Name     string
	RestartCount      int
	Driver, Platform  string
	GraphDriver       graphDriver
	HostConfig        hostConfig
	Mounts            []mountPoint
	Config            containerConfig
	NetworkSettings   networkSettings
	SizeRw            *int64 `json:",omitempty"`
	// Error is why a record cannot be read; docker has no such key.
	Error string `json:",omitempty"`
}

type containerState struct {
	Status                                       string
	Running, Paused, Restarting, OOMKilled, Dead bool
	Pid                                          int
	ExitCode                                     *int
	Error, StartedAt, FinishedAt                 string
}

type hostConfig struct {
	Binds                                 []string
	ContainerIDFile                       string
	LogConfig                             logConfig
	NetworkMode                           string
	AutoRemove, Privileged                bool
	CapAdd, CapDrop, GroupAdd             []string
	ReadonlyRootfs                        bool
	SecurityOpt                           []string
	CgroupParent                          string
	Memory, MemoryReservation, MemorySwap int64
	NanoCpus, CpuPeriod, CpuQuota         int64
	CpuShares                             uint64
	CpusetCpus, CpusetMems                string
	BlkioWeight                           uint16
	PidsLimit                             *int64
	OomScoreAdj, ShmSize                  int64
	Init                                  bool
	Sysctls                               map[string]string
	Ulimits                               []ulimit
	MaskedPaths, ReadonlyPaths            []string
	Tmpfs                                 map[string]string
}

type logConfig struct {
	Type   string
	Config map[string]string
}

type ulimit struct {
	Name       string
	Hard, Soft int64
}

type mountPoint struct {
	Type, Source, Destination, Mode string
	RW                              bool
	Propagation                     string
}

type containerConfig struct {
	Hostname, Domainname, User string
	OpenStdin, Tty             bool
	Env, Cmd                   []string
	Image, WorkingDir          string
	Entrypoint                 []string
	Labels                     map[string]string
	StopSignal                 string `json:",omitempty"`
	StopTimeout                *int   `json:",omitempty"`
}

type networkSettings struct {
	Ports    map[string]any
	Networks map[string]map[string]string
}

// never is docker's way to write that a time has not come.
const never = "0001-01-01T00:00:00Z"

func describeContainer(b *backend, v *container.View, size bool) containerDetails {
	if v.Status == container.Broken || v.Spec == nil {
		d := containerDetails{State: containerState{Status: string(v.Status)}}
		if v.Config != nil {
			d.Id, d.Name = v.ID, "/"+v.Name
		}
		if v.Err != nil {
			d.Error = v.Err.Error()
		}
		return d
	}
	d := containerDetails{
		Id: v.ID, Created: v.Created.Format(time.RFC3339Nano), Args: []string{}, State: describeState(v),
		Image: v.Image.ID, Name: "/" + v.Name, Driver: "overlay", Platform: "linux",
		HostConfig: describeHost(v.Config), Mounts: describeMounts(v.Spec.Mounts), Config: describeConfig(v.Config),
		NetworkSettings: networkSettings{
			Ports:    map[string]any{},
			Networks: map[string]map[string]string{v.Network: {"IPAddress": "", "Gateway": "", "MacAddress": ""}},
		},
	}
	if args := v.Spec.Process.Args; len(args) > 0 {
		d.Path, d.Args = args[0], args[1:]
	}
	if v.Log.Driver == "json-file" {
		d.LogPath = b.LogPath(v.Config)
	}
	d.GraphDriver = graphDriver{Name: d.Driver, Data: map[string]string{
		"LowerDir": strings.Join(v.Layers, ":"), "UpperDir": b.upper(v.ID),
	}}
	if len(v.Layers) == 0 {
		d.Driver, d.GraphDriver = "rootfs", graphDriver{Name: "rootfs", Data: map[string]string{"Root": v.Spec.Root.Path}}
	}
	if size {
		n := treeSize(b.upper(v.ID))
		d.SizeRw = &n
	}
	return d
}

func describeState(v *container.View) containerState {
	s := containerState{
		Status: string(v.Status), Running: v.Status == container.Running || v.Status == container.Paused,
		Paused: v.Status == container.Paused, Dead: v.Status == container.Dead,
		StartedAt: never, FinishedAt: never, ExitCode: to(0),
	}
	if x := v.Exit; x != nil {
		s.ExitCode, s.Error, s.OOMKilled = x.Code, x.Error, x.OOMKilled
		s.StartedAt, s.FinishedAt = timeText(x.Started), timeText(x.Finished)
	}
	if v.Live != nil && s.Running {
		s.Pid, s.StartedAt, s.ExitCode = v.Live.Payload.PID, timeText(v.Live.Started), to(0)
	}
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
	return containerConfig{
		Hostname: c.Spec.Hostname, Domainname: c.Spec.Domainname, User: userText(p.User),
		OpenStdin: c.OpenStdin, Tty: p.Terminal, Env: p.Env, Cmd: c.Cmd, Image: c.Image.Ref, WorkingDir: p.Cwd,
		Entrypoint: c.Entrypoint, Labels: c.Labels, StopSignal: c.StopSignal, StopTimeout: c.StopTimeout,
	}
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

func describeHost(c *container.Config) hostConfig {
	l, p := c.Spec.Linux, c.Spec.Process
	h := hostConfig{
		Binds: []string{}, LogConfig: logConfig{c.Log.Driver, c.Log.Opts}, NetworkMode: c.Network,
		AutoRemove: c.AutoRemove, Privileged: c.Privileged, GroupAdd: c.GroupAdd, ReadonlyRootfs: c.Spec.Root.Readonly,
		CgroupParent: l.CgroupsPath, Init: c.Init, Sysctls: l.Sysctl, SecurityOpt: securityOptions(c),
		MaskedPaths: l.MaskedPaths, ReadonlyPaths: l.ReadonlyPaths, Tmpfs: map[string]string{}, ShmSize: container.ShmSize,
	}
	h.CapAdd, h.CapDrop = capabilityChanges(c)
	if p.OOMScoreAdj != nil {
		h.OomScoreAdj = int64(*p.OOMScoreAdj)
	}
	for _, r := range p.Rlimits {
		name := strings.ToLower(strings.TrimPrefix(r.Type, "RLIMIT_"))
		h.Ulimits = append(h.Ulimits, ulimit{name, int64(r.Hard), int64(r.Soft)})
	}
	for _, m := range c.Spec.Mounts {
		describeMount(&h, m, c.From[mountField(m.Destination)])
	}
	describeLimits(&h, c, l.Resources)
	return h
}

// capabilityChanges compares with what a container gets unasked.
func capabilityChanges(c *container.Config) (added, dropped []string) {
	if c.Privileged || c.Spec.Process.Capabilities == nil {
		return nil, nil
	}
	have := map[string]bool{}
	for _, name := range c.Spec.Process.Capabilities.Bounding {
		have[name] = true
	}
	for _, name := range container.DefaultCapabilities() {
		if !have[name] {
			dropped = append(dropped, name)
		}
		delete(have, name)
	}
	for _, name := range c.Spec.Process.Capabilities.Bounding {
		if have[name] {
			added = append(added, name)
		}
	}
	return added, dropped
}

func securityOptions(c *container.Config) []string {
	var list []string
	if c.Spec.Process.NoNewPrivileges {
		list = append(list, "no-new-privileges")
	}
	if c.Seccomp != "" && !c.Privileged {
		list = append(list, "seccomp="+c.Seccomp)
	}
	return list
}

// describeMount adds what HostConfig says of a mount that a flag asked for.
func describeMount(h *hostConfig, m specs.Mount, flag string) {
	switch {
	case m.Destination == "/dev/shm" && m.Type == "tmpfs":
		for _, o := range m.Options {
			if size, ok := strings.CutPrefix(o, "size="); ok {
				h.ShmSize, _ = strconv.ParseInt(size, 10, 64)
			}
		}
	case flag == "--volume":
		bind := m.Source + ":" + m.Destination
		if readOnly(m) {
			bind += ":ro"
		}
		h.Binds = append(h.Binds, bind)
	case flag == "--tmpfs":
		h.Tmpfs[m.Destination] = strings.Join(m.Options, ",")
	}
}

func describeLimits(h *hostConfig, c *container.Config, r *specs.LinuxResources) {
	if r == nil {
		return
	}
	if r.Pids != nil {
		h.PidsLimit = r.Pids.Limit
	}
	if m := r.Memory; m != nil {
		h.Memory, h.MemoryReservation, h.MemorySwap = value(m.Limit), value(m.Reservation), value(m.Swap)
	}
	if r.BlockIO != nil {
		h.BlkioWeight = value(r.BlockIO.Weight)
	}
	cpu := r.CPU
	if cpu == nil {
		return
	}
	h.CpuShares, h.CpusetCpus, h.CpusetMems = value(cpu.Shares), cpu.Cpus, cpu.Mems
	h.CpuPeriod, h.CpuQuota = int64(value(cpu.Period)), value(cpu.Quota)
	if c.From["linux.resources.cpu.quota"] == "--cpus" && h.CpuPeriod > 0 {
		h.NanoCpus = h.CpuQuota * 1_000_000_000 / h.CpuPeriod
		h.CpuPeriod, h.CpuQuota = 0, 0
	}
}

// value reads an optional number; absent is zero.
func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func describeMounts(mounts []specs.Mount) []mountPoint {
	list := []mountPoint{}
	for _, m := range mounts {
		if m.Type != "bind" {
			continue
		}
		point := mountPoint{Type: "bind", Source: m.Source, Destination: path.Clean(m.Destination), RW: !readOnly(m), Propagation: "rprivate"}
		if !point.RW {
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
