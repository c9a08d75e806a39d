package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func systemApplets() map[string]applet {
	return map[string]applet{
		"hostname": hostname, "uname": uname, "pwd": pwd, "date": date, "nproc": nproc, "id": id, "whoami": whoami,
		"env": env, "printenv": printenv, "printf": printf, "tty": tty, "clear": clearScreen, "stty": stty,
	}
}

func uname(c *call, args []string) int {
	on, _, _, err := c.flags(args, "asnrvmo", "")
	if err != nil {
		return c.fail(err)
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return c.fail(err)
	}
	if len(on) == 0 {
		on = map[byte]bool{'s': true}
	}
	var parts []string
	for _, f := range []struct {
		key   byte
		value string
	}{
		{'s', unix.ByteSliceToString(u.Sysname[:])}, {'n', unix.ByteSliceToString(u.Nodename[:])}, {'r', unix.ByteSliceToString(u.Release[:])},
		{'v', unix.ByteSliceToString(u.Version[:])}, {'m', unix.ByteSliceToString(u.Machine[:])}, {'o', "Linux"},
	} {
		if on['a'] || on[f.key] {
			parts = append(parts, f.value)
		}
	}
	fmt.Fprintln(c.out, strings.Join(parts, " "))
	return 0
}

func pwd(c *call, _ []string) int {
	dir, err := os.Getwd()
	if err != nil {
		return c.fail(err)
	}
	fmt.Fprintln(c.out, dir)
	return 0
}

func date(c *call, args []string) int {
	on, v, rest, err := c.flags(args, "u", "d")
	if err != nil {
		return c.fail(err)
	}
	now := time.Now()
	if at, ok := strings.CutPrefix(v['d'], "@"); ok {
		seconds, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return c.fail(fmt.Errorf("bad time %q", v['d']))
		}
		now = time.Unix(seconds, 0)
	}
	if on['u'] {
		now = now.UTC()
	}
	format := "%a %b %e %H:%M:%S %Z %Y"
	if len(rest) > 0 {
		format = strings.TrimPrefix(rest[0], "+")
	}
	fmt.Fprintln(c.out, strings.NewReplacer(
		"%%", "%", "%Y", now.Format("2006"), "%m", now.Format("01"), "%d", now.Format("02"), "%e", now.Format("_2"),
		"%H", now.Format("15"), "%M", now.Format("04"), "%S", now.Format("05"), "%a", now.Format("Mon"), "%b", now.Format("Jan"),
		"%Z", now.Format("MST"), "%z", now.Format("-0700"), "%s", strconv.FormatInt(now.Unix(), 10), "%N", fmt.Sprintf("%09d", now.Nanosecond()),
		"%F", now.Format("2006-01-02"), "%T", now.Format("15:04:05"), "%j", now.Format("002"),
	).Replace(format))
	return 0
}

func nproc(c *call, _ []string) int {
	fmt.Fprintln(c.out, runtime.NumCPU())
	return 0
}

func userName(id int) string {
	if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return u.Username
	}
	return strconv.Itoa(id)
}

func groupName(id int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(id)); err == nil {
		return g.Name
	}
	return strconv.Itoa(id)
}

func id(c *call, args []string) int {
	on, _, _, err := c.flags(args, "ugnrG", "")
	if err != nil {
		return c.fail(err)
	}
	groups, err := os.Getgroups()
	if err != nil {
		return c.fail(err)
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if on['r'] {
		uid, gid = os.Getuid(), os.Getgid()
	}
	if !slices.Contains(groups, gid) {
		groups = append([]int{gid}, groups...)
	}
	show := func(n int, name func(int) string) string {
		if on['n'] {
			return name(n)
		}
		return strconv.Itoa(n)
	}
	switch {
	case on['u']:
		fmt.Fprintln(c.out, show(uid, userName))
	case on['g']:
		fmt.Fprintln(c.out, show(gid, groupName))
	case on['G']:
		var all []string
		for _, g := range groups {
			all = append(all, show(g, groupName))
		}
		fmt.Fprintln(c.out, strings.Join(all, " "))
	default:
		var all []string
		for _, g := range groups {
			all = append(all, both(g, groupName))
		}
		fmt.Fprintf(c.out, "uid=%s gid=%s groups=%s\n", both(uid, userName), both(gid, groupName), strings.Join(all, ","))
	}
	return 0
}

// both is "0(root)", or the bare number of an id without a name.
func both(n int, name func(int) string) string {
	if s := name(n); s != strconv.Itoa(n) {
		return fmt.Sprintf("%d(%s)", n, s)
	}
	return strconv.Itoa(n)
}

func whoami(c *call, _ []string) int {
	fmt.Fprintln(c.out, userName(os.Geteuid()))
	return 0
}

func env(c *call, args []string) int {
	on, v, rest, err := c.flags(args, "i", "u")
	if err != nil {
		return c.fail(err)
	}
	if on['i'] {
		os.Clearenv()
	}
	if v['u'] != "" {
		os.Unsetenv(v['u'])
	}
	for len(rest) > 0 {
		k, value, ok := strings.Cut(rest[0], "=")
		if !ok {
			break
		}
		if err := os.Setenv(k, value); err != nil {
			return c.fail(err)
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return c.replace(rest)
	}
	for _, e := range os.Environ() {
		fmt.Fprintln(c.out, e)
	}
	return 0
}

func printenv(c *call, args []string) int {
	if len(args) == 0 {
		return env(c, nil)
	}
	code := 0
	for _, a := range args {
		v, ok := os.LookupEnv(a)
		if !ok {
			code = 1
			continue
		}
		fmt.Fprintln(c.out, v)
	}
	return code
}

// printf repeats its format until the arguments are used up.
func printf(c *call, args []string) int {
	if len(args) == 0 {
		return c.usage("FORMAT [ARGUMENT…]")
	}
	format, rest := args[0], args[1:]
	for {
		left, err := printfOnce(c.out, format, rest)
		if err != nil {
			return c.fail(err)
		}
		if len(left) == 0 || len(left) == len(rest) {
			return 0
		}
		rest = left
	}
}

func printfOnce(w io.Writer, format string, args []string) ([]string, error) {
	format = unescape(format)
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			fmt.Fprint(w, format[i:i+1])
			continue
		}
		end := i + 1
		for end < len(format) && strings.IndexByte("0123456789.-+ #", format[end]) >= 0 {
			end++
		}
		if end == len(format) {
			return nil, errors.New("format ends in %")
		}
		verb, spec := format[end], format[i:end]
		i = end
		if verb == '%' {
			fmt.Fprint(w, "%")
			continue
		}
		arg := ""
		if len(args) > 0 {
			arg, args = args[0], args[1:]
		}
		switch verb {
		case 's':
			fmt.Fprintf(w, spec+"s", arg)
		case 'b':
			fmt.Fprintf(w, spec+"s", unescape(arg))
		case 'c':
			fmt.Fprint(w, arg[:min(1, len(arg))])
		case 'd', 'i', 'u', 'x', 'X', 'o':
			n, err := strconv.ParseInt(arg, 0, 64)
			if err != nil && arg != "" {
				return nil, fmt.Errorf("%q is not a number", arg)
			}
			fmt.Fprintf(w, spec+strings.NewReplacer("i", "d", "u", "d").Replace(string(verb)), n)
		default:
			return nil, fmt.Errorf("unknown format %%%c", verb)
		}
	}
	return args, nil
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if at := strings.IndexByte("ntrabfv\\\"", s[i]); at >= 0 {
			b.WriteByte("\n\t\r\a\b\f\v\\\""[at])
			continue
		}
		end := i
		for end < len(s) && end < i+3 && s[end] >= '0' && s[end] <= '7' {
			end++
		}
		if n, err := strconv.ParseUint(s[i:end], 8, 16); err == nil {
			b.WriteByte(byte(n))
			i = end - 1
			continue
		}
		b.WriteString(s[i-1 : i+1])
	}
	return b.String()
}

func tty(c *call, _ []string) int {
	name, err := os.Readlink("/proc/self/fd/0")
	if _, e := unix.IoctlGetTermios(0, unix.TCGETS); err != nil || e != nil {
		fmt.Fprintln(c.out, "not a tty")
		return 1
	}
	fmt.Fprintln(c.out, name)
	return 0
}

func clearScreen(c *call, _ []string) int {
	fmt.Fprint(c.out, "\x1b[H\x1b[2J")
	return 0
}

// stty knows "size", which tests of terminals ask for.
func stty(c *call, args []string) int {
	if len(args) != 1 || args[0] != "size" {
		return c.usage("size")
	}
	ws, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		return c.fail(fmt.Errorf("standard input: %w", err))
	}
	fmt.Fprintln(c.out, ws.Row, ws.Col)
	return 0
}
