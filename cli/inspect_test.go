package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
	"berth/image"
	"berth/state"
)

// described is a container with something in every part of its record.
func described() *container.View {
	at := time.Date(2025, 5, 4, 3, 2, 1, 7, time.UTC)
	spec := container.DefaultSpec()
	spec.Hostname, spec.Process.Args, spec.Process.Env = "web", []string{"sh", "-c", "sleep 9"}, []string{"A=1"}
	spec.Process.User = specs.User{UID: 7, GID: 8, AdditionalGids: []uint32{9}}
	spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 20, Soft: 10}}
	spec.Mounts = append(spec.Mounts,
		specs.Mount{Type: "bind", Source: "/src", Destination: "/dst", Options: []string{"rbind", "ro", "rslave"}},
		specs.Mount{Type: "tmpfs", Source: "tmpfs", Destination: "/cache", Options: []string{"size=1k"}})
	spec.Linux.Resources = &specs.LinuxResources{
		Memory:  &specs.LinuxMemory{Limit: to(int64(1 << 20)), Swap: to(int64(2 << 20))},
		CPU:     &specs.LinuxCPU{Quota: to(int64(50000)), Period: to(uint64(100000)), Cpus: "0-1"},
		Pids:    &specs.LinuxPids{Limit: to(int64(30))},
		BlockIO: &specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{throttle(8, 0, 1000)}},
	}
	return &container.View{
		Status: container.Running,
		Config: &container.Config{
			ID: strings.Repeat("a1", 32), Name: "web", Created: at, Image: container.ImageRef{Ref: "img", ID: "sha256:" + strings.Repeat("a", 64)},
			Layers: []string{"/layer/2", "/layer/1"}, Spec: spec, Entrypoint: []string{"sh", "-c"}, Cmd: []string{"sleep 9"},
			Labels: map[string]string{"tier": "web"}, Network: "bridge", Init: true, StopSignal: "INT", StopTimeout: to(3), GroupAdd: []string{"audio"},
			Ports:   []container.Port{{HostIP: "0.0.0.0", HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}},
			Exposed: []container.Port{{ContainerPort: 80, Protocol: "tcp"}, {ContainerPort: 53, Protocol: "udp"}},
			Log:     container.LogConfig{Driver: "json-file", Opts: map[string]string{"max-size": "1m"}},
			From: map[string]string{
				"linux.resources.cpu.quota": "--cpus", mountField("/dst"): "--volume", mountField("/cache"): "--tmpfs",
			},
		},
		Live: &container.Live{Started: at.Add(time.Second), Payload: state.Process{PID: 77}},
	}
}

func throttle(major, minor int64, rate uint64) specs.LinuxThrottleDevice {
	d := specs.LinuxThrottleDevice{Rate: rate}
	d.Major, d.Minor = major, minor
	return d
}

// TestInspectGolden holds docker's whole document: keys, order, zero values.
func TestInspectGolden(t *testing.T) {
	w := newWorld()
	w.views = []*container.View{described()}
	img := w.images.list["img"]
	img.Created, img.Digest, img.Size = time.Date(2025, 5, 4, 0, 0, 0, 0, time.UTC), image.Digest("sha256:"+strings.Repeat("b", 64)), 5000
	img.Layers = []string{"/layer/2", "/layer/1"}
	w.images.list["img"] = img
	golden(t, "inspect_container", w.berth(t, "inspect", "-s", "web").out)
	golden(t, "inspect_image", w.berth(t, "image", "inspect", "img").out)
}

// TestInspectKeys holds that no key of docker's is missing, whatever the golden
// file says.
func TestInspectKeys(t *testing.T) {
	w := newWorld()
	w.views = []*container.View{described()}
	var got []map[string]any
	if err := json.Unmarshal([]byte(w.berth(t, "inspect", "web").out), &got); err != nil {
		t.Fatal(err)
	}
	for at, keys := range map[string]string{
		"":      "Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver Mounts Config NetworkSettings",
		"State": "Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt FinishedAt",
		"HostConfig": "Binds ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver VolumesFrom ConsoleSize CapAdd CapDrop CgroupnsMode " +
			"Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode Cgroup Links OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs SecurityOpt UTSMode UsernsMode ShmSize " +
			"Runtime Isolation CpuShares Memory NanoCpus CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps " +
			"CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpusetCpus CpusetMems Devices DeviceCgroupRules DeviceRequests MemoryReservation MemorySwap MemorySwappiness " +
			"OomKillDisable PidsLimit Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth MaskedPaths ReadonlyPaths",
		"Config": "Hostname Domainname User AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce Env Cmd Image Volumes WorkingDir Entrypoint OnBuild Labels",
		"NetworkSettings": "Bridge SandboxID SandboxKey Ports HairpinMode LinkLocalIPv6Address LinkLocalIPv6PrefixLen SecondaryIPAddresses SecondaryIPv6Addresses " +
			"EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen IPAddress IPPrefixLen IPv6Gateway MacAddress Networks",
	} {
		object := got[0]
		if at != "" {
			object, _ = object[at].(map[string]any)
		}
		for _, key := range strings.Fields(keys) {
			if _, ok := object[key]; !ok {
				t.Errorf("%s.%s is not there", at, key)
			}
		}
	}
}

// TestInspectOrder holds that what was found comes before what was not, and in
// which words each program says so.
func TestInspectOrder(t *testing.T) {
	w := newWorld()
	w.views = []*container.View{described()}
	for _, tt := range []struct {
		program, args string
		code          int
		out, err      string
	}{
		{"berth", "inspect -f {{.Name}} no web img", 1, "/web\n", "Error: No such object: no\nError: template parsing error: template: :1:2: executing \"\" at <.Name>: map has no entry for key \"Name\"\n"},
		{"berth", "inspect -f {{.Name}} no", 1, "\n", "Error: No such object: no\n"},
		{"berth", "inspect -f {{.Nope}} web", 1, "\n", "Error: template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"\n"},
		{"berth", "inspect -f {{.Nope web", 64, "", "Error: template parsing error: template: :1: unclosed action\n"},
		{"berth", "inspect --type image web", 1, "[]\n", "Error: No such image: web:latest\n"},
		{"berth", "container inspect img", 1, "[]\n", "Error: No such container: img\n"},
		{"berth", "image inspect -s img", 125, "", "Error: unknown shorthand flag: 's' in -s\n\nUsage:  berth image inspect [OPTIONS] IMAGE [IMAGE...]\n\nRun 'berth image inspect --help' for more information\n"},
		{"docker", "inspect no", 1, "[]\n", "Error: No such object: no\n"},
		{"docker", "container inspect no", 1, "[]\n", "Error response from daemon: No such container: no\n"},
		{"docker", "inspect -f {{.Nope}} web", 1, "\n", "template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"\n"},
		{"docker", "inspect -f {{.Nope web", 64, "", "template parsing error: template: :1: unclosed action\n"},
	} {
		r := w.called(t, tt.program, strings.Fields(tt.args)...)
		if (r != result{tt.code, tt.out, tt.err}) {
			t.Errorf("%s %s: got %+v", tt.program, tt.args, r)
		}
	}
	var list []map[string]any
	if r := w.berth(t, "inspect", "--format", "json", "web", "img"); strings.Count(r.out, "\n") != 1 || json.Unmarshal([]byte(r.out), &list) != nil || len(list) != 2 {
		t.Errorf("--format json prints %q", r.out)
	}
}

func TestInspectStates(t *testing.T) {
	for _, tt := range []struct {
		view *container.View
		want string
	}{
		{running("x", "a1"), "running true false 0 77"},
		{stopped("x", "a1"), "exited false false 137 0"},
		{&container.View{Config: view("x", "a1").Config, Status: container.Created}, "created false false 0 0"},
		{&container.View{Config: view("x", "a1").Config, Status: container.Paused, Live: running("x", "a1").Live}, "paused true true 0 77"},
	} {
		w := newWorld()
		w.views = []*container.View{tt.view}
		r := w.berth(t, "inspect", "-f", "{{with .State}}{{.Status}} {{.Running}} {{.Paused}} {{json .ExitCode}} {{.Pid}}{{end}}", "x")
		if r.out != tt.want+"\n" {
			t.Errorf("prints %q, want %q", r.out, tt.want)
		}
	}
}

func TestImageConfigIsWhole(t *testing.T) {
	c := image.Config{
		User: "u", ExposedPorts: map[string]struct{}{"1/tcp": {}}, Env: []string{"e"}, Entrypoint: []string{"e"}, Cmd: []string{"c"},
		Volumes: map[string]struct{}{"/v": {}}, WorkingDir: "/w", Labels: map[string]string{"l": ""}, StopSignal: "INT",
		Healthcheck: &image.Healthcheck{Retries: 1}, Shell: []string{"s"}, ArgsEscaped: true, OnBuild: []string{"o"},
	}
	keys := func(v any) []string {
		data, err := json.Marshal(v)
		var m map[string]any
		if err != nil || json.Unmarshal(data, &m) != nil {
			t.Fatal(err)
		}
		var list []string
		for key := range m {
			list = append(list, key)
		}
		slices.Sort(list)
		return list
	}
	if a, b := keys(c), keys(describeImageConfig(c)); !slices.Equal(a, b) {
		t.Errorf("an image's config has %v, inspect shows %v", a, b)
	}
}
