package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"berth/bundle"
	"berth/cli/option"
	"berth/container"
	"berth/image"
	"berth/nsenter"
	"berth/state"
)

// Process is the world that a command line runs in.
type Process struct {
	// Args is the command line with the program's name.
	Args []string
	// LookupEnv reads the environment.
	LookupEnv func(string) (string, bool)
	Stdio     container.Stdio
	// Version is what --version prints behind "berth version".
	Version string
}

// words are the texts in which the personalities differ (CLI contract,
// section 5).
type words struct{ usage, failure, starting string }

// session is one run of the program.
type session struct {
	program string
	words   words
	// group is "container " while a long form runs.
	group   string
	version string
	stdio   container.Stdio
	// out and err are stdio's Out and Err for text.
	out, err io.Writer
	env      func(string) (string, bool)
	// open gives access to containers and images. Commands that need neither
	// never call it.
	open func() (*backend, error)
}

// Main runs a command line and returns the exit status. It reports errors itself
// and never ends the process.
func Main(ctx context.Context, p Process) int {
	s := newSession(p)
	c, err := s.run(ctx, p.Args[1:])
	s.report(c, err)
	return statusOf(err)
}

func newSession(p Process) *session {
	s := &session{
		program: "berth", words: words{usage: "Error: ", failure: "Error: "},
		version: p.Version, stdio: p.Stdio, out: p.Stdio.Out, err: p.Stdio.Err, env: p.LookupEnv,
	}
	if len(p.Args) > 0 && filepath.Base(p.Args[0]) == "docker" && s.getenv("BERTH_MODE") == "" {
		s.program = "docker"
		s.words = words{failure: "Error response from daemon: ", starting: "docker: "}
	}
	s.open = func() (*backend, error) { return openBackend(s.getenv, p.Stdio.Err) }
	return s
}

func (s *session) getenv(key string) string {
	v, _ := s.env(key)
	return v
}

// bundlePlans plans containers as the other command line makes them.
func bundlePlans(dirs state.Dirs, getenv func(string) string) *bundle.Runtime {
	return &bundle.Runtime{Dir: dirs.OCI(), Dirs: dirs, Getenv: getenv, Warn: func(string, ...any) {}}
}

// openBackend opens the state below BERTH_ROOT and BERTH_RUNROOT.
func openBackend(getenv func(string) string, stderr *os.File) (*backend, error) {
	dirs, err := state.DirsFromEnv(getenv)
	if err != nil {
		return nil, err
	}
	engine := container.New(dirs)
	return &backend{
		lookup: engine, lifecycle: engine, sessions: engine, planner: engine, bundles: bundlePlans(dirs, getenv), images: image.Open(dirs), dirs: dirs,
		trace: func(to func(*nsenter.Plan, []nsenter.Result), format string) {
			engine.Trace, engine.MonitorEnv, engine.MonitorStderr = to, []string{traceEnv + "=" + format}, stderr
		},
	}, nil
}

// run finds the command and gives it to urfave. The command is returned for the
// report of the error.
func (s *session) run(ctx context.Context, args []string) (*command, error) {
	var help, version bool
	root := []*option.Option{
		option.Switch(&help, "h,help", "Print usage"),
		option.Switch(&version, "v,version", "Print version information and quit"),
	}
	flags, words, err := option.Arrange(root, args, false, readFlag)
	if err != nil {
		return nil, &usageError{text: err.Error(), path: s.program, usage: s.program + " [OPTIONS] COMMAND", code: exitBerth}
	}
	if len(words) > 0 && words[0] == "help" {
		words, flags = words[1:], append(flags, "--help=true")
	}
	if len(words) == 0 || slices.Contains(flags, "--version=true") {
		return nil, s.bare(ctx, root, flags)
	}
	if slices.Contains(flags, "--help=true") {
		words = append(slices.Clone(words), "--help")
	}
	return s.dispatch(ctx, words)
}

// bare handles a command line without a command.
func (s *session) bare(ctx context.Context, root []*option.Option, flags []string) error {
	version := slices.Contains(flags, "--version=true")
	app := s.app()
	if !version {
		app = s.app(outline(commands())...)
	}
	app.Flags = option.Flags(root)
	app.Action = func(c *urfave.Context) error {
		if !version {
			return urfave.ShowAppHelp(c)
		}
		_, err := fmt.Fprintln(s.out, s.versionLine())
		return err
	}
	return app.RunContext(ctx, append([]string{s.program}, flags...))
}

// dispatch runs the command that words begin with.
func (s *session) dispatch(ctx context.Context, words []string) (*command, error) {
	if words[0] == "oci" && s.program != "docker" {
		return nil, s.bundles(ctx, words[1:])
	}
	c, rest, err := s.find(words)
	if c == nil {
		return nil, err
	}
	inv, err := s.invoke(c, rest)
	if err != nil {
		return c, err
	}
	argv := make([]string, 0, len(inv.flags)+len(inv.words)+3)
	argv = append(append(append(argv, s.program, c.name), inv.flags...), "--")
	return c, s.app(inv.urfave()).RunContext(ctx, append(argv, inv.words...))
}

// find looks a command up. Without a command and an error, a group's help has
// been printed.
func (s *session) find(words []string) (*command, []string, error) {
	all := commands()
	for _, c := range all {
		if c.name == words[0] && (c.name != "oci" || s.program != "docker") {
			return c, words[1:], nil
		}
	}
	for _, g := range groups() {
		if g.name != words[0] {
			continue
		}
		if len(words) == 1 || words[1] == "--help" || words[1] == "-h" {
			s.printGroup(g.name, g.usage)
			return nil, nil, nil
		}
		for _, c := range all {
			if c.group == g.name && slices.Contains(c.groupNames, words[1]) {
				long := *c
				long.name = words[1]
				s.group = g.name + " "
				return &long, words[2:], nil
			}
		}
		return nil, nil, s.unknown(s.program+" "+g.name, words[1])
	}
	return nil, nil, s.unknown(s.program, words[0])
}

func (s *session) unknown(path, word string) error {
	text := "unknown command: " + path + " " + word
	if meant := suggest(word); meant != "" && path == s.program {
		text += ". " + meant
	}
	return &usageError{text: text, path: path, code: exitFailed}
}
