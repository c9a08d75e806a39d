package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func diskApplets() map[string]applet {
	return map[string]applet{"dd": dd, "df": df, "du": du, "mount": mount, "umount": umount}
}

func dd(c *call, args []string) int {
	opts := map[string]string{"bs": "512", "count": "-1", "skip": "0", "seek": "0"}
	for _, a := range args {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			return c.usage("[if=FILE] [of=FILE] [bs=N] [count=N] [skip=N] [seek=N] [conv=notrunc,fsync] [status=none]")
		}
		opts[k] = v
	}
	bs, err1 := parseSize(opts["bs"])
	skip, err2 := parseSize(opts["skip"])
	seek, err3 := parseSize(opts["seek"])
	count := int64(-1)
	var err4 error
	if opts["count"] != "-1" {
		count, err4 = parseSize(opts["count"])
	}
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return c.fail(err)
	}
	in, out := os.Stdin, os.Stdout
	var err error
	if opts["if"] != "" {
		if in, err = os.Open(opts["if"]); err != nil {
			return c.fail(err)
		}
		defer in.Close()
	}
	if opts["of"] != "" {
		mode := os.O_WRONLY | os.O_CREATE
		if !strings.Contains(opts["conv"], "notrunc") && seek == 0 {
			mode |= os.O_TRUNC
		}
		if out, err = os.OpenFile(opts["of"], mode, 0o666); err != nil {
			return c.fail(err)
		}
		defer out.Close()
	}
	if err := position(in, out, skip*bs, seek*bs); err != nil {
		return c.fail(err)
	}
	full, partial, bytes, err := copyBlocks(out, in, bs, count)
	if err == nil && strings.Contains(opts["conv"], "fsync") {
		err = out.Sync()
	}
	if opts["status"] != "none" {
		fmt.Fprintf(c.err, "%d+%d records in\n%d+%d records out\n%d bytes\n", full, partial, full, partial, bytes)
	}
	if err != nil {
		return c.fail(err)
	}
	return 0
}

// position goes to where both ends begin. What cannot seek in the input, such as
// a pipe, is read over.
func position(in, out *os.File, skip, seek int64) error {
	if skip > 0 {
		if _, err := in.Seek(skip, io.SeekStart); err != nil {
			if _, err := io.CopyN(io.Discard, in, skip); err != nil {
				return err
			}
		}
	}
	if seek > 0 {
		_, err := out.Seek(seek, io.SeekStart)
		return err
	}
	return nil
}

func copyBlocks(out io.Writer, in io.Reader, bs, count int64) (full, partial, bytes int64, err error) {
	buf := make([]byte, bs)
	for count < 0 || full+partial < count {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return full, partial, bytes, err
			}
			bytes += int64(n)
			if int64(n) == bs {
				full++
			} else {
				partial++
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return full, partial, bytes, err
		}
	}
	return full, partial, bytes, nil
}

// mountLine is one line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mountLine struct{ target, kind, source, options string }

func mountTable() ([]mountLine, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var table []mountLine
	s := bufio.NewScanner(f)
	for s.Scan() {
		front, back, ok := strings.Cut(s.Text(), " - ")
		a, b := strings.Fields(front), strings.Fields(back)
		if !ok || len(a) < 6 || len(b) < 2 {
			continue
		}
		unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace
		table = append(table, mountLine{unescape(a[4]), b[0], unescape(b[1]), a[5]})
	}
	return table, s.Err()
}

func df(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "hkPm", "")
	if err != nil {
		return c.fail(err)
	}
	table, err := mountTable()
	if err != nil {
		return c.fail(err)
	}
	format := func(n uint64) string { return fmt.Sprint(n >> 10) }
	if on['h'] {
		format = human
	}
	if len(rest) > 0 {
		table = table[:0]
		for _, r := range rest {
			table = append(table, mountLine{target: r, source: "-"})
		}
	}
	fmt.Fprintf(c.out, "%-20s %10s %10s %10s %4s %s\n", "Filesystem", "Size", "Used", "Available", "Use%", "Mounted on")
	for _, m := range table {
		var st unix.Statfs_t
		if err := unix.Statfs(m.target, &st); err != nil {
			c.fail(&os.PathError{Op: "statfs", Path: m.target, Err: err})
			continue
		}
		if st.Blocks == 0 {
			continue
		}
		bs := uint64(st.Bsize)
		used := st.Blocks - st.Bfree
		fmt.Fprintf(c.out, "%-20s %10s %10s %10s %3d%% %s\n", m.source, format(st.Blocks*bs), format(used*bs), format(st.Bavail*bs),
			used*100/st.Blocks, m.target)
	}
	return 0
}

func human(n uint64) string {
	for _, unit := range []string{"", "K", "M", "G", "T"} {
		if n < 10240 || unit == "T" {
			return fmt.Sprintf("%d%s", n, unit)
		}
		n >>= 10
	}
	return ""
}

func du(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "shakm", "")
	if err != nil {
		return c.fail(err)
	}
	if len(rest) == 0 {
		rest = []string{"."}
	}
	print := func(n uint64, name string) {
		if on['h'] {
			fmt.Fprintf(c.out, "%s\t%s\n", human(n), name)
			return
		}
		fmt.Fprintf(c.out, "%d\t%s\n", n>>10, name)
	}
	return c.forAll(rest, func(root string) error {
		sizes := map[string]uint64{}
		var order []string
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := d.Info()
			if err != nil {
				return nil
			}
			n := uint64(fi.Sys().(*syscall.Stat_t).Blocks) * 512
			if d.IsDir() || on['a'] || p == root {
				order = append(order, p)
			}
			for at := p; ; at = filepath.Dir(at) {
				sizes[at] += n
				if at == root || at == "." || at == "/" {
					return nil
				}
			}
		})
		for i := len(order) - 1; i >= 0; i-- {
			if !on['s'] || order[i] == root {
				print(sizes[order[i]], order[i])
			}
		}
		return err
	})
}

func mount(c *call, args []string) int {
	on, v, rest, err := c.flags(args, "rw", "to")
	if err != nil {
		return c.fail(err)
	}
	if len(rest) == 0 {
		table, err := mountTable()
		if err != nil {
			return c.fail(err)
		}
		for _, m := range table {
			fmt.Fprintf(c.out, "%s on %s type %s (%s)\n", m.source, m.target, m.kind, m.options)
		}
		return 0
	}
	if len(rest) != 2 {
		return c.usage("[-t TYPE] [-o OPTIONS] SOURCE TARGET")
	}
	known := map[string]uintptr{
		"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC, "bind": unix.MS_BIND,
		"rbind": unix.MS_BIND | unix.MS_REC, "remount": unix.MS_REMOUNT, "noatime": unix.MS_NOATIME, "rw": 0,
		"private": unix.MS_PRIVATE, "rprivate": unix.MS_PRIVATE | unix.MS_REC, "shared": unix.MS_SHARED, "slave": unix.MS_SLAVE,
	}
	var flags uintptr
	if on['r'] {
		flags = unix.MS_RDONLY
	}
	var data []string
	for o := range strings.SplitSeq(v['o'], ",") {
		if f, ok := known[o]; ok {
			flags |= f
		} else if o != "" {
			data = append(data, o)
		}
	}
	if err := unix.Mount(rest[0], rest[1], v['t'], flags, strings.Join(data, ",")); err != nil {
		return c.fail(&os.PathError{Op: "mount", Path: rest[1], Err: err})
	}
	return 0
}

func umount(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "lf", "")
	if err != nil {
		return c.fail(err)
	}
	flags := 0
	if on['l'] {
		flags |= unix.MNT_DETACH
	}
	if on['f'] {
		flags |= unix.MNT_FORCE
	}
	return c.forAll(rest, func(n string) error {
		if err := unix.Unmount(n, flags); err != nil {
			return &os.PathError{Op: "umount", Path: n, Err: err}
		}
		return nil
	})
}
