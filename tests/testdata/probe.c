/* probe looks at a container from inside. It is static and small, opens nothing
 * of its own accord, and prints facts; the tests judge them.
 *
 *   probe fds             every open descriptor and what it is
 *   probe status          this process's /proc/self/status
 *   probe walk DIR...     files below that can be opened for writing
 *   probe open FLAGS PATH try to open: "ok" or the errno's name
 *   probe device b|c MAJOR MINOR  make a node, open it
 *   probe socket FAMILY TYPE
 *   probe keyring         the serial number of the session keyring
 *   probe fill MIB        use so much memory
 *   probe exit CODE
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int say(int result)
{
	if (result >= 0)
		puts("ok");
	else
		printf("%s\n", strerror(errno));
	return 0;
}

static int fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	if (!d)
		return 1;
	while ((e = readdir(d))) {
		char path[300], link[4096];
		int fd = atoi(e->d_name);
		if (e->d_name[0] == '.' || fd == dirfd(d))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, link, sizeof link - 1);
		link[n > 0 ? n : 0] = 0;
		printf("%d %s\n", fd, link);
	}
	return 0;
}

static int status(void)
{
	char buf[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, buf, sizeof buf);
	return n > 0 && write(1, buf, n) == n ? 0 : 1;
}

static void walk(const char *dir, int depth)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	if (!d || depth > 12) {
		if (d)
			closedir(d);
		return;
	}
	while ((e = readdir(d))) {
		char path[4096];
		struct stat st;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path || lstat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode)) {
			walk(path, depth + 1);
		} else if (S_ISREG(st.st_mode) && (st.st_mode & 0222)) {
			/* root may open the others too, but the kernel has no use for it */
			int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY);
			if (fd >= 0) {
				puts(path);
				close(fd);
			}
		}
	}
	closedir(d);
}

static int device(char **a)
{
	const char *path = "/tmp/probe-device";
	unlink(path);
	if (mknod(path, (a[0][0] == 'b' ? S_IFBLK : S_IFCHR) | 0600, makedev(atoi(a[1]), atoi(a[2])))) {
		printf("mknod: %s\n", strerror(errno));
		return 0;
	}
	return say(open(path, O_RDONLY | O_NONBLOCK));
}

static int fill(size_t mib)
{
	for (size_t i = 0; i < mib; i++) {
		char *p = malloc(1 << 20);
		if (!p)
			return 3;
		memset(p, 1, 1 << 20);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "fds"))
		return fds();
	if (!strcmp(what, "status"))
		return status();
	if (!strcmp(what, "walk")) {
		for (int i = 2; i < argc; i++)
			walk(argv[i], 0);
		return 0;
	}
	if (!strcmp(what, "open") && argc == 4)
		return say(open(argv[3], strchr(argv[2], 'w') ? O_WRONLY | O_NONBLOCK : O_RDONLY | O_NONBLOCK));
	if (!strcmp(what, "device") && argc == 5)
		return device(argv + 2);
	if (!strcmp(what, "socket") && argc == 4)
		return say(socket(atoi(argv[2]), atoi(argv[3]), 0));
	if (!strcmp(what, "keyring")) {
		printf("%ld\n", syscall(SYS_keyctl, 0L, -3L, 0L));
		return 0;
	}
	if (!strcmp(what, "fill") && argc == 3)
		return fill(atoi(argv[2]));
	if (!strcmp(what, "exit") && argc == 3)
		return atoi(argv[2]);
	return 64;
}
