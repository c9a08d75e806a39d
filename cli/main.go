package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

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
// section 5): what stands in front of a flag that cannot be read, of another
// misuse, of a failure, and of a failure of run and create.
type words struct{ flag, misuse, failure, starting string }

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
	// tick is how often a live picture is drawn.
	tick time.Duration
	// open gives access to containers and images. Commands that need neither
	// never call it.
	open func() (*backend, error)
	// connect makes what asks registries, ref's above all.
	connect func(f registryFlags, ref image.Reference) registryClient
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
		program: "berth", words: words{flag: "Error: ", misuse: "Error: ", failure: "Error: "},
		version: p.Version, stdio: p.Stdio, out: p.Stdio.Out, err: p.Stdio.Err, env: p.LookupEnv, tick: time.Second,
	}
	if len(p.Args) > 0 && filepath.Base(p.Args[0]) == "docker" && s.getenv("BERTH_MODE") == "" {
		s.program = "docker"
		s.words = words{misuse: "docker: ", failure: "Error response from daemon: ", starting: "docker: "}
	}
	s.open = func() (*backend, error) { return openBackend(s.getenv, p.Stdio.Err) }
	s.connect = s.registryClient
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
	if err := checkOpenFiles(); err != nil {
		return nil, err
	}
	dirs, err := state.DirsFromEnv(getenv)
	if err != nil {
		return nil, err
	}
	engine := container.New(dirs)
	return &backend{
		lookup: engine, lifecycle: engine, sessions: engine, planner: engine, observer: engine, checkup: engine, files: engine,
		bundles: bundlePlans(dirs, getenv), images: toldImages{image.Open(dirs), engine.Events()}, events: engine.Events(), dirs: dirs,
		preserve: func(count int) (err error) {
			engine.Files, err = preservedFds(count)
			return err
		},
		trace: func(to func(*nsenter.Plan, []nsenter.Result), format string) {
			engine.Trace, engine.MonitorEnv, engine.MonitorStderr = to, []string{traceEnv + "=" + format}, stderr
		},
	}, nil
}

// run finds the command and gives it to urfave. The command is returned for the
// report of the error.
func (s *session) run(ctx context.Context, args []string) (*command, error) {
	var g globals
	root := g.options()
	flags, words, err := option.Arrange(root, args, false, readFlag)
	if err == nil {
		err = option.Assign(root, flags)
	}
	if err != nil {
		return nil, misuse(exitBerth, err, root, s.program, s.program+" [OPTIONS] COMMAND [ARG...]")
	}
	if err := s.apply(&g); err != nil {
		return nil, err
	}
	if len(words) > 0 && words[0] == "help" {
		words, g.help = words[1:], true
	}
	switch {
	case g.version:
		_, err := fmt.Fprintln(s.out, s.versionLine())
		return nil, err
	case len(words) == 0 && g.help:
		return nil, s.overview(s.out, root)
	case len(words) == 0:
		return nil, s.overview(s.err, root)
	case g.help:
		words = append(slices.Clone(words), "--help")
	}
	c, err := s.dispatch(ctx, words)
	var misuse *usageError
	if g.help && s.program == "docker" && errors.As(err, &misuse) {
		misuse.topic = words[0]
	}
	return c, err
}

// dispatch runs the command that words begin with.
func (s *session) dispatch(ctx context.Context, words []string) (*command, error) {
	if words[0] == "oci" && s.program != "docker" {
		return nil, s.bundles(ctx, words[1:])
	}
	if words[0] == completeCommand {
		return nil, s.complete(ctx, words[1:])
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
	return c, s.app(inv.urfave(s)).RunContext(ctx, append(argv, inv.words...))
}

// find looks a command up. Without a command and an error, a group's help has
// been printed.
func (s *session) find(words []string) (*command, []string, error) {
	all := commands()
	for _, c := range all {
		if c.name == words[0] && !c.longOnly() && (c.name != "oci" || s.program != "docker") {
			return c, words[1:], nil
		}
	}
	for _, g := range groups(all) {
		if g.name == words[0] {
			return s.findMember(g, all, words[1:])
		}
	}
	if err := s.refused(words); err != nil {
		return nil, nil, err
	}
	return nil, nil, s.unknown(all, words[0])
}

// findMember looks a command up by its long form.
func (s *session) findMember(g group, all []*command, words []string) (*command, []string, error) {
	var help bool
	options := []*option.Option{helpOption(&help, nil)}
	flags, words, err := option.Arrange(options, words, false, readFlag)
	if err == nil {
		err = option.Assign(options, flags)
	}
	path := s.program + " " + g.name
	if err != nil {
		return nil, nil, misuse(exitBerth, err, options, path, s.groupUsage(g))
	}
	switch {
	case help:
		return nil, nil, s.printGroup(s.out, g, all)
	case len(words) == 0:
		return nil, nil, s.printGroup(s.err, g, all)
	}
	var members []string
	for _, c := range all {
		if c.group != g.name {
			continue
		}
		if slices.Contains(c.groupNames, words[0]) {
			long := *c
			long.typed = words[0]
			s.group = g.name + " "
			return &long, words[1:], nil
		}
		members = append(members, c.groupNames...)
	}
	if err := s.refused(append([]string{g.name}, words...)); err != nil {
		return nil, nil, err
	}
	return nil, nil, &usageError{
		text: "unknown command: " + path + " " + words[0], path: path, usage: s.groupUsage(g), code: exitFailed,
		hint: didYouMean(words[0], path+" ", members),
	}
}

// refused is the answer to a command that docker has and berth has not.
func (s *session) refused(words []string) error {
	r, ok := absentCommand(words)
	if !ok {
		return nil
	}
	text := fmt.Sprintf("no command %q: %s", r.what, r.why)
	return &usageError{text: text, path: s.program, code: exitFailed, hint: r.advice()}
}

// unknown refuses a word that is no command.
func (s *session) unknown(all []*command, word string) error {
	var names []string
	for _, c := range all {
		if !c.longOnly() && !c.hidden {
			names = append(names, c.name)
		}
	}
	for _, g := range groups(all) {
		names = append(names, g.name)
	}
	return &usageError{
		text: "unknown command: " + s.program + " " + word, path: s.program, code: exitFailed,
		hint: didYouMean(word, s.program+" ", names),
	}
}
