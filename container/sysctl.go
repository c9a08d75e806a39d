package container

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// sysctlNamespace returns the namespace type that a kernel parameter belongs
// to; those that belong to none would change the host (CVE-2022-0811).
func sysctlNamespace(key string) (specs.LinuxNamespaceType, bool) {
	switch key {
	case "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
		"kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced":
		return specs.IPCNamespace, true
	case "kernel.hostname", "kernel.domainname":
		return specs.UTSNamespace, true
	}
	if strings.HasPrefix(key, "fs.mqueue.") {
		return specs.IPCNamespace, true
	}
	return specs.NetworkNamespace, strings.HasPrefix(key, "net.")
}

// sysctlPath returns the path of a kernel parameter below /proc/sys. Keys are
// written as sysctl(8) has them: the first separator decides which one it is,
// and the other stands for a dot in a name ("net.ipv4.conf.eth0/1.mtu",
// "net/ipv4/conf/eth0.1/mtu").
func sysctlPath(key string) string {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '/' {
		return "sys/" + key
	}
	return "sys/" + strings.NewReplacer(".", "/", "/", ".").Replace(key)
}

// checkSysctls refuses kernel parameters that would be the host's. That a
// namespace which is joined may be the host's own shows only when it is open.
func checkSysctls(s *specs.Spec) error {
	for _, key := range slices.Sorted(maps.Keys(s.Linux.Sysctl)) {
		if err := checkSysctl(s, key, s.Linux.Sysctl[key]); err != nil {
			return err
		}
	}
	return nil
}

// checkSysctl refuses a kernel parameter that is none of the container's.
func checkSysctl(s *specs.Spec, key, value string) error {
	dotted := strings.ReplaceAll(key, "/", ".")
	if key == "" || strings.HasPrefix(dotted, ".") || strings.HasSuffix(dotted, ".") || strings.Contains(dotted, "..") || strings.IndexByte(key, 0) >= 0 {
		return fmt.Errorf("linux.sysctl: %q is not a kernel parameter", key)
	}
	if strings.IndexByte(value, 0) >= 0 {
		return fmt.Errorf("linux.sysctl[%s]: %q contains a NUL", key, value)
	}
	ns, ok := sysctlNamespace(dotted)
	switch {
	case !ok:
		return fmt.Errorf("linux.sysctl: %q is not in a separate kernel namespace: it would change the host", key)
	case dotted == "kernel.hostname":
		return fmt.Errorf("linux.sysctl: %q conflicts with the field \"hostname\", which is for that", key)
	case namespace(s, ns) == nil:
		return fmt.Errorf("linux.sysctl: %q is not allowed in the host's %s namespace", key, ns)
	}
	return nil
}

// sysctl writes the kernel parameters of the spec.
func (c *compiler) sysctl() error {
	for _, key := range slices.Sorted(maps.Keys(c.in.Spec.Linux.Sysctl)) {
		value := c.in.Spec.Linux.Sysctl[key]
		c.p.Add(writeProc(c.p, c.proc, sysctlPath(key), value, c.from("linux.sysctl["+key+"]"), "a kernel parameter of the container's own namespaces")...)
	}
	return nil
}
