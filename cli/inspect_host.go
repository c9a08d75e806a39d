package cli

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
)

// hostConfig is docker's HostConfig. What berth has no use for is there with the
// value that docker gives it when no flag asks.
type hostConfig struct {
	Binds           []string
	ContainerIDFile string
	LogConfig       logConfig
	NetworkMode     string
	PortBindings    portMap
	RestartPolicy   restartPolicy
	AutoRemove      bool
	VolumeDriver    string
	VolumesFrom     []string
	ConsoleSize     [2]uint
	Annotations     map[string]string `json:",omitempty"`
	CapAdd, CapDrop []string
	CgroupnsMode    string
	DNS             []string `json:"Dns"`
	DNSOptions      []string `json:"DnsOptions"`
	DNSSearch       []string `json:"DnsSearch"`
	ExtraHosts      []string
	GroupAdd        []string
	IpcMode, Cgroup string
	Links           []string
	OomScoreAdj     int
	PidMode         string
	Privileged      bool
	PublishAllPorts bool
	ReadonlyRootfs  bool
	SecurityOpt     []string
	StorageOpt      map[string]string `json:",omitempty"`
	Tmpfs           map[string]string `json:",omitempty"`
	UTSMode         string
	UsernsMode      string
	ShmSize         int64
	Sysctls         map[string]string `json:",omitempty"`
	Runtime         string
	Isolation       string

	hostLimits

	MaskedPaths, ReadonlyPaths []string
	Init                       *bool          `json:",omitempty"`
	Mounts                     []mountRequest `json:",omitempty"`
}

// hostLimits are the keys that update can change.
type hostLimits struct {
	CPUShares            uint64 `json:"CpuShares"`
	Memory               int64
	NanoCPUs             int64 `json:"NanoCpus"`
	CgroupParent         string
	BlkioWeight          uint16
	BlkioWeightDevice    []weightDevice
	BlkioDeviceReadBps   []throttleDevice
	BlkioDeviceWriteBps  []throttleDevice
	BlkioDeviceReadIOps  []throttleDevice
	BlkioDeviceWriteIOps []throttleDevice
	CPUPeriod            int64 `json:"CpuPeriod"`
	CPUQuota             int64 `json:"CpuQuota"`
	CPURealtimePeriod    int64 `json:"CpuRealtimePeriod"`
	CPURealtimeRuntime   int64 `json:"CpuRealtimeRuntime"`
	CpusetCpus           string
	CpusetMems           string
	Devices              []deviceMapping
	DeviceCgroupRules    []string
	DeviceRequests       []struct{}
	MemoryReservation    int64
	MemorySwap           int64
	MemorySwappiness     *int64
	OomKillDisable       *bool
	PidsLimit            *int64
	Ulimits              []ulimit
	CPUCount             int64 `json:"CpuCount"`
	CPUPercent           int64 `json:"CpuPercent"`
	IOMaximumIOps        uint64
	IOMaximumBandwidth   uint64
}

type logConfig struct {
	Type   string
	Config map[string]string
}

type restartPolicy struct {
	Name              string
	MaximumRetryCount int
}

type weightDevice struct {
	Path   string
	Weight uint16
}

type throttleDevice struct {
	Path string
	Rate uint64
}

type deviceMapping struct {
	PathOnHost, PathInContainer, CgroupPermissions string
}

type ulimit struct {
	Name       string
	Hard, Soft int64
}

func describeHost(c *container.Config) hostConfig {
	l, p := c.Spec.Linux, c.Spec.Process
	h := hostConfig{
		LogConfig: logConfig{c.Log.Driver, map[string]string{}}, NetworkMode: c.Network, PortBindings: bindings(c.Ports),
		RestartPolicy: restartPolicy{cmp.Or(c.Restart.Name, "no"), c.Restart.MaximumRetryCount}, AutoRemove: c.AutoRemove, Annotations: c.Spec.Annotations,
		CgroupnsMode: cmp.Or(c.Modes.Cgroup, "private"), DNS: listed(c.DNS.Servers), DNSOptions: listed(c.DNS.Options), DNSSearch: listed(c.DNS.Search), ExtraHosts: c.ExtraHosts, VolumesFrom: c.VolumesFrom,
		GroupAdd: c.GroupAdd, IpcMode: cmp.Or(c.Modes.IPC, "private"), PidMode: c.Modes.PID,
		Privileged: c.Privileged, ReadonlyRootfs: c.Spec.Root.Readonly, SecurityOpt: securityOptions(c),
		UTSMode: c.Modes.UTS, UsernsMode: c.Modes.User, ShmSize: container.ShmSize, Sysctls: l.Sysctl, Runtime: "berth",
		hostLimits: noLimits(), MaskedPaths: l.MaskedPaths, ReadonlyPaths: l.ReadonlyPaths,
	}
	for key, value := range c.Log.Opts {
		h.LogConfig.Config[key] = value
	}
	if c.Init {
		h.Init = &c.Init
	}
	for _, gid := range p.User.AdditionalGids {
		h.GroupAdd = append(h.GroupAdd, strconv.Itoa(int(gid)))
	}
	h.CapAdd, h.CapDrop = capabilityChanges(c)
	if p.OOMScoreAdj != nil {
		h.OomScoreAdj = *p.OOMScoreAdj
	}
	for _, r := range p.Rlimits {
		name := strings.ToLower(strings.TrimPrefix(r.Type, "RLIMIT_"))
		h.Ulimits = append(h.Ulimits, ulimit{name, int64(r.Hard), int64(r.Soft)})
	}
	for _, m := range c.Spec.Mounts {
		describeMount(&h, m, c.From[mountField(m.Destination)])
	}
	for _, dev := range c.Devices {
		h.Devices = append(h.Devices, deviceMapping{dev.Host, dev.Inside, dev.Access})
	}
	h.DeviceCgroupRules = c.DeviceRules
	h.CgroupParent = l.CgroupsPath
	h.fill(c, l.Resources)
	return h
}

// noLimits is what docker shows where no limit is set.
func noLimits() hostLimits {
	return hostLimits{
		BlkioWeightDevice: []weightDevice{}, BlkioDeviceReadBps: []throttleDevice{}, BlkioDeviceWriteBps: []throttleDevice{},
		BlkioDeviceReadIOps: []throttleDevice{}, BlkioDeviceWriteIOps: []throttleDevice{}, Devices: []deviceMapping{}, Ulimits: []ulimit{},
	}
}

// listed is a list that is never null.
func listed(list []string) []string { return append([]string{}, list...) }

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
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		h.Tmpfs[m.Destination] = tmpfsOptions(m)
	case flag == "--mount":
		h.Mounts = append(h.Mounts, describeRequest(m))
	}
}

// fill takes the limits from the spec.
func (h *hostLimits) fill(c *container.Config, r *specs.LinuxResources) {
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
		h.fillBlockIO(r.BlockIO)
	}
	cpu := r.CPU
	if cpu == nil {
		return
	}
	h.CPUShares, h.CpusetCpus, h.CpusetMems = value(cpu.Shares), cpu.Cpus, cpu.Mems
	h.CPUPeriod, h.CPUQuota = int64(value(cpu.Period)), value(cpu.Quota)
	h.CPURealtimePeriod, h.CPURealtimeRuntime = int64(value(cpu.RealtimePeriod)), value(cpu.RealtimeRuntime)
	if c.From["linux.resources.cpu.quota"] == "--cpus" && h.CPUPeriod > 0 {
		h.NanoCPUs = h.CPUQuota * 1_000_000_000 / h.CPUPeriod
		h.CPUPeriod, h.CPUQuota = 0, 0
	}
}

// fillBlockIO names devices by their numbers, which lead to them under
// /dev/block; the record has no other names.
func (h *hostLimits) fillBlockIO(b *specs.LinuxBlockIO) {
	device := func(major, minor int64) string {
		return "/dev/block/" + strconv.FormatInt(major, 10) + ":" + strconv.FormatInt(minor, 10)
	}
	h.BlkioWeight = value(b.Weight)
	for _, w := range b.WeightDevice {
		h.BlkioWeightDevice = append(h.BlkioWeightDevice, weightDevice{device(w.Major, w.Minor), value(w.Weight)})
	}
	for _, list := range []struct {
		to   *[]throttleDevice
		from []specs.LinuxThrottleDevice
	}{
		{&h.BlkioDeviceReadBps, b.ThrottleReadBpsDevice}, {&h.BlkioDeviceWriteBps, b.ThrottleWriteBpsDevice},
		{&h.BlkioDeviceReadIOps, b.ThrottleReadIOPSDevice}, {&h.BlkioDeviceWriteIOps, b.ThrottleWriteIOPSDevice},
	} {
		for _, t := range list.from {
			*list.to = append(*list.to, throttleDevice{device(t.Major, t.Minor), t.Rate})
		}
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
