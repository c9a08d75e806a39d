package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"berth/cgroup"
	"berth/cli/option"
	"berth/container"
	"berth/image"
)

// information is docker's output of info, with docker's keys. What belongs to a
// daemon has the value of one that does nothing.
type information struct {
	ID                                                              string
	Containers, ContainersRunning, ContainersPaused                 int
	ContainersStopped, Images                                       int
	Driver                                                          string
	DriverStatus                                                    [][2]string
	Plugins                                                         pluginNames
	MemoryLimit, SwapLimit                                          bool
	CPUCfsPeriod                                                    bool `json:"CpuCfsPeriod"`
	CPUCfsQuota                                                     bool `json:"CpuCfsQuota"`
	CPUShares, CPUSet, PidsLimit, IPv4Forwarding                    bool
	Debug                                                           bool
	NFd                                                             int
	OomKillDisable                                                  bool
	NGoroutines                                                     int
	SystemTime, LoggingDriver, CgroupDriver, CgroupVersion          string
	NEventsListener                                                 int
	KernelVersion, OperatingSystem, OSVersion, OSType, Architecture string
	IndexServerAddress                                              string
	RegistryConfig                                                  *registryConfig
	NCPU                                                            int
	MemTotal                                                        int64
	DockerRootDir                                                   string
	HTTPProxy                                                       string `json:"HttpProxy"`
	HTTPSProxy                                                      string `json:"HttpsProxy"`
	NoProxy, Name                                                   string
	Labels                                                          []string
	ExperimentalBuild                                               bool
	ServerVersion                                                   string
	Runtimes                                                        map[string]runtimeEntry
	DefaultRuntime                                                  string
	Swarm                                                           swarmState
	LiveRestoreEnabled                                              bool
	Isolation, InitBinary                                           string
	SecurityOptions                                                 []string
	CDISpecDirs                                                     []string
	Warnings                                                        []string
	ClientInfo                                                      clientInfo

	// insecure are the insecure registries by name, in order.
	insecure []string
}

type pluginNames struct {
	Volume, Network, Authorization, Log []string
}

type runtimeEntry struct {
	Path string `json:"path"`
}

type swarmState struct {
	LocalNodeState   string
	ControlAvailable bool
}

type clientInfo struct {
	Debug bool
	clientVersion
	Plugins  []string
	Warnings []string
}

func infoCommand() *command {
	return &command{
		name: "info", category: categoryOther, group: "system", groupNames: []string{"info"},
		args: "[OPTIONS]", short: "Display system-wide information",
		about: "Info prints how many containers and images there are, what berth uses of this machine, and where it keeps its state. Templates have docker's fields.",
		mixed: true,
		examples: []example{
			{"How many containers run.", "berth info --format '{{.ContainersRunning}}'"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var format string
			return []*option.Option{option.Text(&format, "f,format", "string", "Format output: json or a Go template")},
				func(ctx context.Context, _ []string) error { return s.printInfo(ctx, format) }
		},
	}
}

func (s *session) printInfo(ctx context.Context, format string) error {
	if _, err := newInspector(format); err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	info, err := s.inform(ctx, b, time.Now())
	if err != nil {
		return err
	}
	switch format {
	case "":
		return s.writeInfo(info)
	case "json":
		return jsonLines(s.out, []information{*info})
	}
	return printObject(s.out, format, *info)
}

// inform collects what info shows.
func (s *session) inform(ctx context.Context, b *backend, now time.Time) (*information, error) {
	info := &information{
		ID: machineID(), Driver: storageDriver, LoggingDriver: "json-file", CgroupDriver: "cgroupfs",
		Plugins:    pluginNames{Volume: []string{"local"}, Network: []string{"host", "none"}, Log: []string{"json-file", "local", "journald", "none"}},
		SystemTime: now.Format(time.RFC3339Nano), KernelVersion: kernelRelease(), OSType: "linux", Architecture: machine(),
		IndexServerAddress: "https://index.docker.io/v1/", NCPU: runtime.NumCPU(), MemTotal: memoryTotal(), DockerRootDir: b.dirs.Root,
		HTTPProxy: s.getenv("HTTP_PROXY"), HTTPSProxy: s.getenv("HTTPS_PROXY"), NoProxy: s.getenv("NO_PROXY"),
		Labels: []string{}, ServerVersion: s.numbered(), DefaultRuntime: "berth", Runtimes: map[string]runtimeEntry{"berth": {"berth"}},
		Swarm: swarmState{LocalNodeState: "inactive"}, InitBinary: "berth-init", CDISpecDirs: []string{}, Warnings: []string{},
		LiveRestoreEnabled: true,
	}
	info.ClientInfo = clientInfo{clientVersion: s.versions().Client, Plugins: []string{}, Warnings: []string{}}
	info.OperatingSystem, info.OSVersion = operatingSystem()
	name, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	info.Name = name
	s.registries(info)
	if err := info.count(ctx, b); err != nil {
		return nil, err
	}
	return info, info.kernel()
}

// count tells how many containers of each kind there are, and how many images.
func (i *information) count(ctx context.Context, b *backend) error {
	views, err := b.List(ctx)
	if err != nil {
		return err
	}
	i.Containers = len(views)
	for _, v := range views {
		switch {
		case v.Status == container.Paused:
			i.ContainersPaused++
		case v.Up():
			i.ContainersRunning++
		default:
			i.ContainersStopped++
		}
	}
	images, err := b.images.List()
	if err != nil {
		return err
	}
	ids := map[image.Digest]bool{}
	for _, img := range images {
		ids[img.ID] = true
	}
	i.Images = len(ids)
	return nil
}

// kernel tells what containers can be limited in, and what else this kernel has.
func (i *information) kernel() error {
	host, err := container.DetectHost("/")
	if err != nil {
		return err
	}
	has := func(controller string) bool {
		hierarchy, err := host.Cgroup.Find(controller)
		return err == nil && hierarchy != nil
	}
	i.CgroupVersion = "1"
	if host.Cgroup.Mode == cgroup.Unified {
		i.CgroupVersion = "2"
	}
	i.MemoryLimit, i.SwapLimit, i.PidsLimit, i.CPUSet = has("memory"), has("memory"), has("pids"), has("cpuset")
	i.CPUShares, i.CPUCfsPeriod, i.CPUCfsQuota = has("cpu"), has("cpu"), has("cpu")
	i.OomKillDisable = i.CgroupVersion == "1"
	forwarding, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	i.IPv4Forwarding = err == nil && string(bytes.TrimSpace(forwarding)) == "1"
	i.SecurityOptions = []string{"name=seccomp,profile=builtin", "name=cgroupns"}
	if host.AppArmor != "" {
		i.SecurityOptions = append(i.SecurityOptions, "name=apparmor")
	}
	if host.SELinux {
		i.SecurityOptions = append(i.SecurityOptions, "name=selinux")
	}
	for _, limit := range []struct {
		there bool
		name  string
	}{{i.MemoryLimit, "memory limit"}, {i.CPUCfsQuota, "cpu cfs quota"}, {i.CPUSet, "cpuset"}, {i.PidsLimit, "pids limit"}} {
		if !limit.there {
			i.Warnings = append(i.Warnings, "WARNING: No "+limit.name+" support")
		}
	}
	i.DriverStatus = driverStatus(i.DockerRootDir, host.Kernel)
	return nil
}

// writeInfo prints docker's lines.
func (s *session) writeInfo(i *information) error {
	var b strings.Builder
	line := infoLine(&b)
	b.WriteString("Client:\n")
	line(" Version", "   "+i.ClientInfo.Version)
	line(" Context", "   "+i.ClientInfo.Context)
	line(" Debug Mode", i.ClientInfo.Debug)
	b.WriteString("\nServer:\n")
	i.writeServer(&b)
	i.writeHost(&b, s.program)
	b.WriteString("\n")
	if _, err := io.WriteString(s.out, b.String()); err != nil {
		return err
	}
	for _, warning := range i.Warnings {
		fmt.Fprintln(s.err, warning)
	}
	return nil
}

// infoLine returns what adds a line to b; what has no value has no line.
func infoLine(b *strings.Builder) func(name string, value any) {
	return func(name string, value any) {
		if text := fmt.Sprint(value); text != "" {
			fmt.Fprintf(b, "%s: %s\n", name, text)
		}
	}
}

// writeServer writes the lines about containers and about what runs them.
func (i *information) writeServer(b *strings.Builder) {
	line := infoLine(b)
	line(" Containers", i.Containers)
	line("  Running", i.ContainersRunning)
	line("  Paused", i.ContainersPaused)
	line("  Stopped", i.ContainersStopped)
	line(" Images", i.Images)
	line(" Server Version", i.ServerVersion)
	line(" Storage Driver", i.Driver)
	for _, pair := range i.DriverStatus {
		line("  "+pair[0], pair[1])
	}
	line(" Logging Driver", i.LoggingDriver)
	line(" Cgroup Driver", i.CgroupDriver)
	line(" Cgroup Version", i.CgroupVersion)
	b.WriteString(" Plugins:\n")
	line("  Volume", strings.Join(i.Plugins.Volume, " "))
	line("  Network", strings.Join(i.Plugins.Network, " "))
	line("  Log", strings.Join(i.Plugins.Log, " "))
	line(" Swarm", i.Swarm.LocalNodeState)
	line(" Runtimes", i.DefaultRuntime)
	line(" Default Runtime", i.DefaultRuntime)
	line(" Init Binary", i.InitBinary)
	b.WriteString(" Security Options:\n")
	for _, option := range i.SecurityOptions {
		name, profile, _ := strings.Cut(strings.TrimPrefix(option, "name="), ",profile=")
		fmt.Fprintf(b, "  %s\n", name)
		line("   Profile", profile)
	}
}

// writeHost writes the lines about the machine.
func (i *information) writeHost(b *strings.Builder, program string) {
	line := infoLine(b)
	line(" Kernel Version", i.KernelVersion)
	line(" Operating System", i.OperatingSystem)
	line(" OSType", i.OSType)
	line(" Architecture", i.Architecture)
	line(" CPUs", i.NCPU)
	line(" Total Memory", units.BytesSize(float64(i.MemTotal)))
	line(" Name", i.Name)
	line(" ID", i.ID)
	root := " Root Dir"
	if program == "docker" {
		root = " Docker Root Dir"
	}
	line(root, i.DockerRootDir)
	line(" Debug Mode", i.Debug)
	line(" HTTP Proxy", i.HTTPProxy)
	line(" HTTPS Proxy", i.HTTPSProxy)
	line(" No Proxy", i.NoProxy)
	line(" Experimental", i.ExperimentalBuild)
	i.writeRegistries(b)
	line(" Live Restore Enabled", i.LiveRestoreEnabled)
}

// machineID is what tells this machine from others; empty where it has none.
func machineID() string {
	data, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(data))
}

// memoryTotal is the machine's memory in bytes; 0 when it does not tell.
func memoryTotal() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
