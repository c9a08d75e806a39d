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

// checkSysctl returns the path of a kernel parameter below /proc/sys. Keys are
// written as sysctl(8) has them: the first separator decides which one it is,
// and the other stands for a dot in a name ("net.ipv4.conf.eth0/1.mtu",
// "net/ipv4/conf/eth0.1/mtu").
func (c *compiler) checkSysctl(key, value string) (string, error) {
	dotted := strings.ReplaceAll(key, "/", ".")
	if key == "" || strings.HasPrefix(dotted, ".") || strings.Contains(dotted, "..") || strings.IndexByte(key+value, 0) >= 0 {
		return "", fmt.Errorf("linux.sysctl: %q is not a kernel parameter", key)
	}
	ns, ok := sysctlNamespace(dotted)
	if !ok {
		return "", fmt.Errorf("linux.sysctl: %q is not in a namespace: it would change the host", key)
	}
	joined := slices.ContainsFunc(c.joins, func(j join) bool { return j.kind == ns })
	if !c.newNamespace(ns) && !joined {
		return "", fmt.Errorf("linux.sysctl: %q is not allowed in the host's %s namespace", key, ns)
	}
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '/' {
		return "sys/" + key, nil
	}
	return "sys/" + strings.NewReplacer(".", "/", "/", ".").Replace(key), nil
}

// sysctl writes the kernel parameters of the spec.
func (c *compiler) sysctl() error {
	for _, key := range slices.Sorted(maps.Keys(c.in.Spec.Linux.Sysctl)) {
		value := c.in.Spec.Linux.Sysctl[key]
		file, err := c.checkSysctl(key, value)
		if err != nil {
			return err
		}
		c.p.Add(writeProc(c.p, c.proc, file, value, c.from("linux.sysctl["+key+"]"), "a kernel parameter of the container's own namespaces")...)
	}
	return nil
}
