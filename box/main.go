// Command box is the whole userland of berth's embedded image: a shell and core
// utilities in one static program that looks at the name it was called by.
//
// The shell is mvdan.cc/sh, several utilities come from u-root, the rest is here:
// small, with the flags that scripts and lessons use, and errors on stderr with a
// non-zero status for everything else.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// applet runs one utility. args excludes its name; the result is the exit code.
type applet func(c *call, args []string) int

// call is one run of an applet. out is flushed when the applet returns.
type call struct {
	name string
	in   io.Reader
	out  *bufio.Writer
	err  io.Writer
}

func main() {
	name := filepath.Base(os.Args[0])
	args := os.Args[1:]
	if name == "box" || name == "box-host" {
		if len(args) == 0 || args[0] == "--list" {
			fmt.Println(strings.Join(slices.Sorted(maps.Keys(applets())), " "))
			return
		}
		name, args = args[0], args[1:]
	}
	os.Exit(run(strings.TrimPrefix(name, "-"), args))
}

func run(name string, args []string) int {
	// The commands that tests start by the thousand come before any table.
	switch name {
	case "true":
		return 0
	case "false":
		return 1
	case "sh":
		return shell(args)
	}
	a, ok := applets()[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "box: %s: applet not found\n", name)
		return 127
	}
	c := &call{name: name, in: os.Stdin, out: bufio.NewWriter(os.Stdout), err: os.Stderr}
	code := a(c, args)
	if err := c.out.Flush(); err != nil && code == 0 {
		return c.fail(err)
	}
	return code
}

// applets lists every utility but the shell's own.
func applets() map[string]applet {
	table := map[string]applet{
		"sh":   func(_ *call, args []string) int { return shell(args) },
		"true": func(*call, []string) int { return 0 }, "false": func(*call, []string) int { return 1 },
	}
	for _, part := range []map[string]applet{textApplets(), fileApplets(), diskApplets(), systemApplets(), processApplets(), networkApplets(), borrowedApplets()} {
		maps.Copy(table, part)
	}
	return table
}

// fail prints an error the way every utility does and returns 1.
func (c *call) fail(err error) int {
	c.out.Flush()
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	fmt.Fprintf(c.err, "%s: %v\n", c.name, err)
	return 1
}

func (c *call) usage(text string) int {
	fmt.Fprintf(c.err, "usage: %s %s\n", c.name, text)
	return 2
}

// flags splits leading options off args: letters in boolean are switches, those
// in valued take the rest of the word or the next one. There are no long
// options.
func (c *call) flags(args []string, boolean, valued string) (on map[byte]bool, values map[byte]string, rest []string, err error) {
	on, values = map[byte]bool{}, map[byte]string{}
	for len(args) > 0 {
		a := args[0]
		if a == "--" {
			return on, values, args[1:], nil
		}
		if len(a) < 2 || a[0] != '-' {
			break
		}
		args = args[1:]
		for i := 1; i < len(a); i++ {
			switch {
			case strings.IndexByte(boolean, a[i]) >= 0:
				on[a[i]] = true
				continue
			case strings.IndexByte(valued, a[i]) >= 0:
				v := a[i+1:]
				if v == "" {
					if len(args) == 0 {
						return nil, nil, nil, fmt.Errorf("option -%c needs a value", a[i])
					}
					v, args = args[0], args[1:]
				}
				values[a[i]] = v
			default:
				return nil, nil, nil, fmt.Errorf("unknown option %q", a)
			}
			break
		}
	}
	return on, values, args, nil
}

// each calls f with every named file, or with standard input when there is none.
func (c *call) each(names []string, f func(name string, r io.Reader) error) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	code := 0
	for _, name := range names {
		if err := c.one(name, f); err != nil {
			code = c.fail(err)
		}
	}
	return code
}

func (c *call) one(name string, f func(string, io.Reader) error) error {
	if name == "-" {
		return f(name, c.in)
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return f(name, file)
}
