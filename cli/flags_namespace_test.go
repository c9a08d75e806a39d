package cli

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
)

// withOther is a world with a container "other".
func withOther() *world {
	w := newWorld()
	c := &container.Config{ID: strings.Repeat("b", 64), Name: "other", Spec: &specs.Spec{Hostname: "theirs"}}
	w.views = append(w.views, &container.View{Config: c, Status: container.Running})
	return w
}

// kinds lists the namespaces of a container.
func kinds(c *container.Config) string {
	var list []string
	for _, n := range c.Spec.Linux.Namespaces {
		list = append(list, string(n.Type)+n.Path)
	}
	return strings.Join(list, " ")
}

func TestNamespaceModes(t *testing.T) {
	id := strings.Repeat("b", 64)
	for _, tt := range []struct{ flags, kinds, modes, network string }{
		{"", "mount pid ipc uts network cgroup", `{}`, "none"},
		{"--pid private --ipc private --uts private --cgroupns private", "mount pid ipc uts network cgroup", `{}`, "none"},
		{"--pid host", "mount ipc uts network cgroup", `{"pid":"host"}`, "none"},
		{"--ipc host", "mount pid uts network cgroup", `{"ipc":"host"}`, "none"},
		{"--ipc none", "mount pid ipc uts network cgroup", `{"ipc":"none"}`, "none"},
		{"--ipc shareable", "mount pid ipc uts network cgroup", `{"ipc":"shareable"}`, "none"},
		{"--uts host", "mount pid ipc network cgroup", `{"uts":"host"}`, "none"},
		{"--cgroupns host", "mount pid ipc uts network", `{"cgroup":"host"}`, "none"},
		{"--net host", "mount pid ipc uts cgroup", `{}`, "host"},
		{"--pid container:other --ipc container:other", "mount pid ipc uts network cgroup", `{"pid":"container:` + id + `","ipc":"container:` + id + `"}`, "none"},
		{"--network container:other", "mount pid ipc uts network cgroup", `{}`, "container:" + id},
	} {
		c := withOther().created(t, append(strings.Fields(tt.flags), "img")...)
		wants(t, tt.flags, c.Modes, tt.modes)
		if got := kinds(c); got != tt.kinds || c.Network != tt.network {
			t.Errorf("%s: namespaces %s, network %s", tt.flags, got, c.Network)
		}
	}
}

func TestNamespaceNames(t *testing.T) {
	c := withOther().created(t, "--network", "container:other", "img")
	wants(t, "name and variable", []string{c.Spec.Hostname, c.Spec.Process.Env[1]}, `["theirs","HOSTNAME=theirs"]`)
	if c = newWorld().created(t, "--uts", "host", "img"); c.Spec.Hostname != "" {
		t.Errorf("--uts host: the host would be called %s", c.Spec.Hostname)
	}
}

func TestSharedMemory(t *testing.T) {
	for flags, want := range map[string]string{
		"--ipc host":               `{"destination":"/dev/shm","type":"bind","source":"/dev/shm","options":["rbind","rprivate"]}`,
		"--ipc host --shm-size 1m": `{"destination":"/dev/shm","type":"bind","source":"/dev/shm","options":["rbind","rprivate"]}`,
		"--ipc none":               `{"destination":""}`,
		"--ipc none --tmpfs /dev/shm:size=1m": `{"destination":"/dev/shm","type":"tmpfs","source":"tmpfs",` +
			`"options":["noexec","nosuid","nodev","rprivate","size=1m"]}`,
	} {
		c := newWorld().created(t, append(strings.Fields(flags), "img")...)
		wants(t, flags, findMount(c, "/dev/shm"), want)
	}
}

func TestNamespacesRefused(t *testing.T) {
	for flags, text := range map[string]string{
		"--pid nowhere":                                "--pid: invalid PID mode",
		"--pid container:":                             "--pid: invalid PID mode",
		"--pid container:nobody":                       "No such container: nobody",
		"--ipc nowhere":                                "invalid IPC mode: nowhere",
		"--ipc container:nobody":                       "No such container: nobody",
		"--uts nowhere":                                "--uts: invalid UTS mode",
		"--uts container:other":                        "--uts: invalid UTS mode",
		"--cgroupns nowhere":                           "--cgroupns: invalid CGROUP mode",
		"--network container:nobody":                   "No such container: nobody",
		"--network container:":                         "Invalid network mode: invalid container format container:<name|id>",
		"--uts host -h name":                           "conflicting options: hostname and the UTS mode",
		"--uts host --domainname name":                 "conflicting options: domainname and the UTS mode",
		"--network container:other -h name":            "conflicting options: hostname and the network mode",
		"--network host --sysctl net.core.somaxconn=1": `sysctl "net.core.somaxconn" not allowed in host network namespace`,
		"--ipc host --sysctl kernel.msgmax=1":          `sysctl "kernel.msgmax" is not allowed in the hosts ipc namespace`,
		"--ipc host --sysctl fs.mqueue.msg_max=1":      `sysctl "fs.mqueue.msg_max" is not allowed in the hosts ipc namespace`,
	} {
		t.Run(flags, func(t *testing.T) {
			withOther().refused(t, text, append(strings.Fields(flags), "img")...)
		})
	}
}
