/* probe FLAGS ENTRY NR [ARG...] reads a BPF program from stdin, installs it in
 * a child and makes one system call there: by "x86-64" (syscall), "i386"
 * (int $0x80, with the whole registers set) or i386's "socketcall" (NR is the
 * selector, the arguments are in memory below 4 GiB). It prints "ok", "errno N"
 * or "killed". */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long enter64(long nr, const uint64_t *a)
{
	register uint64_t r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
	long ret;
	__asm__ volatile("syscall" : "=a"(ret)
			 : "0"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static long enter32(long nr, const uint64_t *a)
{
	long ret;
	__asm__ volatile("int $0x80" : "=a"(ret)
			 : "0"(nr), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
			 : "r8", "r9", "r10", "r11", "memory");
	return (int)ret;
}

static struct sock_filter code[4096];

int main(int argc, char **argv)
{
	uint64_t args[6] = {0};
	if (argc < 4)
		return 2;
	for (int i = 4; i < argc && i < 10; i++)
		args[i - 4] = strtoull(argv[i], NULL, 0);
	long nr = (long)strtoull(argv[3], NULL, 0);
	uint32_t *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	size_t n = fread(code, sizeof(code[0]), 4096, stdin);
	if (low == MAP_FAILED || n == 0)
		return 2;
	pid_t parent = getpid();
	pid_t child = fork();
	if (child < 0)
		return 2;
	if (child == 0) {
		struct sock_fprog prog = {(unsigned short)n, code};
		/* A raw call: glibc's would take the listener's fd for a result too. */
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, atoi(argv[1]), &prog) < 0) {
			dprintf(1, "seccomp: errno %d\n", errno);
			_exit(0);
		}
		long ret;
		if (strcmp(argv[2], "socketcall") == 0) {
			for (int i = 0; i < 6; i++)
				low[i] = (uint32_t)args[i];
			uint64_t a[6] = {(uint64_t)nr, (uint64_t)(uintptr_t)low};
			ret = enter32(102, a);
		} else if (strcmp(argv[2], "i386") == 0) {
			ret = enter32(nr, args);
		} else {
			ret = enter64(nr, args);
		}
		if (getppid() != parent)
			_exit(0); /* the call was a clone that worked */
		if (ret < 0)
			dprintf(1, "errno %ld\n", -ret);
		else
			dprintf(1, "ok\n");
		_exit(0);
	}
	int status;
	if (waitpid(child, &status, 0) != child)
		return 2;
	if (WIFSIGNALED(status))
		printf("killed\n");
	return 0;
}
