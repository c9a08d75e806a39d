package bundle

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"berth/container"
	"berth/rootfs"
)

// SpecVersion is the runtime specification that this package implements.
const SpecVersion = "1.3.0"

// Features says what this runtime can do (runtime-spec, features.md). It does
// not look at the host.
func (r *Runtime) Features() *features.Features {
	yes, no := true, false
	capabilities := container.AllCapabilities()
	slices.Sort(capabilities)
	return &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: SpecVersion,
		Hooks:         []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
		MountOptions:  rootfs.MountOptions(),
		Linux: &features.Linux{
			Namespaces:      []string{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"},
			Capabilities:    capabilities,
			Cgroup:          &features.Cgroup{V1: &yes, V2: &yes, Systemd: &yes, SystemdUser: &no, Rdma: &yes},
			Seccomp:         seccompFeatures(),
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

// seccompFeatures lists what a filter's profile may have, by package seccomp.
func seccompFeatures() *features.Seccomp {
	yes := true
	flags := []string{
		string(specs.LinuxSeccompFlagLog), string(specs.LinuxSeccompFlagSpecAllow),
		"SECCOMP_FILTER_FLAG_TSYNC", string(specs.LinuxSeccompFlagWaitKillableRecv),
	}
	return &features.Seccomp{
		Enabled: &yes,
		Actions: []string{
			string(specs.ActAllow), string(specs.ActErrno), string(specs.ActKill), string(specs.ActKillProcess),
			string(specs.ActKillThread), string(specs.ActLog), string(specs.ActNotify), string(specs.ActTrace), string(specs.ActTrap),
		},
		Operators: []string{
			string(specs.OpEqualTo), string(specs.OpGreaterEqual), string(specs.OpGreaterThan), string(specs.OpLessEqual),
			string(specs.OpLessThan), string(specs.OpMaskedEqual), string(specs.OpNotEqual),
		},
		Archs: []string{
			string(specs.ArchAARCH64), string(specs.ArchARM), string(specs.ArchX32), string(specs.ArchX86), string(specs.ArchX86_64),
		},
		KnownFlags: flags, SupportedFlags: flags,
	}
}
