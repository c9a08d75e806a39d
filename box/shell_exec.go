package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
)

// external runs commands that are not the interpreter's: those that concern the
// shell's own process, then programs.
func external(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		hc := interp.HandlerCtx(ctx)
		switch args[0] {
		case execWord:
			return replaceShell(hc, args[1:])
		case ownPrefix + "ulimit":
			return report(hc, ulimit(hc, args[1:]))
		case ownPrefix + "umask":
			return report(hc, umask(hc, args[1:]))
		case ownPrefix + "kill":
			c := &call{name: "kill", in: hc.Stdin, out: bufio.NewWriter(hc.Stdout), err: hc.Stderr}
			code := kill(c, args[1:])
			c.out.Flush()
			if code == 0 {
				return nil
			}
			return interp.ExitStatus(code)
		}
		if err := lookup(hc, args[0]); err != nil {
			return err
		}
		return next(ctx, args)
	}
}

// lookup says 127 for what is not there and 126 for what may not run.
func lookup(hc interp.HandlerContext, name string) error {
	_, err := interp.LookPathDir(hc.Dir, hc.Env, name)
	if err == nil {
		return nil
	}
	if strings.Contains(name, "/") {
		path := name
		if name[0] != '/' {
			path = hc.Dir + "/" + name
		}
		if fi, err := os.Stat(path); err == nil {
			why := "permission denied"
			if fi.IsDir() {
				why = "is a directory"
			}
			fmt.Fprintf(hc.Stderr, "sh: %s: %s\n", name, why)
			return interp.ExitStatus(126)
		}
	}
	fmt.Fprintf(hc.Stderr, "sh: %s: not found\n", name)
	return interp.ExitStatus(127)
}

func report(hc interp.HandlerContext, err error) error {
	if err == nil {
		return nil
	}
	fmt.Fprintf(hc.Stderr, "sh: %v\n", err)
	return interp.ExitStatus(1)
}

// replaceShell is exec: the same pid goes on as another program.
func replaceShell(hc interp.HandlerContext, args []string) error {
	if err := lookup(hc, args[0]); err != nil {
		os.Exit(status(err))
	}
	path, err := interp.LookPathDir(hc.Dir, hc.Env, args[0])
	if err == nil {
		err = os.Chdir(hc.Dir)
	}
	for fd, stream := range []any{hc.Stdin, hc.Stdout, hc.Stderr} {
		f, ok := stream.(*os.File)
		if err == nil && ok && int(f.Fd()) != fd {
			err = unix.Dup3(int(f.Fd()), fd, 0)
		}
	}
	if err == nil {
		var env []string
		for name, v := range hc.Env.Each {
			if v.Exported && v.Kind == expand.String {
				env = append(env, name+"="+v.Str)
			}
		}
		err = unix.Exec(path, args, env)
	}
	fmt.Fprintf(os.Stderr, "sh: %s: %v\n", args[0], err)
	os.Exit(126)
	return nil
}

func umask(hc interp.HandlerContext, args []string) error {
	if len(args) == 0 {
		old := unix.Umask(0)
		unix.Umask(old)
		fmt.Fprintf(hc.Stdout, "%04o\n", old)
		return nil
	}
	n, err := strconv.ParseUint(args[0], 8, 9)
	if err != nil {
		return fmt.Errorf("umask: bad mask %q", args[0])
	}
	unix.Umask(int(n))
	return nil
}

// traps are the actions for signals, which the interpreter does not have. An
// action runs at once, in a subshell that was made when the trap was set: the
// interpreter cannot be copied while it works. So it sees the shell's variables
// as they were then, its exit ends the shell, and what it assigns is lost.
type traps struct {
	runner  *interp.Runner
	actions map[os.Signal]trap
	signals chan os.Signal
	changes chan func()
}

// trap is one action, with the shell that it will run in.
type trap struct {
	action string
	shell  *interp.Runner
}

// watch starts delivering. Process 1 ignores what has no action, as the kernel
// does for programs without handlers; Go's runtime would exit.
func (t *traps) watch(interactive bool) {
	t.changes = make(chan func())
	if os.Getpid() == 1 || interactive {
		signal.Notify(t.signals, unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT)
	}
	go func() {
		for {
			select {
			case change := <-t.changes:
				change()
			case s := <-t.signals:
				if trap, ok := t.actions[s]; ok {
					trap.run()
				}
			}
		}
	}()
}

func (t trap) run() {
	sub := t.shell.Subshell()
	file, err := parse(t.action)
	if err != nil {
		fmt.Fprintf(os.Stderr, "sh: trap: %v\n", err)
		return
	}
	err = sub.Run(context.Background(), file)
	if sub.Exited() {
		os.Exit(status(err))
	}
}

// ownPrefix renames builtins that the interpreter claims and then refuses.
const ownPrefix = "__"

// call takes "trap ACTION SIGNAL…" out of the interpreter's hands and leaves it
// EXIT and ERR.
func (t *traps) call(_ context.Context, args []string) ([]string, error) {
	switch args[0] {
	case "kill", "ulimit", "umask":
		return append([]string{ownPrefix + args[0]}, args[1:]...), nil
	}
	if len(args) < 3 || args[0] != "trap" || strings.HasPrefix(args[1], "-") && args[1] != "-" {
		return args, nil
	}
	action := args[1]
	var left []string
	var bad error
	shell := t.runner.Subshell()
	done := make(chan struct{})
	t.changes <- func() {
		defer close(done)
		for _, name := range args[2:] {
			if name == "EXIT" || name == "0" || name == "ERR" {
				left = append(left, strings.Replace(name, "0", "EXIT", 1))
				continue
			}
			sig, err := parseSignal(name)
			if err != nil {
				bad = errors.Join(bad, err)
				continue
			}
			t.set(os.Signal(sig), trap{action, shell})
		}
	}
	<-done
	switch {
	case bad != nil:
		fmt.Fprintf(os.Stderr, "sh: trap: %v\n", bad)
		return []string{"false"}, nil
	case len(left) > 0:
		return append([]string{"trap", action}, left...), nil
	}
	return []string{"true"}, nil
}

func (t *traps) set(sig os.Signal, to trap) {
	switch to.action {
	case "-":
		delete(t.actions, sig)
		if os.Getpid() != 1 {
			signal.Reset(sig)
		}
	case "":
		delete(t.actions, sig)
		signal.Ignore(sig)
	default:
		t.actions[sig] = to
		signal.Notify(t.signals, sig)
	}
}
