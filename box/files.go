package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func fileApplets() map[string]applet {
	return map[string]applet{
		"ln": ln, "stat": stat, "readlink": readlink, "realpath": realpath, "mkfifo": mkfifo, "mknod": mknod,
		"chown": chown, "mkdir": mkdir, "rmdir": rmdir, "basename": basename, "dirname": dirname, "which": which,
		"test": test, "[": test, "sync": syncAll, "truncate": truncate, "unlink": unlink,
	}
}

// forAll runs f on every name and keeps going after an error.
func (c *call) forAll(names []string, f func(string) error) int {
	code := 0
	for _, n := range names {
		if err := f(n); err != nil {
			code = c.fail(err)
		}
	}
	return code
}

func ln(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "sfn", "")
	if err != nil {
		return c.fail(err)
	}
	if len(rest) == 0 {
		return c.usage("[-sf] TARGET… [LINK|DIRECTORY]")
	}
	dest, targets := filepath.Base(rest[0]), rest
	if len(rest) > 1 {
		dest, targets = rest[len(rest)-1], rest[:len(rest)-1]
	}
	fi, statErr := os.Stat(dest)
	intoDir := statErr == nil && fi.IsDir() && !on['n']
	if len(targets) > 1 && !intoDir {
		return c.fail(fmt.Errorf("%s: not a directory", dest))
	}
	return c.forAll(targets, func(target string) error {
		name := dest
		if intoDir {
			name = filepath.Join(dest, filepath.Base(target))
		}
		if on['f'] {
			if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		if on['s'] {
			return os.Symlink(target, name)
		}
		return os.Link(target, name)
	})
}

func stat(c *call, args []string) int {
	on, v, rest, err := c.flags(args, "L", "c")
	if err != nil {
		return c.fail(err)
	}
	return c.forAll(rest, func(name string) error {
		get := os.Lstat
		if on['L'] {
			get = os.Stat
		}
		fi, err := get(name)
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		format := v['c']
		if format == "" {
			format = "  File: %n\n  Size: %s\tBlocks: %b\t%F\nDevice: %d\tInode: %i\tLinks: %h\nAccess: (0%a/%A)\tUid: (%u/%U)\tGid: (%g/%G)\nModify: %y"
		}
		fmt.Fprintln(c.out, statFormat(format, name, fi, st))
		return nil
	})
}

func statFormat(format, name string, fi os.FileInfo, st *syscall.Stat_t) string {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return strings.NewReplacer(
		"%%", "%", "%n", name, "%s", number(uint64(st.Size)), "%b", number(uint64(st.Blocks)), "%i", number(st.Ino),
		"%h", number(uint64(st.Nlink)), "%a", strconv.FormatUint(uint64(st.Mode)&0o7777, 8), "%A", fi.Mode().String(),
		"%u", number(uint64(st.Uid)), "%g", number(uint64(st.Gid)), "%U", userName(int(st.Uid)), "%G", groupName(int(st.Gid)),
		"%d", number(uint64(st.Dev)), "%Y", strconv.FormatInt(fi.ModTime().Unix(), 10),
		"%y", fi.ModTime().Format("2006-01-02 15:04:05.000000000 -0700"), "%F", fileKind(st.Mode),
		"%t", strconv.FormatUint(uint64(unix.Major(uint64(st.Rdev))), 16), "%T", strconv.FormatUint(uint64(unix.Minor(uint64(st.Rdev))), 16),
	).Replace(format)
}

func fileKind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symbolic link"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFCHR:
		return "character special file"
	case unix.S_IFBLK:
		return "block special file"
	}
	return "regular file"
}

func readlink(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "fen", "")
	if err != nil {
		return c.fail(err)
	}
	if on['f'] || on['e'] {
		return realpath(c, rest)
	}
	code := 0
	for _, n := range rest {
		// Silent on failure, as everywhere.
		target, err := os.Readlink(n)
		if err != nil {
			code = 1
			continue
		}
		fmt.Fprintln(c.out, target)
	}
	return code
}

func realpath(c *call, args []string) int {
	return c.forAll(args, func(n string) error {
		p, err := filepath.EvalSymlinks(n)
		if err == nil {
			p, err = filepath.Abs(p)
		}
		if err == nil {
			fmt.Fprintln(c.out, p)
		}
		return err
	})
}

func mkfifo(c *call, args []string) int {
	return c.forAll(args, func(n string) error {
		if err := unix.Mkfifo(n, 0o666); err != nil {
			return &os.PathError{Op: "mkfifo", Path: n, Err: err}
		}
		return nil
	})
}

func mknod(c *call, args []string) int {
	_, v, rest, err := c.flags(args, "", "m")
	if err != nil {
		return c.fail(err)
	}
	if len(rest) == 2 && rest[1] == "p" {
		return mkfifo(c, rest[:1])
	}
	if len(rest) != 4 || !strings.Contains("b c u", rest[1]) {
		return c.usage("[-m MODE] NAME b|c MAJOR MINOR")
	}
	mode := uint64(0o666)
	var err0 error
	if v['m'] != "" {
		mode, err0 = strconv.ParseUint(v['m'], 8, 12)
	}
	major, err1 := strconv.ParseUint(rest[2], 10, 12)
	minor, err2 := strconv.ParseUint(rest[3], 10, 20)
	if err := errors.Join(err0, err1, err2); err != nil {
		return c.fail(err)
	}
	kind := uint32(unix.S_IFCHR)
	if rest[1] == "b" {
		kind = unix.S_IFBLK
	}
	if err := unix.Mknod(rest[0], kind|uint32(mode), int(unix.Mkdev(uint32(major), uint32(minor)))); err != nil {
		return c.fail(&os.PathError{Op: "mknod", Path: rest[0], Err: err})
	}
	return 0
}

func chown(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "Rh", "")
	if err != nil {
		return c.fail(err)
	}
	if len(rest) < 2 {
		return c.usage("[-Rh] USER[:GROUP] FILE…")
	}
	owner, group, hasGroup := strings.Cut(rest[0], ":")
	uid, gid := -1, -1
	if owner != "" {
		if uid, err = lookupID(owner, userID); err != nil {
			return c.fail(err)
		}
	}
	if hasGroup && group != "" {
		if gid, err = lookupID(group, groupID); err != nil {
			return c.fail(err)
		}
	}
	change := os.Chown
	if on['h'] || on['R'] {
		change = os.Lchown
	}
	return c.forAll(rest[1:], func(n string) error {
		if !on['R'] {
			return change(n, uid, gid)
		}
		return filepath.WalkDir(n, func(p string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return change(p, uid, gid)
		})
	})
}

func lookupID(s string, byName func(string) (int, bool)) (int, error) {
	if id, ok := byName(s); ok {
		return id, nil
	}
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("unknown user or group %q", s)
	}
	return int(id), nil
}

func userID(name string) (int, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	id, err := strconv.Atoi(u.Uid)
	return id, err == nil
}

func groupID(name string) (int, bool) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	id, err := strconv.Atoi(g.Gid)
	return id, err == nil
}

// mkdir is not borrowed: u-root's reports a failure and exits with 0.
func mkdir(c *call, args []string) int {
	on, v, rest, err := c.flags(args, "pv", "m")
	if err != nil {
		return c.fail(err)
	}
	if len(rest) == 0 {
		return c.usage("[-p] [-m MODE] DIR…")
	}
	mode := uint64(0o777)
	if v['m'] != "" {
		if mode, err = strconv.ParseUint(v['m'], 8, 12); err != nil {
			return c.fail(fmt.Errorf("bad mode %q", v['m']))
		}
	}
	return c.forAll(rest, func(n string) error {
		if on['p'] {
			if err := os.MkdirAll(n, 0o777); err != nil {
				return err
			}
		} else if err := unix.Mkdir(n, uint32(mode)); err != nil {
			return &os.PathError{Op: "mkdir", Path: n, Err: err}
		}
		if v['m'] != "" {
			return unix.Chmod(n, uint32(mode))
		}
		return nil
	})
}

func rmdir(c *call, args []string) int {
	return c.forAll(args, func(n string) error {
		if err := unix.Rmdir(n); err != nil {
			return &os.PathError{Op: "rmdir", Path: n, Err: err}
		}
		return nil
	})
}

func unlink(c *call, args []string) int {
	return c.forAll(args, func(n string) error {
		if err := unix.Unlink(n); err != nil {
			return &os.PathError{Op: "unlink", Path: n, Err: err}
		}
		return nil
	})
}

func basename(c *call, args []string) int {
	if len(args) == 0 {
		return c.usage("PATH [SUFFIX]")
	}
	b := filepath.Base(args[0])
	if len(args) > 1 && b != args[1] {
		b = strings.TrimSuffix(b, args[1])
	}
	fmt.Fprintln(c.out, b)
	return 0
}

func dirname(c *call, args []string) int {
	return c.forAll(args, func(n string) error {
		fmt.Fprintln(c.out, filepath.Dir(n))
		return nil
	})
}

func which(c *call, args []string) int {
	code := 0
	for _, n := range args {
		p, err := exec.LookPath(n)
		if err != nil {
			code = 1
			continue
		}
		fmt.Fprintln(c.out, p)
	}
	return code
}

func syncAll(*call, []string) int {
	unix.Sync()
	return 0
}

func truncate(c *call, args []string) int {
	_, v, rest, err := c.flags(args, "", "s")
	if err != nil {
		return c.fail(err)
	}
	size, err := parseSize(v['s'])
	if err != nil {
		return c.fail(err)
	}
	return c.forAll(rest, func(n string) error {
		f, err := os.OpenFile(n, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Truncate(size)
	})
}

// parseSize reads a byte count with an optional k, M or G (powers of 1024).
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "kKMGB")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("bad size %q", s)
	}
	switch strings.TrimSuffix(s[len(digits):], "B") {
	case "":
	case "k", "K":
		n <<= 10
	case "M":
		n <<= 20
	case "G":
		n <<= 30
	default:
		return 0, fmt.Errorf("bad size %q", s)
	}
	return n, nil
}
