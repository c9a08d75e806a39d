package oci

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestExampleFacts holds what lessons and tools take for granted of the file
// that spec writes.
func TestExampleFacts(t *testing.T) {
	s := exampleSpec(true)
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	facts := []struct {
		name      string
		got, want any
	}{
		{"version", s.Version, "1.3.0"},
		{"args", s.Process.Args, []string{"sh"}},
		{"cwd", s.Process.Cwd, "/"},
		{"terminal", s.Process.Terminal, true},
		{"no new privileges", s.Process.NoNewPrivileges, true},
		{"bounding", s.Process.Capabilities.Bounding, caps},
		{"effective", s.Process.Capabilities.Effective, caps},
		{"permitted", s.Process.Capabilities.Permitted, caps},
		{"inheritable", s.Process.Capabilities.Inheritable, []string(nil)},
		{"ambient", s.Process.Capabilities.Ambient, []string(nil)},
		{"rlimits", s.Process.Rlimits, []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}}},
		{"root", *s.Root, specs.Root{Path: "rootfs", Readonly: true}},
		{"mounts", destinations(s), []string{"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"}},
		{"namespaces", kinds(s), []string{"pid", "network", "ipc", "uts", "mount", "cgroup"}},
		{"namespaces on v1", kinds(exampleSpec(false)), []string{"pid", "network", "ipc", "uts", "mount"}},
		{"kcore is masked", slices.Contains(s.Linux.MaskedPaths, "/proc/kcore"), true},
		{"sysctls are read-only", slices.Contains(s.Linux.ReadonlyPaths, "/proc/sys"), true},
		{"devices", s.Linux.Resources.Devices, []specs.LinuxDeviceCgroup{{Access: "rwm"}}},
	}
	for _, fact := range facts {
		if diff := cmp.Diff(fact.want, fact.got); diff != "" {
			t.Errorf("%s:\n%s", fact.name, diff)
		}
	}
	toRootless(s, 1000, 100)
	rootless := []struct {
		name      string
		got, want any
	}{
		{"namespaces", kinds(s), []string{"pid", "ipc", "uts", "mount", "cgroup", "user"}},
		{"uids", s.Linux.UIDMappings, []specs.LinuxIDMapping{{HostID: 1000, Size: 1}}},
		{"gids", s.Linux.GIDMappings, []specs.LinuxIDMapping{{HostID: 100, Size: 1}}},
		{"resources", s.Linux.Resources, (*specs.LinuxResources)(nil)},
		{"pts", s.Mounts[2].Options, []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
		{"sys", s.Mounts[5], specs.Mount{Destination: "/sys", Type: "none", Source: "/sys", Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"}}},
	}
	for _, fact := range rootless {
		if diff := cmp.Diff(fact.want, fact.got); diff != "" {
			t.Errorf("rootless %s:\n%s", fact.name, diff)
		}
	}
}

func destinations(s *specs.Spec) []string {
	var all []string
	for _, m := range s.Mounts {
		all = append(all, m.Destination)
	}
	return all
}

func kinds(s *specs.Spec) []string {
	var all []string
	for _, n := range s.Linux.Namespaces {
		all = append(all, string(n.Type))
	}
	return all
}

// TestExampleAsRunc compares with the runc of this machine, apart from what its
// age explains.
func TestExampleAsRunc(t *testing.T) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("no runc here to compare with")
	}
	for _, args := range [][]string{{"spec"}, {"spec", "--rootless"}} {
		dir := t.TempDir()
		cmd := exec.Command(runc, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("runc %v: %v: %s", args, err, out)
		}
		theirs := readSpec(t, dir)
		dir = t.TempDir()
		if err := writeSpec(dir, len(args) > 1); err != nil {
			t.Fatal(err)
		}
		ours := readSpec(t, dir)
		// runc 1.1 asks for ambient capabilities, which it cannot have, and
		// knows fewer paths and an older specification.
		theirs.Version, theirs.Process.Capabilities.Ambient = ours.Version, nil
		for _, path := range []string{"/sys/devices/virtual/powercap"} {
			if !slices.Contains(theirs.Linux.MaskedPaths, path) {
				theirs.Linux.MaskedPaths = append(theirs.Linux.MaskedPaths, path)
			}
		}
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("%v: runc's -, ours +:\n%s", args, diff)
		}
	}
}

func readSpec(t *testing.T, dir string) *specs.Spec {
	t.Helper()
	data, err := os.ReadFile(dir + "/config.json")
	if err != nil {
		t.Fatal(err)
	}
	var s specs.Spec
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}
