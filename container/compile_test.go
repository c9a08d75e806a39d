package container_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
)

// TestCompileRefuses: the error names the field that is wrong.
func TestCompileRefuses(t *testing.T) {
	mount := func(m specs.Mount) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) }
	}
	sysctl := func(key, value string) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{key: value} }
	}
	space := func(n specs.LinuxNamespace) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Linux.Namespaces = append(s.Linux.Namespaces, n) }
	}
	device := func(d specs.LinuxDevice) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Linux.Devices = append(s.Linux.Devices, d) }
	}
	limit := func(r specs.POSIXRlimit) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Process.Rlimits = append(s.Process.Rlimits, r) }
	}
	score := 1001
	for _, x := range []struct {
		name  string
		spoil func(*specs.Spec)
		want  string
	}{
		{"no process", func(s *specs.Spec) { s.Process = nil }, "process: missing"},
		{"no command", func(s *specs.Spec) { s.Process.Args = nil }, "process.args"},
		{"empty command", func(s *specs.Spec) { s.Process.Args = []string{""} }, "process.args"},
		{"NUL in command", func(s *specs.Spec) { s.Process.Args = []string{"a\x00b"} }, "process.args"},
		{"NUL in environment", func(s *specs.Spec) { s.Process.Env = []string{"A=\x00"} }, "process.env"},
		{"no root", func(s *specs.Spec) { s.Root = nil }, "root: missing"},
		{"no linux", func(s *specs.Spec) { s.Linux = nil }, "linux: missing"},
		{"relative working directory", func(s *specs.Spec) { s.Process.Cwd = "srv" }, "process.cwd"},
		{"NUL in working directory", func(s *specs.Spec) { s.Process.Cwd = "/srv\x00" }, "process.cwd"},
		{"NUL in a mask", func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/proc/kcore\x00"} }, "linux.maskedPaths"},
		{"NUL in a namespace's path", func(s *specs.Spec) { s.Linux.Namespaces[1].Path = "/proc/1/ns/pid\x00" }, "linux.namespaces"},
		{"NUL in a device", device(specs.LinuxDevice{Path: "/dev/x\x00", Type: "c"}), "linux.devices"},
		{"NUL in host name", func(s *specs.Spec) { s.Hostname = "a\x00b" }, "hostname"},
		{"hooks", func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/bin/true"}}} }, "hooks"},
		{"user namespace", func(s *specs.Spec) { s.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}} }, "linux.uidMappings"},
		{"huge uid", func(s *specs.Spec) { s.Process.User.UID = 1 << 31 }, "process.user.uid"},
		{"huge gid", func(s *specs.Spec) { s.Process.User.GID = 1<<32 - 1 }, "process.user.gid"},
		{"limit's name", limit(specs.POSIXRlimit{Type: "NOFILE"}), "process.rlimits"},
		{"limit's order", limit(specs.POSIXRlimit{Type: "RLIMIT_CORE", Soft: 2, Hard: 1}), "process.rlimits"},
		{"OOM score", func(s *specs.Spec) { s.Process.OOMScoreAdj = &score }, "process.oomScoreAdj"},
		{"mount over the root", mount(specs.Mount{Destination: "/data/..", Type: "tmpfs"}), "mounts[7]"},
		{"mount without type", mount(specs.Mount{Destination: "/data"}), "mounts[7]"},
		{"relative source", mount(specs.Mount{Destination: "/data", Type: "bind", Source: "data"}), "mounts[7]"},
		{"NUL in an option", mount(specs.Mount{Destination: "/data", Type: "tmpfs", Options: []string{"size=\x001"}}), "mounts[7]"},
		{"NUL in a destination", mount(specs.Mount{Destination: "/data\x00", Type: "tmpfs"}), "mounts[7]"},
		{"NUL in a source", mount(specs.Mount{Destination: "/data", Type: "bind", Source: "/srv\x00"}), "mounts[7]"},
		{"option that needs a user namespace", mount(specs.Mount{Destination: "/data", Type: "bind", Source: "/srv", Options: []string{"idmap"}}), "mounts[7]"},
		{"sysctl of the host", sysctl("kernel.core_pattern", "|/evil"), "linux.sysctl"},
		{"sysctl out of its folder", sysctl("net/../kernel/core_pattern", "|/evil"), "linux.sysctl"},
		{"sysctl that begins with a dot", sysctl(".kernel.shmmax", "1"), "linux.sysctl"},
		{"smuggled sysctl", sysctl("kernel.shm_rmid_forced", "1\x00"), "linux.sysctl"},
		{"sysctl without its namespace", func(s *specs.Spec) {
			remove(s, specs.NetworkNamespace)
			sysctl("net.ipv4.ip_forward", "1")(s)
		}, "linux.sysctl"},
		{"host name without UTS namespace", func(s *specs.Spec) { remove(s, specs.UTSNamespace) }, "hostname"},
		{"no mount namespace in a user namespace", func(s *specs.Spec) {
			remove(s, specs.MountNamespace)
			space(specs.LinuxNamespace{Type: specs.UserNamespace})(s)
		}, "linux.namespaces"},
		{"namespace twice", space(specs.LinuxNamespace{Type: specs.PIDNamespace}), "linux.namespaces"},
		{"namespace unknown", space(specs.LinuxNamespace{Type: "dream"}), "linux.namespaces"},
		{"namespace by a relative path", func(s *specs.Spec) { s.Linux.Namespaces[1].Path = "proc/1/ns/pid" }, "linux.namespaces"},
		{"device's type", device(specs.LinuxDevice{Path: "/dev/x", Type: "z"}), "linux.devices"},
		{"propagation", func(s *specs.Spec) { s.Linux.RootfsPropagation = "sideways" }, "linux.rootfsPropagation"},
		{"mask of the root", func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/"} }, "linux.maskedPaths"},
	} {
		t.Run(x.name, func(t *testing.T) {
			for _, host := range []string{"v1-5.15", "hybrid-6.1", "v2-6.18"} {
				in := input(hosts()[host])
				x.spoil(in.Spec)
				_, err := container.Compile(in)
				if err == nil || !strings.Contains(err.Error(), x.want) {
					t.Errorf("%s: got %v, want an error that names %s", host, err, x.want)
				}
			}
		})
	}
}

func TestCompileNeedsASpec(t *testing.T) {
	in := input(hosts()["v2-6.18"])
	in.Spec = nil
	if _, err := container.Compile(in); err == nil {
		t.Error("no error")
	}
	in = input(hosts()["v2-6.18"])
	in.Layers = nil
	if _, err := container.Compile(in); err == nil || !strings.Contains(err.Error(), "root.path") {
		t.Errorf("got %v, want an error that names root.path", err)
	}
}
