package nsenter

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// executorEnv is the variable that makes the binary an executor; executor.c
// knows it, and believes it only when the descriptors are there too.
const executorEnv = "_BERTH_EXECUTOR=1"

// The wire format of struct plan_message in executor.h.
const (
	maxMessageFds = 250
	messageSize   = 24 + 4*maxMessageFds
)

// child is the process that runs the executor. Starting it takes a while
// (clone, exec), in which the host side goes on: it is started on a thread of
// its own, which then stays, because a parent-death signal fires when the
// forking thread ends, not the process (prctl(2)).
type child struct {
	control int // our end of the socket
	memory  int // the shared memfd
	next    int // where the next batch goes in the memfd
	started chan struct{}
	done    chan struct{}
	once    sync.Once

	// These are valid once started is closed.
	pid int
	err error
	// reaped is set by wait, so that kill never hits a recycled pid.
	mu     sync.Mutex
	reaped bool
	// forks are where in the memory the results of fork steps are that were
	// sent, but for those whose new process is the child already.
	forks []int64
}

// spawn starts the executor. Its errors come with the first batch, but for
// those that show at once.
func (h *Run) spawn(s *Step) error {
	if h.child != nil {
		return fmt.Errorf("start a second child: %w", unix.EEXIST)
	}
	attr := &syscall.SysProcAttr{Cloneflags: uintptr(s.Args[0].value)}
	if len(s.Args) > 1 {
		if fd := h.Fd(s.Args[1].slot); fd >= 0 {
			attr.UseCgroupFD, attr.CgroupFD = true, fd
		}
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	memory, err := openMemory(h.opts.Memory)
	if err != nil {
		unix.Close(pair[0])
		unix.Close(pair[1])
		return err
	}
	h.child = &child{control: pair[0], memory: memory, started: make(chan struct{}), done: make(chan struct{})}
	go h.child.start(attr, h.opts, pair[1])
	return nil
}

// start forks and executes, and then holds its thread until the child is of no
// more interest.
func (c *child) start(attr *syscall.SysProcAttr, opts Options, theirs int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c.pid, c.err = c.exec(attr, opts, theirs)
	unix.Close(theirs)
	close(c.started)
	if c.err == nil {
		<-c.done
	}
}

// exec starts the sealed binary with the child's five descriptors.
func (c *child) exec(attr *syscall.SysProcAttr, opts Options, theirs int) (int, error) {
	view := opts.Sealed
	if view == nil {
		view = Seal(opts.Empty)
	}
	sealed, err := view.take()
	if err != nil {
		return 0, err
	}
	defer unix.Close(sealed)
	null := -1
	stdio := func(f *os.File) uintptr {
		if f != nil {
			return f.Fd()
		}
		if null < 0 {
			null, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		}
		return uintptr(null)
	}
	// The control socket is descriptor 3 and the plan's memory 4: executor.c
	// knows them by number.
	files := []uintptr{stdio(opts.Stdin), stdio(opts.Stdout), stdio(opts.Stderr), uintptr(theirs), uintptr(c.memory)}
	if err != nil {
		return 0, fmt.Errorf("open /dev/null: %w", err)
	}
	if null >= 0 {
		defer unix.Close(null)
	}
	// Before its exec the new process moves descriptors about, in the first
	// few numbers above those that the child receives.
	exe, err := unix.FcntlInt(uintptr(sealed), unix.F_DUPFD_CLOEXEC, int(slices.Max(files))+2*len(files))
	if err != nil {
		return 0, fmt.Errorf("dup own binary: %w", err)
	}
	defer unix.Close(exe)
	pid, err := syscall.ForkExec("/proc/self/fd/"+strconv.Itoa(exe), []string{"berth-init"},
		&syscall.ProcAttr{Env: []string{executorEnv}, Files: files, Sys: attr})
	if err != nil {
		return 0, fmt.Errorf("start executor: %w", err)
	}
	return pid, nil
}

// flush sends the child the steps that are waiting, with the descriptors that
// they use.
func (h *Run) flush(ack bool) error {
	if len(h.pending) == 0 && !ack {
		return nil
	}
	if h.child == nil {
		return fmt.Errorf("send steps to a child that the plan did not start: %w", unix.ESRCH)
	}
	steps := make([]Step, len(h.pending))
	for i, n := range h.pending {
		steps[i] = h.plan.Steps[n]
	}
	c := h.child
	bytes, err := encode(steps, c.next, h.lookup)
	if err != nil {
		return err
	}
	if err := check(bytes); err != nil {
		return err
	}
	if _, err := unix.Pwrite(c.memory, bytes, int64(c.next)); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	fds, slots := h.descriptors(steps)
	h.batches = append(h.batches, batch{steps: h.pending, offset: c.next})
	h.pending = nil
	c.expectForks(steps)
	// The child may not exist yet: the socket keeps the message for it, and
	// the host side goes on.
	if err := c.send(fds, slots, uint64(c.next), uint64(len(bytes)), ack); err != nil {
		return h.sendFailed(err)
	}
	c.next += (len(bytes) + pageSize - 1) / pageSize * pageSize
	return nil
}

// lookup is the encoder's view of the slots.
func (h *Run) lookup(s Slot) (int64, bool, bool) {
	v := h.slots[s]
	return v.value, v.fd, v.set
}

// descriptors lists what the steps take from host slots and was not sent yet.
func (h *Run) descriptors(steps []Step) (fds, slots []int) {
	for i := range steps {
		for _, a := range steps[i].Args {
			if a.kind != KindSlot {
				continue
			}
			v := &h.slots[a.slot]
			if v.set && v.fd && v.value >= 0 && !v.sent {
				v.sent = true
				fds, slots = append(fds, int(v.value)), append(slots, int(a.slot))
			}
		}
	}
	return fds, slots
}

// send sends a batch and its descriptors, in more messages than one when there
// are many.
func (c *child) send(fds, slots []int, offset, size uint64, ack bool) error {
	le := binary.LittleEndian
	for {
		n := min(len(fds), maxMessageFds)
		last := n == len(fds)
		m := make([]byte, messageSize)
		le.PutUint32(m, uint32(n))
		if last {
			if ack {
				le.PutUint32(m[4:], 1)
			}
			le.PutUint64(m[8:], offset)
			le.PutUint64(m[16:], size)
		}
		for i, s := range slots[:n] {
			le.PutUint32(m[24+4*i:], uint32(s))
		}
		if err := unix.Sendmsg(c.control, m, unix.UnixRights(fds[:n]...), nil, unix.MSG_NOSIGNAL); err != nil {
			return fmt.Errorf("send plan: %w", err)
		}
		if last {
			return nil
		}
		fds, slots = fds[n:], slots[n:]
	}
}

// sync waits for the answer to the batch that was sent before it.
func (h *Run) sync() error {
	if n, err := h.child.receive(); err != nil || n == 0 {
		return h.sendFailed(err)
	}
	// Whatever forks were sent have been made, so the child is the last one.
	h.child.settle()
	return nil
}

// receive reads one message from the child; 0 bytes is the end of file.
func (c *child) receive() (int, error) {
	var b [1]byte
	for {
		n, _, err := unix.Recvfrom(c.control, b[:], 0)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// finish tells the child that no batch follows the ones that were sent: one
// that comes to the end of its plan without an execve exits.
func (c *child) finish() {
	<-c.started
	_ = unix.Shutdown(c.control, unix.SHUT_WR)
}

// waitEOF waits until the child has closed its end: by execve, as every
// descriptor of the executor is close-on-exec, or by dying.
func (c *child) waitEOF() {
	for {
		if n, err := c.receive(); n <= 0 || err != nil {
			return
		}
	}
}

// kill ends a child that was not reaped yet, and every process that it forked
// to go on in.
func (c *child) kill() {
	<-c.started
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.pid > 0 && !c.reaped {
		_ = unix.Kill(c.pid, unix.SIGKILL)
		// Only a process that is gone forks no more.
		if len(c.forks) == 0 || waitExited(c.pid) != nil || !c.follow() {
			return
		}
	}
}

// expectForks notes where the results of the next batch's fork steps will be.
func (c *child) expectForks(steps []Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range steps {
		if steps[i].Op == OpFork {
			c.forks = append(c.forks, int64(c.next+batchHeader+len(steps)*stepSize+i*resultSize))
		}
	}
}

// follow makes the process that the next fork step started the child: it has
// the same parent (CLONE_PARENT), and the one before it exits. It reports
// whether there is such a process. The mutex must be held.
func (c *child) follow() bool {
	if len(c.forks) == 0 {
		return false
	}
	var value [8]byte
	n, err := unix.Pread(c.memory, value[:], c.forks[0])
	// The kernel writes a pid_t; the executor makes it 64 bits, or an error.
	pid := int32(binary.LittleEndian.Uint32(value[:]))
	if err != nil || n < len(value) || pid <= 0 {
		return false
	}
	c.forks = c.forks[1:]
	// What became of the process that has forked is of no interest.
	_, _ = reap(c.pid)
	c.pid = int(pid)
	return true
}

// discard kills and reaps a child whose plan did not come through.
func (c *child) discard() {
	c.kill()
	// The error that brought us here says more than one of this wait's.
	_, _ = c.wait()
}

// wait reaps the child.
func (c *child) wait() (unix.WaitStatus, error) {
	<-c.started
	if c.err != nil {
		return 0, c.err
	}
	if c.reaped {
		return 0, nil
	}
	// WNOWAIT first: the pid stays ours until reaped is set.
	if err := waitExited(c.pid); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = true
	return reap(c.pid)
}

// waitExited blocks until a child has ended, and leaves it a zombie.
func waitExited(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			if err != nil {
				return fmt.Errorf("wait for process %d: %w", pid, err)
			}
			return nil
		}
	}
}

// reap takes the exit status of a child that has ended.
func reap(pid int) (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		if err != unix.EINTR {
			if err != nil {
				return 0, fmt.Errorf("wait for process %d: %w", pid, err)
			}
			return status, nil
		}
	}
}

// close lets the child's thread go and closes the descriptors.
func (c *child) close() {
	c.once.Do(func() {
		close(c.done)
		unix.Close(c.control)
		c.dropMemory()
	})
}

// dropMemory closes this side's descriptor of the memory.
func (c *child) dropMemory() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.memory >= 0 {
		unix.Close(c.memory)
		c.memory = -1
	}
}
