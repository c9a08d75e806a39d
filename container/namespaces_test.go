package container_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
	"berth/state"
)

// userns gives a spec a user namespace.
func userns(s *specs.Spec) {
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	s.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 65536}}
}

// joinUser gives a spec the user namespace of a process.
func joinUser(s *specs.Spec) {
	userns(s)
	s.Linux.Namespaces[len(s.Linux.Namespaces)-1].Path = "/proc/4711/ns/user"
}

// timens gives a spec a time namespace.
func timens(s *specs.Spec) {
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 7200, Nanosecs: 5}, "boottime": {Secs: -1}}
}

// namespaceVariants are configurations with namespaces that the command line
// does not make.
func namespaceVariants() map[string]func(*container.Input) {
	folder := func(f func(*specs.Spec)) func(*container.Input) {
		return func(in *container.Input) {
			in.Layers, in.Lookup, in.Spec.Root.Path = nil, false, "/srv/root"
			f(in.Spec)
		}
	}
	return map[string]func(*container.Input){
		"peer": func(in *container.Input) {
			for i := range in.Spec.Linux.Namespaces {
				switch n := &in.Spec.Linux.Namespaces[i]; n.Type {
				case specs.PIDNamespace, specs.IPCNamespace:
					n.Path = "/proc/4711/ns/" + string(n.Type)
				}
			}
			in.Peers = []state.Process{{PID: 4711}}
			in.Shm = &in.Peers[0]
		},
		"user-namespace-layers": func(in *container.Input) { userns(in.Spec) },
		"user-namespace-mapped-root": func(in *container.Input) {
			folder(userns)(in)
			in.MapRoot = true
		},
		"user-namespace": folder(userns),
		"user-namespace-all": folder(func(s *specs.Spec) {
			userns(s)
			timens(s)
			score := 500
			s.Process.OOMScoreAdj = &score
			s.Process.Terminal = true
		}),
		"user-namespace-joined": folder(joinUser),
		"user-namespace-joined-unmapped": folder(func(s *specs.Spec) {
			joins(s)
			joinUser(s)
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		}),
		"user-namespace-no-root": folder(func(s *specs.Spec) {
			userns(s)
			s.Linux.UIDMappings[0].ContainerID, s.Linux.GIDMappings[0].ContainerID = 1000, 2000
			s.Process.User = specs.User{UID: 1001, GID: 2001}
			s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = s.Mounts[:1], nil, nil
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dev", Type: "bind", Source: "/dev", Options: []string{"rbind"}})
		}),
		"time-namespace": folder(timens),
		"time-namespace-joined": folder(func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace, Path: "/proc/4711/ns/time"})
		}),
		"hooks": func(in *container.Input) {
			folder(func(s *specs.Spec) {
				hook := func(path string) []specs.Hook { return []specs.Hook{{Path: path}} }
				s.Hooks = &specs.Hooks{
					Prestart:      hook("/hook/prestart"), //nolint:staticcheck // deprecated, and still used
					CreateRuntime: hook("/hook/runtime"), CreateContainer: hook("/hook/container"),
					StartContainer: hook("/hook/start"), Poststart: hook("/hook/poststart"), Poststop: hook("/hook/poststop"),
				}
			})(in)
			in.Hooks = noHooks{}
		},
		"hooks-later-only": func(in *container.Input) {
			folder(func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/hook/poststop"}}} })(in)
			in.Hooks = noHooks{}
		},
		"net-devices": func(in *container.Input) {
			folder(func(s *specs.Spec) {
				s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth1": {}, "eth0": {Name: "lan%d"}}
			})(in)
			in.MoveDevice = func(int, string, string) error { return nil }
		},
	}
}

// TestNamespacePlans holds what these configurations add to a plan.
func TestNamespacePlans(t *testing.T) {
	host := hosts()["hybrid-6.18"]
	usual := input(host)
	usual.Layers, usual.Lookup, usual.Spec.Root.Path = nil, false, "/srv/root"
	plain := explain(t, usual)
	for name, change := range namespaceVariants() {
		t.Run(name, func(t *testing.T) {
			in := input(host)
			change(&in)
			golden(t, "plan/"+name+".diff", difference(plain, explain(t, in)))
		})
	}
}

// TestPlansWithoutHooksAndNamespaces: who uses none of this pays for none of
// it.
func TestPlansWithoutHooksAndNamespaces(t *testing.T) {
	in := input(hosts()["hybrid-6.18"])
	in.Hooks, in.MoveDevice = noHooks{}, func(int, string, string) error { return nil }
	text := explain(t, in)
	for _, word := range []string{"wait until", "hook", "fork into", "timens", "uid_map", "chdir /run"} {
		if strings.Contains(text, word) {
			t.Errorf("the default plan has %q in it", word)
		}
	}
}

// TestNamespacesRefused: the error names the field that is wrong.
func TestNamespacesRefused(t *testing.T) {
	maps := func(list ...specs.LinuxIDMapping) func(*specs.Spec) {
		return func(s *specs.Spec) { userns(s); s.Linux.UIDMappings = list }
	}
	offset := func(clock string, o specs.LinuxTimeOffset) func(*specs.Spec) {
		return func(s *specs.Spec) { timens(s); s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{clock: o} }
	}
	device := func(host, name string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Linux.NetDevices = map[string]specs.LinuxNetDevice{host: {Name: name}, "other": {Name: "taken"}}
		}
	}
	hook := func(h specs.Hook) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/ok"}, h}} }
	}
	zero := 0
	full := specs.LinuxIDMapping{ContainerID: 0, HostID: 100000, Size: 65536}
	for _, x := range []struct {
		name  string
		spoil func(*specs.Spec)
		want  string
	}{
		{"mappings without namespace", func(s *specs.Spec) { userns(s); remove(s, specs.UserNamespace) }, "linux.uidMappings: mappings need a user namespace"},
		{"group mappings without namespace", func(s *specs.Spec) {
			s.Linux.GIDMappings = []specs.LinuxIDMapping{full}
		}, "linux.gidMappings: mappings need a user namespace"},
		{"namespace without mappings", func(s *specs.Spec) { userns(s); s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil }, "linux.uidMappings"},
		{"no group mappings", func(s *specs.Spec) { userns(s); s.Linux.GIDMappings = nil }, "linux.gidMappings"},
		{"joined with one kind", func(s *specs.Spec) { joinUser(s); s.Linux.UIDMappings = nil }, "linux.uidMappings"},
		{"empty range", maps(specs.LinuxIDMapping{HostID: 1}), "linux.uidMappings[0].size"},
		{"range beyond the end", maps(specs.LinuxIDMapping{HostID: 1 << 31, Size: 1 << 31}), "linux.uidMappings[0].size"},
		{"overlap in the container", maps(full, specs.LinuxIDMapping{ContainerID: 65535, HostID: 500000, Size: 2}), "linux.uidMappings[1]: overlaps with linux.uidMappings[0]"},
		{"overlap on the host", maps(full, specs.LinuxIDMapping{ContainerID: 70000, HostID: 99999, Size: 2}), "linux.uidMappings[1]: overlaps with linux.uidMappings[0]"},
		{"too many", func(s *specs.Spec) {
			userns(s)
			for i := range uint32(341) {
				s.Linux.GIDMappings = append(s.Linux.GIDMappings, specs.LinuxIDMapping{ContainerID: 70000 + 2*i, HostID: 500000 + 2*i, Size: 1})
			}
		}, "linux.gidMappings: 342 mappings; the kernel takes 340"},
		{"too long", func(s *specs.Spec) {
			userns(s)
			for i := range uint32(300) {
				s.Linux.UIDMappings = append(s.Linux.UIDMappings, specs.LinuxIDMapping{ContainerID: 70000 + 2*i, HostID: 1000000 + 2*i, Size: 1})
			}
		}, "the kernel takes 4095"},
		{"user not mapped", func(s *specs.Spec) { userns(s); s.Process.User.UID = 65536 }, "process.user.uid: 65536"},
		{"group not mapped", func(s *specs.Spec) { userns(s); s.Process.User.GID = 65536 }, "process.user.gid: 65536"},
		{"additional group not mapped", func(s *specs.Spec) { userns(s); s.Process.User.AdditionalGids = []uint32{1, 65536} }, "process.user.additionalGids[1]: 65536"},
		{"offsets without namespace", func(s *specs.Spec) { timens(s); remove(s, specs.TimeNamespace) }, "linux.timeOffsets: offsets need a time namespace"},
		{"offsets of a joined namespace", func(s *specs.Spec) { timens(s); s.Linux.Namespaces[len(s.Linux.Namespaces)-1].Path = "/proc/1/ns/time" }, "linux.timeOffsets"},
		{"unknown clock", offset("realtime", specs.LinuxTimeOffset{Secs: 1}), `linux.timeOffsets: clock "realtime"`},
		{"a second of nanoseconds", offset("monotonic", specs.LinuxTimeOffset{Nanosecs: 1e9}), "linux.timeOffsets[monotonic].nanosecs"},
		{"an age", offset("boottime", specs.LinuxTimeOffset{Secs: 1 << 40}), "linux.timeOffsets[boottime].secs"},
		{"device's name too long", device("eth0", "abcdefghijklmnop"), "linux.netDevices[eth0].name"},
		{"device's name with a slash", device("eth0", "a/b"), "linux.netDevices[eth0].name"},
		{"device's name with a space", device("eth0", "a b"), "linux.netDevices[eth0].name"},
		{"device's name is a template of another kind", device("eth0", "a%s"), "linux.netDevices[eth0].name"},
		{"device called ..", device("..", "eth0"), "linux.netDevices"},
		{"device without name", device("", "eth0"), "linux.netDevices"},
		{"devices with one name", device("eth0", "taken"), "linux.netDevices[other].name"},
		{"devices in the host's network", func(s *specs.Spec) { device("eth0", "")(s); remove(s, specs.NetworkNamespace) }, "linux.netDevices: moving devices needs a network namespace"},
		{"devices where they cannot move", device("eth0", ""), "linux.netDevices: not supported here"},
		{"relative hook", hook(specs.Hook{Path: "bin/hook"}), "hooks.createRuntime[1].path"},
		{"hook without path", hook(specs.Hook{}), "hooks.createRuntime[1].path"},
		{"hook without time", hook(specs.Hook{Path: "/hook", Timeout: &zero}), "hooks.createRuntime[1].timeout"},
		{"hook with NUL", hook(specs.Hook{Path: "/hook", Args: []string{"a\x00"}}), "hooks.createRuntime[1]"},
		{"hooks where there are none", hook(specs.Hook{Path: "/hook"}), "hooks.createRuntime: not supported here"},
		{"domain name without UTS namespace", func(s *specs.Spec) { remove(s, specs.UTSNamespace); s.Hostname, s.Domainname = "", "x" }, "domainname"},
		{"host name as a kernel parameter", func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"kernel/hostname": "x"} }, `conflicts with the field "hostname"`},
		{"NUL in a kernel parameter", func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"kernel.shmmax": "1\x00"} }, "linux.sysctl[kernel.shmmax]"},
	} {
		t.Run(x.name, func(t *testing.T) {
			in := input(hosts()["hybrid-6.18"])
			in.Layers, in.Lookup, in.Spec.Root.Path = nil, false, "/srv/root"
			x.spoil(in.Spec)
			_, err := container.Compile(in)
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v, want %s", err, x.want)
			}
		})
	}
}
