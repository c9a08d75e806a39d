// The executor: makes the child's calls of a plan.
//
// This is the only C of the project, and it runs where no other code can: in a
// process that changes its namespaces, ids and capabilities one call at a time.
// It is a constructor of the berth binary, so it runs before the Go runtime
// starts any thread. Without ENV_NAME in the environment it returns at once.
//
// It allocates nothing, parses nothing but the plan's arrays, and takes no
// decision: policy is in the plan. What it does beside the plan's calls is
// receive batches on the control socket, write results to the shared pages,
// and, after OP_INIT, be a PID 1 that reaps.

#define _GNU_SOURCE
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ENV_NAME "_BERTH_EXECUTOR"
#define CONTROL_FD 3
#define PLAN_FD 4

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

// Exit statuses of an executor that could not even fail in a step; the host
// sees them when no result says more.
enum { EXIT_STEP = 120, EXIT_PROTOCOL = 121, EXIT_MAP = 122, EXIT_PLAN = 123 };

// How long a child waits for a step that the host makes in the meantime.
#define AWAIT_NANOSECONDS 20000000000ull

_Static_assert(sizeof(struct plan_batch) == 32, "encode.go knows this size");
_Static_assert(sizeof(struct plan_step) == 96, "encode.go knows this size");
_Static_assert(sizeof(struct plan_result) == 32, "encode.go knows this size");

static int64_t slots[PLAN_MAX_SLOTS];

static const char *check_step(const struct plan_step *s, uint64_t data, uint64_t size)
{
	if (s->op != OP_CALL && s->op != OP_FORK && s->op != OP_INIT && s->op != OP_EXIT)
		return "unknown operation";
	if (s->nargs > 6)
		return "too many arguments";
	if (s->out < -1 || s->out >= PLAN_MAX_SLOTS)
		return "result slot out of range";
	for (int i = 0; i < s->nargs; i++) {
		switch (s->kind[i]) {
		case KIND_VALUE:
			break;
		case KIND_SLOT:
			if (s->arg[i] >= PLAN_MAX_SLOTS)
				return "argument slot out of range";
			break;
		case KIND_DATA:
			if (s->arg[i] < data || s->arg[i] >= size)
				return "argument data out of range";
			break;
		default:
			return "unknown argument kind";
		}
	}
	return NULL;
}

const char *plan_check(const void *p, uint64_t size)
{
	const struct plan_batch *b = p;

	if (size < sizeof *b || size > PLAN_MAX_SIZE)
		return "size out of range";
	if (b->magic != PLAN_MAGIC)
		return "no plan";
	if (b->version != PLAN_VERSION)
		return "another version's plan";
	if (b->size != size)
		return "size does not match";
	if (b->nsteps > PLAN_MAX_STEPS)
		return "too many steps";
	uint64_t need = sizeof *b + (uint64_t)b->nsteps *
		(sizeof(struct plan_step) + sizeof(struct plan_result));
	if (b->data < need || b->data > size)
		return "data out of range";
	const struct plan_step *steps = (const void *)(b + 1);
	for (uint32_t i = 0; i < b->nsteps; i++) {
		const char *why = check_step(&steps[i], b->data, size);
		if (why)
			return why;
	}
	return NULL;
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// receive takes one message and puts its descriptors into their slots.
static void receive(struct plan_message *m)
{
	static union {
		char buf[CMSG_SPACE(PLAN_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { m, sizeof *m };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof control.buf };
	ssize_t n;

	do
		n = recvmsg(CONTROL_FD, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	// An end of file means that the host side is gone: so is the reason to
	// go on.
	if (n != (ssize_t)sizeof *m || m->nfds > PLAN_MAX_FDS || (h.msg_flags & MSG_CTRUNC))
		_exit(EXIT_PROTOCOL);
	uint32_t got = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		int *fds = (int *)CMSG_DATA(c);
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count && got < m->nfds; i++, got++) {
			int32_t slot = m->slot[got];
			if (slot < 0 || slot >= PLAN_MAX_SLOTS)
				_exit(EXIT_PROTOCOL);
			slots[slot] = fds[i];
		}
	}
	if (got != m->nfds)
		_exit(EXIT_PROTOCOL);
}

// map makes the batch visible at its address. Mapping private and writable
// would copy pages that calls write into; shared lets the host see results.
static struct plan_batch *map(const struct plan_message *m)
{
	void *want = (void *)(uintptr_t)(PLAN_BASE + m->offset);

	if (m->offset % 4096 || m->size > PLAN_MAX_SIZE || m->offset > PLAN_MAX_SIZE)
		_exit(EXIT_PROTOCOL);
	void *p = mmap(want, m->size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE | MAP_FIXED_NOREPLACE, PLAN_FD, (off_t)m->offset);
	if (p != want)
		_exit(EXIT_MAP);
	if (plan_check(p, m->size))
		_exit(EXIT_PLAN);
	return p;
}

// finish records a result. The state is written last, with release order: the
// host may be looking.
static void finish(struct plan_result *r, int64_t ret, uint32_t state)
{
	r->ret = ret;
	r->end = now();
	__atomic_store_n(&r->state, state, __ATOMIC_RELEASE);
}

// Every signal that there is. The C library's own sets leave out those that it
// wants for its threads (in musl 32 to 34, and 34 is SIGRTMIN to programs
// built with glibc), so masks are set by plain system calls.
static const uint64_t all_signals = ~0ull;

// be_init is PID 1 of a container that asked for one: it forwards signals to
// the payload, reaps every orphan, and exits as the payload did.
static void be_init(pid_t payload)
{
	int status;

	prctl(PR_SET_NAME, "berth-init");
	// Nothing of the host stays reachable through PID 1, and no pipe is held
	// open by it after the payload closed its end.
	munmap((void *)(uintptr_t)PLAN_BASE, 2 * PLAN_MAX_SIZE);
	syscall(SYS_close_range, 0u, ~0u, 0u);
	for (;;) {
		int sig = (int)syscall(SYS_rt_sigtimedwait, &all_signals, NULL, NULL, sizeof all_signals);
		if (sig < 0)
			continue;
		if (sig != SIGCHLD) {
			// PID 1 has no use for a stop of its own, and the payload's
			// terminal sends these to the payload's group itself.
			if (sig != SIGTTIN && sig != SIGTTOU && sig != SIGTSTP)
				kill(payload, sig);
			continue;
		}
		pid_t pid;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid != payload)
				continue;
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		}
	}
}

// fork_step goes on in a new process. For OP_FORK the new process is a sibling
// (CLONE_PARENT), so that the host can wait for it; for OP_INIT it is a child.
// CLONE_PARENT_SETTID has the kernel itself write the result, before the new
// process runs: whenever the old one is killed, the host can find the new one.
static void fork_step(const struct plan_step *s, struct plan_result *r)
{
	int init = s->op == OP_INIT;
	uint64_t old;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, &old, sizeof old);
	long pid = syscall(SYS_clone, (init ? 0 : CLONE_PARENT) | CLONE_PARENT_SETTID | SIGCHLD,
		0, &r->ret, 0, 0);
	if (pid == 0) {
		if (init) {
			// A group of its own, in the foreground of the terminal if there
			// is one, so that the shell's job control works.
			setpgid(0, 0);
			tcsetpgrp(0, getpid());
		}
		syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof old);
		return;
	}
	if (pid < 0) {
		finish(r, -errno, STATE_FAILED);
		_exit(EXIT_STEP);
	}
	finish(r, pid, STATE_DONE);
	if (init)
		be_init((pid_t)pid);
	_exit(0);
}

// await_host waits for the host without a system call, because the step before
// may have installed a filter that allows none. A host that never answers is
// gone, and so is the reason to go on; a trap ends a process that may not exit.
static void await_host(const struct plan_result *r)
{
	uint64_t until = now() + AWAIT_NANOSECONDS;

	while (!__atomic_load_n(&r->go, __ATOMIC_ACQUIRE)) {
#if defined(__x86_64__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ volatile("yield");
#endif
		if (now() > until)
			__builtin_trap();
	}
}

static int tolerated(const struct plan_step *s, int err)
{
	for (int i = 0; i < 12 && s->ok[i]; i++)
		if (s->ok[i] == err)
			return 1;
	return 0;
}

// arguments resolves a step's arguments; it returns 0 when one of them is a
// slot that a tolerated error left empty.
static int arguments(const struct plan_batch *b, const struct plan_step *s, uint64_t a[6])
{
	for (int i = 0; i < s->nargs; i++) {
		a[i] = s->arg[i];
		if (s->kind[i] == KIND_SLOT) {
			if (slots[s->arg[i]] < 0)
				return 0;
			a[i] = (uint64_t)slots[s->arg[i]];
		} else if (s->kind[i] == KIND_DATA) {
			a[i] = (uint64_t)(uintptr_t)b + s->arg[i];
		}
	}
	return 1;
}

static void run_step(struct plan_batch *b, const struct plan_step *s, struct plan_result *r)
{
	uint64_t a[6] = { 0 };

	r->start = now();
	if (!arguments(b, s, a)) {
		if (s->out >= 0)
			slots[s->out] = -1;
		finish(r, 0, STATE_SKIPPED);
		return;
	}
	__atomic_store_n(&r->state, STATE_RUNNING, __ATOMIC_RELEASE);
	if (s->op == OP_EXIT) {
		finish(r, 0, STATE_DONE);
		_exit((int)a[0]);
	}
	if (s->op == OP_FORK || s->op == OP_INIT) {
		fork_step(s, r);
		return;
	}
	long ret;
	do
		ret = syscall((long)s->call, a[0], a[1], a[2], a[3], a[4], a[5]);
	while (ret == -1 && errno == EINTR);
	if (ret == -1) {
		int err = errno;
		if (!tolerated(s, err)) {
			finish(r, -err, STATE_FAILED);
			_exit(EXIT_STEP);
		}
		if (s->out >= 0)
			slots[s->out] = -1;
		finish(r, -err, STATE_TOLERATED);
		return;
	}
	if (s->out >= 0)
		slots[s->out] = ret;
	finish(r, ret, STATE_DONE);
	if (s->await)
		await_host(r);
}

// is_control tells whether the descriptors that the host side leaves are there:
// the variable alone, set by anybody, must not turn berth into something else.
static int is_control(void)
{
	int type = 0;
	socklen_t len = sizeof type;

	return getsockopt(CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		type == SOCK_SEQPACKET && fcntl(PLAN_FD, F_GETFD) >= 0;
}

__attribute__((constructor)) static void executor(void)
{
	static struct plan_message m;

	if (!getenv(ENV_NAME) || !is_control())
		return;
	// Before it joins anything: no process of a container may trace it or
	// reach its descriptors through /proc (CVE-2016-9962).
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NAME, "berth-child");
	// Nothing that the caller left open goes on to the payload.
	syscall(SYS_close_range, 3u, ~0u, (unsigned)CLOSE_RANGE_CLOEXEC);
	memset(slots, 0xff, sizeof slots); // every slot is empty: -1
	for (;;) {
		do
			receive(&m);
		while (!m.size);
		struct plan_batch *b = map(&m);
		struct plan_step *steps = (void *)(b + 1);
		struct plan_result *results = (void *)(steps + b->nsteps);
		uint32_t ack = m.ack;
		for (uint32_t i = 0; i < b->nsteps; i++)
			run_step(b, &steps[i], &results[i]);
		if (ack && send(CONTROL_FD, "", 1, MSG_NOSIGNAL) != 1)
			_exit(EXIT_PROTOCOL);
	}
}
