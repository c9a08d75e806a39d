package container

import (
	"fmt"
	"path"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
	"berth/rootfs"
	"berth/seccomp"
)

// payload is what the last part of a plan needs, for a container's first
// process and for one that joins it alike.
type payload struct {
	p           *nsenter.Plan
	host        Host
	spec        *specs.Process
	linux       *specs.Linux // for the fields of it that are about processes
	id          *Identity
	lookup      bool
	proc        nsenter.Slot // the host's /proc, when something is written there
	caps        capSets
	filter      seccomp.Program
	listener    Listener
	terminal    *rootfs.Terminal
	init        bool
	tied        bool
	joined      bool   // a program that joins a container
	program     string // what to execute, with the spec's environment as it is; empty: what Args[0] names
	noKeyring   bool   // the caller's session keyring stays
	keyringName string // of the session keyring; empty for one without
	files       []nsenter.Slot
	affinity    affinity     // of a program that joins
	gate        nsenter.Slot // the FIFO to wait at, or NoSlot
	check       bool         // judge program and working directory beforehand
	outside     bool         // privileged was made outside the user namespace
	from        map[string]string

	rootFd     nsenter.Slot
	cwdSteps   []int // tries at the working directory, when check judges them
	filterStep int   // the index of the step that installs the filter
	warnings   []string
}

// newPayload refuses what no steps can be made of.
func newPayload(p *nsenter.Plan, host Host, spec *specs.Spec, from map[string]string) (*payload, error) {
	pl := &payload{
		p: p, host: host, spec: spec.Process, linux: spec.Linux, from: from,
		proc: nsenter.NoSlot, gate: nsenter.NoSlot,
	}
	var err error
	if pl.caps, pl.warnings, err = capabilitySets(pl.spec.Capabilities, host); err != nil {
		return nil, err
	}
	for _, check := range []func() error{pl.checkUser, pl.checkRlimits, pl.checkLabels, pl.checkAffinity} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return pl, nil
}

// checkUser refuses ids that no process can have, or that have been read as
// negative numbers before (CVE-2024-40635).
func (pl *payload) checkUser() error {
	u := pl.spec.User
	for i, id := range append([]uint32{u.UID, u.GID}, u.AdditionalGids...) {
		if id > maxID {
			return fmt.Errorf("process.user.%s: %d is out of range", []string{"uid", "gid", "additionalGids"}[min(i, 2)], id)
		}
	}
	if u.Umask != nil && *u.Umask > 0o777 {
		return fmt.Errorf("process.user.umask: %#o is not a mode", *u.Umask)
	}
	return nil
}

// prepare makes the payload's part of the compilation, and takes hold of what
// the host has for it.
func (c *compiler) prepare() error {
	pl, err := newPayload(c.p, c.in.Host, c.in.Spec, c.in.From)
	if err != nil {
		return err
	}
	pl.lookup, pl.filter, pl.listener, pl.init, pl.tied = c.in.Lookup, c.in.Filter, c.in.Listener, c.in.Init, c.in.Tied
	pl.noKeyring, pl.keyringName = c.in.NoNewKeyring, c.in.Keyring
	pl.check = c.in.Check
	if pl.files, err = openFiles(c.p, c.in.Files, c.from("--preserve-fds")); err != nil {
		return err
	}
	pl.gate = openGate(c.p, c.in.Gate)
	c.payload = pl
	return nil
}

// outside makes the settings that a user namespace would keep the process from
// making.
func (c *compiler) outside() error {
	if !hasUserNamespace(c.in.Spec) {
		return nil
	}
	if from := c.payload.procField(); from != "" && c.proc == nsenter.NoSlot {
		c.proc = openProc(c.p, from)
	}
	return c.payload.beforeUserNamespace(c.proc)
}

// beforeUserNamespace makes the settings that must come before the process
// joins a user namespace or makes one.
func (pl *payload) beforeUserNamespace(proc nsenter.Slot) error {
	pl.proc = proc
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_SETGROUPS, nsenter.Int(0), nsenter.Null()).
		For("linux.namespaces[user]", "groups of the host's would open its files from inside, and a namespace may forbid dropping them"))
	err := pl.privileged()
	pl.outside = true
	return err
}

// hasUserNamespace reports whether root in the container is not the host's.
func hasUserNamespace(s *specs.Spec) bool {
	return slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
}

// process plans what is left to do once the file systems are in place: the
// process gives up one power after the other, and then becomes the payload.
func (c *compiler) process() error {
	pl := c.payload
	pl.proc, pl.id, pl.terminal = c.proc, c.identity, c.terminal
	return pl.add()
}

// add appends the steps. Their order matters: each one may take away what
// those before it needed.
func (pl *payload) add() error {
	// What the payload shall have beyond closeRest must be sent behind it, with
	// the batch that follows the check.
	pl.check = pl.check || pl.gate != nsenter.NoSlot || len(pl.files) > 0
	for _, part := range []func() error{
		pl.streams, pl.session, pl.privileged, pl.memoryPolicy, pl.personality, pl.labels, pl.workDir, pl.umask,
		pl.boundingSet, pl.ids, pl.workDirAgain, pl.closeRest, pl.checkProgram, pl.tie, pl.passFiles, pl.rlimits, pl.confine, pl.start, pl.listen,
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// privileged makes the settings that take a capability of the host's: with a
// user namespace, they come before it.
func (pl *payload) privileged() error {
	if pl.outside {
		return nil
	}
	for _, part := range []func() error{pl.oomScore, pl.raiseLimits, pl.scheduler, pl.ioPriority} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

func (pl *payload) child(s nsenter.Step) { pl.p.Add(s) }

func (pl *payload) fromField(field string) string { return fromOf(pl.from, field) }

// session starts a session, with a terminal if there is one, and a keyring.
func (pl *payload) session() error {
	const from = "process.terminal"
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_SETSID).
		For(from, "signals of the caller's terminal are not the payload's"))
	if pl.terminal != nil {
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_IOCTL, nsenter.Fd(pl.terminal.Slave), nsenter.Int(unix.TIOCSCTTY), nsenter.Int(0)).
			On("/dev/pts/0").For(from, "the terminal controls the session: job control and Ctrl-C work"))
		for fd, name := range []string{"stdin", "stdout", "stderr"} {
			pl.child(nsenter.Call(nsenter.Child, unix.SYS_DUP3, nsenter.Fd(pl.terminal.Slave), nsenter.Int(fd), nsenter.Int(0)).
				On(name).For(from, "the terminal is "+name))
		}
	}
	pl.keyring()
	return nil
}

// oomScore writes the score through the host's /proc: the image's could be
// anything (CVE-2019-16884).
func (pl *payload) oomScore() error {
	if pl.spec.OOMScoreAdj == nil {
		return nil
	}
	v := *pl.spec.OOMScoreAdj
	if v < -1000 || v > 1000 {
		return fmt.Errorf("process.oomScoreAdj: %d is not between -1000 and 1000", v)
	}
	pl.p.Add(writeProc(pl.p, pl.proc, "self/oom_score_adj", strconv.Itoa(v), pl.fromField("process.oomScoreAdj"), "how readily the kernel kills it when memory is short")...)
	return nil
}

// writeProc returns the child's steps that write a file of the host's /proc.
// The host opens the folder and the child the file, since many files belong to
// the namespaces of whoever opens them.
func writeProc(p *nsenter.Plan, proc nsenter.Slot, file, value, from, why string) []nsenter.Step {
	fd := p.NewSlot("/proc/" + file)
	how := nsenter.OpenHow(unix.O_WRONLY|unix.O_CLOEXEC, 0, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_XDEV)
	return []nsenter.Step{
		nsenter.Call(nsenter.Child, unix.SYS_OPENAT2, nsenter.Fd(proc), nsenter.Str(file), nsenter.Ptr(how), nsenter.Int(24)).
			To(fd).On("/proc/"+file).For(from, "through the host's /proc: an image cannot put another file there"),
		nsenter.Call(nsenter.Child, unix.SYS_WRITE, nsenter.Fd(fd), nsenter.Bytes([]byte(value), strconv.Quote(value)), nsenter.Int(len(value))).
			On("/proc/"+file).For(from, why),
	}
}

// openProc plans the host's step that opens its /proc for the child.
func openProc(p *nsenter.Plan, from string) nsenter.Slot {
	proc := p.NewSlot("host's /proc")
	p.Add(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str("/proc"), nsenter.Int(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC), nsenter.Int(0)).
		To(proc).On("/proc").For(from, "the child writes into the host's /proc, not into one that the image could fake"))
	return proc
}

// workDir changes to the working directory, while root's capabilities may still
// be needed to get there. openat2 refuses magic links, so that /proc/self/fd/7
// leads nowhere (CVE-2024-21626).
func (pl *payload) workDir() error {
	if cwd := pl.spec.Cwd; cwd == "" || path.Clean(cwd) == "/" {
		return nil
	}
	// The child is in / here.
	if !pl.check {
		pl.chdir(nsenter.Int(unix.AT_FDCWD))
		return nil
	}
	pl.rootFd = pl.p.NewSlot("root of the container")
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_OPENAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str("/"), nsenter.Int(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC), nsenter.Int(0)).
		To(pl.rootFd).On("/").For(pl.fromField("process.cwd"), "the second try starts here, wherever the first one led"))
	pl.chdir(nsenter.Fd(pl.rootFd), unix.EACCES, unix.EPERM)
	return nil
}

// workDirAgain is the second try, as the payload's user: on a network file
// system, root may be the one who must not.
func (pl *payload) workDirAgain() error {
	if len(pl.cwdSteps) > 0 {
		pl.chdir(nsenter.Fd(pl.rootFd), unix.EACCES, unix.EPERM)
	}
	return nil
}

// chdir plans one try at the working directory, from the root that is given.
func (pl *payload) chdir(root nsenter.Arg, ok ...unix.Errno) {
	from, cwd := pl.fromField("process.cwd"), pl.spec.Cwd
	if pl.check {
		pl.cwdSteps = append(pl.cwdSteps, len(pl.p.Steps))
	}
	dir := pl.p.NewSlot("working directory")
	how := nsenter.OpenHow(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_OPENAT2, root, nsenter.Str(cwd), nsenter.Ptr(how), nsenter.Int(24)).
		To(dir).Tolerate(ok...).On(cwd).For(from, "it must lie in the container: links of /proc that lead out are refused"))
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_FCHDIR, nsenter.Fd(dir)).Tolerate(ok...).On(cwd).For(from, "where the payload starts"))
}

// umask sets the file mode mask: the caller's is not the payload's.
func (pl *payload) umask() error {
	mask := uint32(0o022)
	if pl.spec.User.Umask != nil {
		mask = *pl.spec.User.Umask
	}
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_UMASK, nsenter.Int(mask)).
		For(pl.fromField("process.user.umask"), "the mode of new files does not depend on who started the container"))
	return nil
}

// ids changes to the payload's user. The capabilities are kept over the change
// for what is still to do.
func (pl *payload) ids() error {
	from := pl.fromField("process.user")
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_SET_KEEPCAPS), nsenter.Int(1)).
		For(from, "the steps below still need capabilities"))
	groups := nsenter.Call(nsenter.Child, unix.SYS_SETGROUPS, pl.id.groups()...).
		For(from, "the caller's groups are not the payload's (CVE-2022-36109)")
	if pl.outside && !pl.lookup && len(pl.id.Groups) == 0 {
		// A user namespace may forbid it (user_namespaces(7), setgroups), and
		// there are none any more.
		groups = groups.Tolerate(unix.EPERM)
	}
	pl.child(groups)
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_SETRESGID, pl.id.gid(), pl.id.gid(), pl.id.gid()).For(from, "the payload's group"))
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_SETRESUID, pl.id.uid(), pl.id.uid(), pl.id.uid()).For(from, "the payload's user"))
	return nil
}

// tie makes the payload die with its supervisor. It comes after the last
// change of ids, which clears the setting, and is followed by a look at
// whether the supervisor is still there.
func (pl *payload) tie() error {
	if !pl.tied {
		return nil
	}
	const from = "supervisor"
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_SET_PDEATHSIG), nsenter.Int(int(unix.SIGKILL))).
		For(from, "the payload ends with the berth process that supervises it"))
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_SENDTO, nsenter.Int(3), nsenter.Str("?"), nsenter.Int(1), nsenter.Int(unix.MSG_NOSIGNAL), nsenter.Null(), nsenter.Int(0)).
		On("the supervisor").For(from, "fails when the supervisor died before the line above"))
	return nil
}
