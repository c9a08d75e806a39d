package container

import (
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
	"berth/rootfs"
	"berth/seccomp"
)

// payload is what the last part of a plan needs, for a container's first
// process and for one that joins it alike.
type payload struct {
	p        *nsenter.Plan
	spec     *specs.Process
	id       *Identity
	lookup   bool
	proc     nsenter.Slot // the host's /proc, when something is written there
	caps     capSets
	lastCap  int
	filter   seccomp.Program
	listener Listener
	// filterStep is the index of the step that installs the filter.
	filterStep int
	terminal   *rootfs.Terminal
	init       bool
	tied       bool
	from       map[string]string
}

// process plans what is left to do once the file systems are in place: the
// process gives up one power after the other, and then becomes the payload.
func (c *compiler) process() error {
	s := c.in.Spec.Process
	caps, err := capabilitySets(s.Capabilities, c.in.Host.LastCap)
	if err != nil {
		return err
	}
	pl := &payload{
		p: c.p, spec: s, id: c.identity, lookup: c.in.Lookup, proc: c.proc, caps: caps,
		lastCap: c.in.Host.LastCap, filter: c.in.Filter, listener: c.in.Listener,
		terminal: c.terminal, init: c.in.Init, tied: c.in.Tied, from: c.in.From,
	}
	return pl.add()
}

// add appends the steps. Their order matters: each one may take away what
// those before it needed.
func (pl *payload) add() error {
	for _, part := range []func() error{
		pl.session, pl.oomScore, pl.rlimits, pl.workDir, pl.umask,
		pl.boundingSet, pl.ids, pl.tie, pl.confine, pl.start, pl.listen,
	} {
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
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_KEYCTL, nsenter.Int(unix.KEYCTL_JOIN_SESSION_KEYRING), nsenter.Null()).
		// Keyrings are limited per user; the 200th container must run too.
		Tolerate(unix.EDQUOT, unix.ENOSYS, unix.EPERM, unix.EACCES).
		For("default", "keys of the caller's session are not the payload's"))
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

// rlimitNumber returns the number of a resource limit.
func rlimitNumber(name string) (int, bool) {
	names := []string{
		"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE",
		"MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
	}
	i := slices.Index(names, strings.TrimPrefix(name, "RLIMIT_"))
	return i, i >= 0 && strings.HasPrefix(name, "RLIMIT_")
}

// rlimits sets the resource limits of the spec.
func (pl *payload) rlimits() error {
	for _, r := range pl.spec.Rlimits {
		n, ok := rlimitNumber(r.Type)
		if !ok {
			return fmt.Errorf("process.rlimits: unknown limit %q", r.Type)
		}
		if r.Soft > r.Hard {
			return fmt.Errorf("process.rlimits: %s: soft limit %d is above the hard limit %d", r.Type, r.Soft, r.Hard)
		}
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRLIMIT64, nsenter.Int(0), nsenter.Int(n),
			nsenter.Ptr(nsenter.Words(fmt.Sprintf("{soft=%d, hard=%d}", r.Soft, r.Hard), r.Soft, r.Hard)), nsenter.Null()).
			On(r.Type).For(pl.fromField("process.rlimits["+r.Type+"]"), "a limit per process"))
	}
	return nil
}

// workDir changes to the working directory. openat2 refuses magic links, so
// that /proc/self/fd/7 leads nowhere (CVE-2024-21626).
func (pl *payload) workDir() error {
	cwd := pl.spec.Cwd
	if cwd == "" || path.Clean(cwd) == "/" {
		return nil
	}
	from := pl.fromField("process.cwd")
	dir := pl.p.NewSlot("working directory")
	how := nsenter.OpenHow(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_OPENAT2, nsenter.Int(unix.AT_FDCWD), nsenter.Str(cwd), nsenter.Ptr(how), nsenter.Int(24)).
		To(dir).On(cwd).For(from, "it must lie in the container: links of /proc that lead out are refused"))
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_FCHDIR, nsenter.Fd(dir)).On(cwd).For(from, "where the payload starts"))
	return nil
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

// boundingSet drops what no program in the container may ever have.
func (pl *payload) boundingSet() error {
	for c := 0; c <= pl.lastCap; c++ {
		if pl.caps.bounding&(1<<c) != 0 {
			continue
		}
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_CAPBSET_DROP), nsenter.Int(c)).
			For(pl.fromField("process.capabilities.bounding"), "not even a setuid program can gain it"))
	}
	return nil
}

// ids changes to the payload's user. The capabilities are kept over the change
// for what is still to do.
func (pl *payload) ids() error {
	from := pl.fromField("process.user")
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_SET_KEEPCAPS), nsenter.Int(1)).
		For(from, "the steps below still need capabilities"))
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_SETGROUPS, pl.id.groups()...).
		For(from, "the caller's groups are not the payload's (CVE-2022-36109)"))
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

// confine takes away the capabilities and installs the filter. A filter needs
// CAP_SYS_ADMIN or no_new_privs, so without the latter it goes in while the
// process still has its capabilities.
func (pl *payload) confine() error {
	all := uint64(1)<<(pl.lastCap+1) - 1
	if pl.lastCap == 63 {
		all = ^uint64(0)
	}
	capsFrom := pl.fromField("process.capabilities")
	drop := capset(pl.caps.effective, pl.caps.permitted, pl.caps.inheritable).For(capsFrom, "what the payload itself may do")
	if pl.spec.NoNewPrivileges {
		pl.ambient(drop, capsFrom)
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_SET_NO_NEW_PRIVS), nsenter.Int(1), nsenter.Int(0), nsenter.Int(0), nsenter.Int(0)).
			For(pl.fromField("process.noNewPrivileges"), "setuid programs and file capabilities give nothing"))
		pl.seccomp()
		return nil
	}
	if len(pl.filter.Filter) > 0 {
		// A change to another user has emptied the effective set.
		keep := pl.caps.permitted | pl.caps.bounding | 1<<unix.CAP_SYS_ADMIN
		pl.child(capset(keep&all, keep&all, 0).For("linux.seccomp", "installing a filter takes CAP_SYS_ADMIN"))
		pl.seccomp()
	}
	pl.ambient(drop, capsFrom)
	return nil
}

// ambient sets the final capability sets and raises the ambient ones.
func (pl *payload) ambient(drop nsenter.Step, from string) {
	pl.child(drop)
	for c := 0; c <= pl.lastCap; c++ {
		if pl.caps.ambient&(1<<c) != 0 {
			pl.child(nsenter.Call(nsenter.Child, unix.SYS_PRCTL, nsenter.Int(unix.PR_CAP_AMBIENT), nsenter.Int(unix.PR_CAP_AMBIENT_RAISE), nsenter.Int(c), nsenter.Int(0), nsenter.Int(0)).
				For(from, "a program that is not root keeps it over execve"))
		}
	}
}

// seccomp installs the filter.
func (pl *payload) seccomp() {
	if len(pl.filter.Filter) == 0 {
		return
	}
	code := make([]byte, 0, 8*len(pl.filter.Filter))
	for _, f := range pl.filter.Filter {
		code = binary.NativeEndian.AppendUint16(code, f.Code)
		code = append(code, f.Jt, f.Jf)
		code = binary.NativeEndian.AppendUint32(code, f.K)
	}
	prog := &nsenter.Data{
		Bytes:    make([]byte, 16),
		Pointers: []nsenter.Pointer{{Offset: 8, To: &nsenter.Data{Bytes: code, Text: "filter"}}},
		Text:     fmt.Sprintf("{%d instructions}", len(pl.filter.Filter)),
	}
	binary.NativeEndian.PutUint16(prog.Bytes, uint16(len(pl.filter.Filter)))
	install := nsenter.Call(nsenter.Child, unix.SYS_SECCOMP, nsenter.Int(unix.SECCOMP_SET_MODE_FILTER), nsenter.Int(pl.filter.Flags), nsenter.Ptr(prog)).
		For(pl.fromField("linux.seccomp"), "system calls that containers have no use for are refused from here on")
	install.Await = pl.listens()
	pl.filterStep = len(pl.p.Steps)
	pl.child(install)
}

// start becomes the payload: one execve for each place that the program could
// be in, as execvp(3) does it. What goes on with the next place and what does
// not follows the same page.
func (pl *payload) start() error {
	if pl.init {
		pl.child(nsenter.Control(nsenter.Child, nsenter.OpInit, "fork: PID 1 stays behind, reaps and forwards signals").
			For("--init", "programs that are not made to be PID 1 need one"))
	}
	from := pl.fromField("process.args")
	argv := nsenter.StringArray(pl.spec.Args)
	env := pl.environment()
	places := searchPath(pl.spec.Args[0], pl.spec.Env)
	for _, place := range places {
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_EXECVE, nsenter.Str(place), nsenter.Ptr(argv), env).
			Tolerate(unix.ENOENT, unix.ENOTDIR, unix.EACCES).On(place).For(from, "become the payload"))
	}
	pl.child(nsenter.Control(nsenter.Child, nsenter.OpExit, "exit: there is no such program", nsenter.Int(127)).
		For(from, "no place had a program that may be executed"))
	return nil
}

// environment is execve's third argument. HOME comes from the image when the
// configuration has none.
func (pl *payload) environment() nsenter.Arg {
	if !pl.lookup || hasEnv(pl.spec.Env, "HOME") {
		return nsenter.Strs(pl.spec.Env)
	}
	return nsenter.Late(fmt.Sprintf("[%d variables, HOME from the image]", len(pl.spec.Env)+1), func() *nsenter.Data {
		return nsenter.StringArray(append(slices.Clone(pl.spec.Env), "HOME="+pl.id.Home))
	})
}

func hasEnv(env []string, name string) bool {
	return slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
}

// defaultPath is where programs are looked for when PATH is not set.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// searchPath lists where a program could be: itself when it has a slash, else
// below each folder of the payload's PATH.
func searchPath(name string, env []string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	dirs := defaultPath
	for _, v := range env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			dirs = p
		}
	}
	var places []string
	for _, dir := range strings.Split(dirs, ":") {
		if dir == "" {
			dir = "."
		}
		places = append(places, path.Join(dir, name))
		if dir == "." {
			places[len(places)-1] = "./" + name
		}
	}
	return places
}
