package nsenter

import (
	"fmt"
	"math/rand/v2"

	"golang.org/x/sys/unix"
)

// planMaker makes arbitrary small plans of harmless calls. Every call may be
// made by a process of a test, and none depends on another process's speed.
type planMaker struct {
	r    *rand.Rand
	p    *Plan
	dirs []Slot // hold directories, or nothing
	outs []Slot // may be written to, or nothing
	nums []Slot // hold numbers
	// pidns is a plan whose child is PID 1, which cannot fork a sibling.
	pidns  bool
	forked bool
}

// randomPlan returns the plan of a seed.
func randomPlan(seed uint64) *Plan {
	m := &planMaker{r: rand.New(rand.NewPCG(seed, 7)), p: &Plan{}}
	flags := []uintptr{0, unix.CLONE_NEWNS, unix.CLONE_NEWUTS | unix.CLONE_NEWIPC, unix.CLONE_NEWPID}[m.r.IntN(4)]
	m.pidns = flags == unix.CLONE_NEWPID
	m.p.Add(spawn(flags))
	for range 1 + m.r.IntN(25) {
		if m.r.IntN(4) == 0 {
			m.host()
		} else {
			m.child()
		}
	}
	m.ending()
	return m.p
}

// host adds a host step, which ends the batch of child steps before it.
func (m *planMaker) host() {
	open := func(path string, flags int) Step {
		return Call(Host, unix.SYS_OPENAT, Int(unix.AT_FDCWD), Str(path), Int(flags|unix.O_CLOEXEC), Int(0))
	}
	switch m.r.IntN(6) {
	case 0:
		m.p.Add(Control(Host, OpSync, "wait"))
	case 1:
		m.p.Add(open("/usr", unix.O_PATH).To(m.slot("usr", &m.dirs)))
	case 2:
		m.p.Add(open("/dev/null", unix.O_WRONLY).To(m.slot("null", &m.outs)))
	case 3:
		m.p.Add(open("/no/such", unix.O_PATH).To(m.slot("missing", &m.dirs)).Tolerate(unix.ENOENT))
	case 4:
		s := m.slot("number", &m.nums)
		v := int64(m.r.IntN(0o777))
		m.p.Add(Do("choose", func(h *Run) error { h.SetValue(s, v); return nil }))
	case 5:
		read, write := m.p.NewSlot("pipe read"), m.slot("pipe write", &m.outs)
		m.p.Add(Do("pipe", func(h *Run) error {
			var fds [2]int
			if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
				return err
			}
			h.SetFd(read, fds[0])
			h.SetFd(write, fds[1])
			return nil
		}))
	}
}

// slot reserves a slot that later steps may choose.
func (m *planMaker) slot(name string, list *[]Slot) Slot {
	s := m.p.NewSlot(name)
	*list = append(*list, s)
	return s
}

// child adds a child step.
func (m *planMaker) child() {
	word := fmt.Sprintf("w%x", m.r.Uint32())
	open := func(path string, flags int) Step {
		return Call(Child, unix.SYS_OPENAT, Int(unix.AT_FDCWD), Str(path), Int(flags|unix.O_CLOEXEC), Int(0))
	}
	switch m.r.IntN(16) {
	case 0:
		m.p.Add(Call(Child, unix.SYS_GETPID).To(m.slot("pid", &m.nums)))
	case 1:
		m.p.Add(Call(Child, unix.SYS_GETPPID))
	case 2:
		m.p.Add(Call(Child, unix.SYS_UMASK, m.number()).To(m.slot("umask", &m.nums)))
	case 3:
		m.p.Add(Call(Child, unix.SYS_PRCTL, Int(unix.PR_SET_NAME), Str(word), Int(0), Int(0), Int(0)))
	case 4:
		m.p.Add(open("/etc", unix.O_PATH|unix.O_DIRECTORY).To(m.slot("etc", &m.dirs)))
	case 5:
		m.p.Add(open("/dev/null", unix.O_RDWR).To(m.slot("null", &m.outs)))
	case 6:
		m.p.Add(open("/no/"+word, unix.O_RDONLY).To(m.slot("missing", &m.dirs)).Tolerate(unix.EACCES, unix.ENOENT))
	case 7, 8:
		if s, ok := m.pick(m.dirs); ok {
			m.p.Add(Call(Child, unix.SYS_FCHDIR, Fd(s)).Tolerate(unix.EBADF, unix.ENOTDIR))
		}
	case 9, 10:
		if s, ok := m.pick(m.outs); ok {
			m.p.Add(Call(Child, unix.SYS_WRITE, Fd(s), Bytes([]byte(word), word), Int(len(word))).Tolerate(unix.EBADF))
		}
	case 11:
		if s, ok := m.pick(m.outs); ok {
			m.p.Add(Call(Child, unix.SYS_DUP3, Fd(s), Int(200+m.r.IntN(20)), Int(unix.O_CLOEXEC)).
				Tolerate(unix.EBADF).To(m.slot("dup", &m.outs)))
		}
	case 12:
		// Later users of the slot meet EBADF, or another file of its number.
		if s, ok := m.pick(append(m.dirs, m.outs...)); ok {
			m.p.Add(Call(Child, unix.SYS_CLOSE, Fd(s)).Tolerate(unix.EBADF))
		}
	case 13:
		m.p.Add(Call(Child, unix.SYS_SETSID).Tolerate(unix.EPERM).To(m.slot("session", &m.nums)))
	case 14:
		m.fork()
	case 15:
		if m.r.IntN(4) == 0 {
			m.p.Add(Call(Child, unix.SYS_CHDIR, Str("/no/"+word)).On("/no/" + word))
		}
	}
}

// fork goes on in another process, at most once with a new PID namespace.
func (m *planMaker) fork() {
	if m.pidns {
		return
	}
	if !m.forked && m.r.IntN(2) == 0 {
		m.p.Add(Call(Child, unix.SYS_UNSHARE, Int(unix.CLONE_NEWPID)))
		m.pidns = true
	}
	m.forked = true
	m.p.Add(Control(Child, OpFork, "fork"))
}

// ending adds how the child ends.
func (m *planMaker) ending() {
	// strace shows process ids as the caller sees them: only a namespace that
	// is strace's own lets the test follow.
	if !m.pidns && m.r.IntN(4) == 0 {
		m.p.Add(Control(Child, OpInit, "init"))
	}
	exec := Call(Child, unix.SYS_EXECVE, Str("/bin/true"), Strs([]string{"true", "of", "a", "test"}), Strs([]string{"A=b"}))
	missing := Call(Child, unix.SYS_EXECVE, Str("/no/true"), Strs(nil), Strs(nil)).Tolerate(unix.ENOENT)
	switch m.r.IntN(5) {
	case 0: // nothing: the child meets the end of the socket
	case 1:
		m.p.Add(Control(Child, OpExit, "exit", m.number()))
	case 2:
		m.p.Add(missing, Control(Child, OpExit, "exit", Int(127)))
	default:
		m.p.Add(missing, exec)
	}
}

// number returns a number, or a slot with one.
func (m *planMaker) number() Arg {
	if s, ok := m.pick(m.nums); ok {
		return Fd(s)
	}
	return Int(m.r.IntN(0o777))
}

func (m *planMaker) pick(list []Slot) (Slot, bool) {
	if len(list) == 0 {
		return NoSlot, false
	}
	return list[m.r.IntN(len(list))], true
}
