package teach

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// words16 returns bytes of little-endian 16-bit words.
func words16(words ...uint16) []byte {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint16(b, w)
	}
	return b
}

// words32 returns bytes of little-endian 32-bit words.
func words32(words ...uint32) []byte {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// examplePlan is a small container, with every kind of step.
func examplePlan() *nsenter.Plan {
	p := &nsenter.Plan{}
	work := func(*nsenter.Run) error { return nil }
	image, group, limit, root, proc := p.NewSlot("layers"), p.NewSlot("cgroup"), p.NewSlot("memory.max"), p.NewSlot("root"), p.NewSlot("proc")
	mask, self := p.NewSlot("/proc/kcore"), p.NewSlot("init")
	p.Add(
		nsenter.Do("look up user postgres in the image", work).For("--user", "names mean what the image's /etc/passwd says"),
		nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str("/sys/fs/cgroup/berth/3f2a"),
			nsenter.Int(unix.O_DIRECTORY|unix.O_PATH|unix.O_CLOEXEC)).To(group).For("-m", "a handle, so that nothing can be swapped under us"),
		nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Fd(group), nsenter.Str("memory.max"),
			nsenter.Int(unix.O_WRONLY|unix.O_CLOEXEC)).To(limit).For("-m", ""),
		nsenter.Call(nsenter.Host, unix.SYS_WRITE, nsenter.Fd(limit), nsenter.Str("67108864"), nsenter.Int(8)).
			On("/sys/fs/cgroup/berth/3f2a/memory.max").For("-m", "before any process exists"),
		nsenter.Call(nsenter.Host, unix.SYS_FSOPEN, nsenter.Str("overlay"), nsenter.Int(unix.FSOPEN_CLOEXEC)).To(image),
		nsenter.Control(nsenter.Host, nsenter.OpSpawn, "start the executor", nsenter.Int(unix.CLONE_NEWNS|unix.CLONE_NEWPID|unix.CLONE_NEWIPC|unix.CLONE_NEWUTS),
			nsenter.Fd(group)).For("", "new views, born capped"),
		nsenter.Call(nsenter.Child, unix.SYS_UNSHARE, nsenter.Int(unix.CLONE_NEWCGROUP)).For("", "after joining: our cgroup is /"),
		nsenter.Call(nsenter.Child, unix.SYS_MOUNT, nsenter.Null(), nsenter.Str("/"), nsenter.Null(),
			nsenter.Int(unix.MS_REC|unix.MS_PRIVATE), nsenter.Null()).For("", "else mounts leak to the host"),
		nsenter.Call(nsenter.Child, unix.SYS_OPENAT2, nsenter.Fd(image), nsenter.Str("proc"),
			nsenter.Ptr(nsenter.OpenHow(unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_IN_ROOT)), nsenter.Int(24)).To(root),
		nsenter.Call(nsenter.Child, unix.SYS_FSMOUNT, nsenter.Fd(image), nsenter.Int(unix.FSMOUNT_CLOEXEC),
			nsenter.Int(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)).To(proc),
		nsenter.Call(nsenter.Child, unix.SYS_MOVE_MOUNT, nsenter.Fd(proc), nsenter.Str(""), nsenter.Fd(root), nsenter.Str(""),
			nsenter.Int(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)).On("/proc").For("mounts[0]", "ps and many other programs read it"),
		nsenter.Call(nsenter.Child, unix.SYS_OPENAT2, nsenter.Fd(proc), nsenter.Str("kcore"),
			nsenter.Ptr(nsenter.OpenHow(unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_XDEV)),
			nsenter.Int(24)).To(mask).Tolerate(unix.ENOENT).For("linux.maskedPaths[1]", "some kernels do not have it"),
		nsenter.Call(nsenter.Child, unix.SYS_MOVE_MOUNT, nsenter.Fd(image), nsenter.Str(""), nsenter.Fd(mask), nsenter.Str(""),
			nsenter.Int(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)).For("linux.maskedPaths[1]", "it is the host's memory"),
		nsenter.Call(nsenter.Child, unix.SYS_PIVOT_ROOT, nsenter.Str("."), nsenter.Str(".")).For("", "/ becomes the image"),
		nsenter.Control(nsenter.Host, nsenter.OpSync, "wait for the child"),
		nsenter.Do("call the createContainer hooks", work).On("hooks.createContainer[0]").For("hooks", ""),
		nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_CAPBSET_DROP), nsenter.Int(unix.CAP_SYS_ADMIN)).For("--cap-drop", "not even a setuid program can gain it"),
		nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_CAPBSET_DROP), nsenter.Int(unix.CAP_BPF)).For("--cap-drop", "not even a setuid program can gain it"),
		nsenter.Control(nsenter.Child, nsenter.OpInit, "stay as a PID 1 that reaps").To(self).For("--init", "orphans must be waited for"),
		nsenter.Call(nsenter.Child, unix.SYS_SECCOMP, nsenter.Int(unix.SECCOMP_SET_MODE_FILTER), nsenter.Int(0),
			nsenter.Ptr(&nsenter.Data{Bytes: append(words16(94, 0, 0, 0), make([]byte, 8)...)})).For("seccomp", "last: setup needed these calls"),
		nsenter.Call(nsenter.Child, unix.SYS_EXECVE, nsenter.Str("/usr/local/bin/sh"), nsenter.Strs([]string{"sh", "-c", "echo hi"}),
			nsenter.Strs([]string{"PATH=/bin", "HOME=/"})).Tolerate(unix.ENOENT, unix.ENOTDIR, unix.EACCES).For("PATH[0]", "the first folder of PATH"),
		nsenter.Call(nsenter.Child, unix.SYS_EXECVE, nsenter.Str("/bin/sh"), nsenter.Strs([]string{"sh", "-c", "echo hi"}),
			nsenter.Late("[3 variables, HOME from the image]", nil)).For("PATH[1]", "the second"),
		nsenter.Control(nsenter.Child, nsenter.OpExit, "no such program", nsenter.Int(127)),
	)
	return p
}

// exampleResults is how examplePlan may have run: the mask had nothing to
// cover, and the second folder of PATH had the shell.
func exampleResults(p *nsenter.Plan) []nsenter.Result {
	results := make([]nsenter.Result, len(p.Steps))
	start := uint64(5_000_000_000)
	for i := range results {
		start += 1_000 * uint64(i)
		results[i] = nsenter.Result{State: nsenter.Done, Value: int64(i), Start: start, End: start + 1_500}
	}
	results[11].State, results[11].Value = nsenter.Tolerated, -int64(unix.ENOENT)
	results[12].State, results[12].Value = nsenter.Skipped, 0
	results[20].State, results[20].Value = nsenter.Tolerated, -int64(unix.ENOENT)
	results[21].State, results[21].Value, results[21].End = nsenter.Running, 0, 0
	results[22] = nsenter.Result{}
	return results
}

// failedResults is a run that ended at pivot_root.
func failedResults(p *nsenter.Plan) []nsenter.Result {
	results := exampleResults(p)
	results[13].State, results[13].Value = nsenter.Failed, -int64(unix.EINVAL)
	for i := 14; i < len(results); i++ {
		results[i] = nsenter.Result{}
	}
	return results[:15]
}
