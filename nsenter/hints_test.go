package nsenter

import (
	"strings"
	"testing"
	"unicode"

	"golang.org/x/sys/unix"
)

func TestHint(t *testing.T) {
	tests := []struct {
		name  string
		call  uintptr
		errno unix.Errno
		want  string // part of the hint; empty for none
	}{
		{"pivot_root on no mount point", unix.SYS_PIVOT_ROOT, unix.EINVAL, "not a mount point"},
		{"pivot_root onto itself", unix.SYS_PIVOT_ROOT, unix.EBUSY, "current root mount"},
		{"mount without privilege", unix.SYS_MOUNT, unix.EPERM, "CAP_SYS_ADMIN"},
		{"move_mount", unix.SYS_MOVE_MOUNT, unix.EINVAL, "detached"},
		{"execve of nothing", unix.SYS_EXECVE, unix.ENOENT, "interpreter"},
		{"execve of another architecture", unix.SYS_EXECVE, unix.ENOEXEC, "architecture"},
		{"execveat of a plain file", unix.SYS_EXECVEAT, unix.EACCES, "noexec"},
		{"clone3 into an inner cgroup", unix.SYS_CLONE3, unix.EBUSY, "controllers"},
		{"clone over pids.max", unix.SYS_CLONE, unix.EAGAIN, "pids.max"},
		{"unshare over the limit", unix.SYS_UNSHARE, unix.ENOSPC, "user.max_"},
		{"setns", unix.SYS_SETNS, unix.EPERM, "owns the namespace"},
		{"seccomp", unix.SYS_SECCOMP, unix.EACCES, "no_new_privs"},
		{"setgroups", unix.SYS_SETGROUPS, unix.EPERM, "/proc/PID/setgroups"},
		{"setresuid unmapped", unix.SYS_SETRESUID, unix.EINVAL, "not mapped"},
		{"fsconfig", unix.SYS_FSCONFIG, unix.EINVAL, "255 bytes"},
		{"fsopen", unix.SYS_FSOPEN, unix.ENODEV, "module"},
		{"fsmount of proc", unix.SYS_FSMOUNT, unix.EPERM, "covered"},
		{"cgroup file", unix.SYS_WRITE, unix.EBUSY, "processes of its own"},
		{"prlimit", unix.SYS_PRLIMIT64, unix.EPERM, "CAP_SYS_RESOURCE"},
		{"cpuset", unix.SYS_SCHED_SETAFFINITY, unix.EINVAL, "cpuset"},
		{"device node", unix.SYS_MKNODAT, unix.EPERM, "CAP_MKNOD"},
		{"controlling terminal", unix.SYS_IOCTL, unix.EPERM, "session"},
		{"hostname", unix.SYS_SETHOSTNAME, unix.EINVAL, "64 bytes"},
		{"escape", unix.SYS_OPENAT2, unix.EXDEV, "must stay"},
		{"old kernel", unix.SYS_MOUNT_SETATTR, unix.ENOSYS, "too old"},
		{"unknown call, common error", unix.SYS_GETPID, unix.EMFILE, "ulimit -n"},
		{"unknown call and error", unix.SYS_GETPID, unix.ECHILD, ""},
		{"no error", unix.SYS_EXECVE, 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Hint(test.call, test.errno)
			if test.want == "" && got != "" {
				t.Errorf("got %q, want no hint", got)
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("got %q, want something with %q", got, test.want)
			}
		})
	}
}

// Hints go into brackets behind an error: they are phrases, not sentences, and
// have no brackets of their own.
func TestHintStyle(t *testing.T) {
	for call := uintptr(0); call < 512; call++ {
		for errno := unix.Errno(0); errno < 134; errno++ {
			hint := Hint(call, errno)
			if hint == "" {
				continue
			}
			first := rune(hint[0])
			word, _, _ := strings.Cut(hint, " ")
			if unicode.IsUpper(first) && word != strings.ToUpper(word) {
				t.Errorf("%s %s: hint %q starts with a capital", CallName(call), unix.ErrnoName(errno), hint)
			}
			if strings.HasSuffix(hint, ".") || strings.ContainsAny(hint, "\n\t()") {
				t.Errorf("%s %s: hint %q is no phrase", CallName(call), unix.ErrnoName(errno), hint)
			}
		}
	}
}
