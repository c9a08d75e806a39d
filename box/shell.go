package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// defaultPath is searched when the environment has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// shellOptions is a parsed command line: sh [-OPTIONS] [-c COMMAND [NAME]] [SCRIPT] [ARGUMENT…].
type shellOptions struct {
	command     string
	hasCommand  bool
	interactive bool
	set         []string
	args        []string
}

func parseShell(args []string) (shellOptions, error) {
	var o shellOptions
	for len(args) > 0 && len(args[0]) > 1 && (args[0][0] == '-' || args[0][0] == '+') {
		a := args[0]
		args = args[1:]
		if a == "--" {
			break
		}
		if a == "-o" || a == "+o" {
			if len(args) == 0 {
				return o, fmt.Errorf("%s needs a value", a)
			}
			o.set = append(o.set, a, args[0])
			args = args[1:]
			continue
		}
		for _, letter := range a[1:] {
			switch letter {
			case 'c':
				o.hasCommand = true
			case 'i':
				o.interactive = true
			case 'l', 's':
			case 'a', 'e', 'f', 'n', 'u', 'x':
				o.set = append(o.set, a[:1]+string(letter))
			default:
				return o, fmt.Errorf("unknown option -%c", letter)
			}
		}
	}
	if o.hasCommand {
		if len(args) == 0 {
			return o, errors.New("-c needs a command")
		}
		o.command, args = args[0], args[1:]
		if len(args) > 0 {
			args = args[1:] // $0
		}
	}
	o.args = args
	return o, nil
}

// shell runs sh and returns its exit code.
func shell(args []string) int {
	o, err := parseShell(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "sh: %v\n", err)
		return 2
	}
	if os.Getenv("PATH") == "" {
		os.Setenv("PATH", defaultPath)
	}
	var script io.Reader = os.Stdin
	name := "sh"
	_, err = unix.IoctlGetTermios(0, unix.TCGETS)
	interactive := o.interactive || err == nil && !o.hasCommand && len(o.args) == 0
	params := o.args
	switch {
	case o.hasCommand:
		script = strings.NewReader(o.command)
	case len(o.args) > 0:
		f, err := os.Open(o.args[0])
		if err != nil {
			fmt.Fprintf(os.Stderr, "sh: %v\n", err)
			return 127
		}
		defer f.Close()
		script, name, params = f, o.args[0], o.args[1:]
	}
	t := &traps{actions: map[os.Signal]trap{}, signals: make(chan os.Signal, 16)}
	runner, err := interp.New(
		interp.StdIO(os.Stdin, os.Stdout, os.Stderr), interp.Interactive(interactive),
		interp.Params(append(append(o.set, "--"), params...)...),
		interp.CallHandler(t.call), interp.ExecHandlers(external),
	)
	if err != nil {
		fmt.Fprintf(os.Stderr, "sh: %v\n", err)
		return 2
	}
	t.runner = runner
	t.watch(interactive)
	if interactive {
		return converse(runner)
	}
	return runScript(runner, script, name)
}

// runScript runs a whole script. It is parsed first, so one with a mistake in its
// syntax does nothing.
func runScript(runner *interp.Runner, script io.Reader, name string) int {
	file, err := syntax.NewParser().Parse(script, name)
	if err != nil {
		fmt.Fprintf(os.Stderr, "sh: %v\n", err)
		return 2
	}
	replaceExec(file)
	return status(runner.Run(context.Background(), file))
}

func status(err error) int {
	var code interp.ExitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(os.Stderr, "sh: %v\n", err)
	return 1
}

// converse reads commands from a terminal until its end or exit.
func converse(runner *interp.Runner) int {
	code := 0
	prompt := func() {
		sign := "$"
		if os.Geteuid() == 0 {
			sign = "#"
		}
		fmt.Fprintf(os.Stderr, "%s %s ", runner.Dir, sign)
	}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, unix.SIGINT)
	go func() {
		for range interrupts {
			// The terminal has thrown the line away.
			fmt.Fprintln(os.Stderr)
			prompt()
		}
	}()
	runner.Reset()
	for {
		parser := syntax.NewParser()
		prompt()
		err := parser.Interactive(os.Stdin, func(stmts []*syntax.Stmt) bool {
			if parser.Incomplete() {
				fmt.Fprint(os.Stderr, "> ")
				return true
			}
			for _, s := range stmts {
				replaceExec(s)
				code = status(runner.Run(context.Background(), s))
				if runner.Exited() {
					return false
				}
			}
			prompt()
			return true
		})
		if err == nil {
			// The end of input, or exit.
			return code
		}
		fmt.Fprintf(os.Stderr, "sh: %v\n", err)
		code = 2
	}
}

// execWord stands for exec in statements where the shell's own process is meant.
// The interpreter's exec would keep the shell as a parent.
const execWord = "__exec"

// replaceExec renames exec where it runs in the shell's main process: not in a
// subshell, a pipe, a substitution, the background, or a function, which may be
// called from one of them.
func replaceExec(root syntax.Node) {
	syntax.Walk(root, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Subshell, *syntax.CmdSubst, *syntax.ProcSubst, *syntax.FuncDecl:
			return false
		case *syntax.Stmt:
			return !n.Background && !n.Coprocess
		case *syntax.BinaryCmd:
			return n.Op != syntax.Pipe && n.Op != syntax.PipeAll
		case *syntax.CallExpr:
			if len(n.Args) > 1 && n.Args[0].Lit() == "exec" {
				n.Args[0] = &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: execWord}}}
			}
		}
		return true
	})
}

func parse(text string) (*syntax.File, error) {
	return syntax.NewParser().Parse(strings.NewReader(text), "trap")
}
