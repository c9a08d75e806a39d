package bundle

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"berth/container"
	"berth/rootfs"
	"berth/seccomp"
)

// SpecVersion is the runtime specification that this package implements.
const SpecVersion = "1.3.0"

// Features says what this runtime can do (runtime-spec, features.md). It does
// not look at the host.
func (r *Runtime) Features() *features.Features {
	yes, no := true, false
	return &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: SpecVersion,
		Hooks:         []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
		MountOptions:  rootfs.MountOptions(),
		Linux: &features.Linux{
			Namespaces:      []string{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"},
			Capabilities:    container.KnownCapabilities(),
			Cgroup:          &features.Cgroup{V1: &yes, V2: &yes, Systemd: &yes, SystemdUser: &no, Rdma: &yes},
			Seccomp:         seccomp.Features(),
			Apparmor:        &features.Apparmor{Enabled: &yes},
			Selinux:         &features.Selinux{Enabled: &yes},
			IntelRdt:        &features.IntelRdt{Enabled: &yes, Schemata: &yes, Monitoring: &yes},
			MemoryPolicy:    memoryPolicyFeatures(),
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &yes}},
			NetDevices:      &features.NetDevices{Enabled: &yes},
		},
		Annotations: map[string]string{"io.berth.runtime": "berth"},
		PotentiallyUnsafeConfigAnnotations: []string{
			"org.systemd.property.",
		},
	}
}

// memoryPolicyFeatures lists the modes and flags of linux.memoryPolicy.
func memoryPolicyFeatures() *features.MemoryPolicy {
	return &features.MemoryPolicy{
		Modes: []string{
			string(specs.MpolBind), string(specs.MpolDefault), string(specs.MpolInterleave), string(specs.MpolLocal),
			string(specs.MpolPreferred), string(specs.MpolPreferredMany), string(specs.MpolWeightedInterleave),
		},
		Flags: []string{string(specs.MpolFNumaBalancing), string(specs.MpolFRelativeNodes), string(specs.MpolFStaticNodes)},
	}
}
