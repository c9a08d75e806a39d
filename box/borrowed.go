package main

import (
	"errors"
	"flag"
	"os"
	"strings"

	"github.com/u-root/u-root/pkg/core"
	"github.com/u-root/u-root/pkg/core/base64"
	"github.com/u-root/u-root/pkg/core/cat"
	"github.com/u-root/u-root/pkg/core/chmod"
	"github.com/u-root/u-root/pkg/core/cp"
	"github.com/u-root/u-root/pkg/core/find"
	"github.com/u-root/u-root/pkg/core/gzip"
	"github.com/u-root/u-root/pkg/core/ls"
	"github.com/u-root/u-root/pkg/core/mktemp"
	"github.com/u-root/u-root/pkg/core/mv"
	"github.com/u-root/u-root/pkg/core/rm"
	"github.com/u-root/u-root/pkg/core/shasum"
	"github.com/u-root/u-root/pkg/core/tar"
	"github.com/u-root/u-root/pkg/core/touch"
	"github.com/u-root/u-root/pkg/core/xargs"
)

// borrowedApplets are u-root's.
func borrowedApplets() map[string]applet {
	return map[string]applet{
		"base64": borrow(base64.New), "cat": borrow(cat.New), "chmod": borrow(chmod.New), "cp": borrow(cp.New),
		"find": borrow(find.New), "mktemp": borrow(mktemp.New), "mv": borrow(mv.New),
		"rm": borrow(rm.New), "tar": borrow(tar.New), "touch": borrow(touch.New), "xargs": borrow(xargs.New),
		"gzip":   borrow(func() core.Command { return gzip.New("gzip") }),
		"gunzip": borrow(func() core.Command { return gzip.New("gunzip") }),
		"ls": func(c *call, args []string) int {
			return borrow(ls.New)(c, listFlags(args))
		},
		"sha256sum": func(c *call, args []string) int {
			return borrow(shasum.New)(c, append([]string{"-a", "256"}, args...))
		},
	}
}

func borrow(create func() core.Command) applet {
	return func(c *call, args []string) int {
		cmd := create()
		// Unbuffered: `cat` must pass on each line as it comes.
		cmd.SetIO(os.Stdin, os.Stdout, os.Stderr)
		err := cmd.Run(args...)
		if err == nil || errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return c.fail(err)
	}
}

// listFlags maps what u-root's ls does not know: -A to -a, and -1, which it does
// anyway.
func listFlags(args []string) []string {
	out := make([]string, 0, len(args))
	for i, a := range args {
		if a == "--" {
			return append(out, args[i+1:]...)
		}
		if len(a) > 1 && a[0] == '-' && a[1] != '-' {
			a = strings.ReplaceAll(strings.ReplaceAll(a, "1", ""), "A", "a")
			if a == "-" {
				continue
			}
		}
		out = append(out, a)
	}
	return out
}
