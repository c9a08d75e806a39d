package oci

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	urfave "github.com/urfave/cli/v2"

	"berth/bundle"
	"berth/cli/option"
	"berth/container"
	"berth/state"
)

// Process is the world that a command line runs in.
type Process struct {
	// Args is the command line with the program's name.
	Args []string
	// LookupEnv reads the environment.
	LookupEnv func(string) (string, bool)
	Stdio     container.Stdio
	// Version is berth's.
	Version string
}

// session is one run of the program.
type session struct {
	// program is how messages call it, versionName how --version does.
	program, versionName string
	version              string
	args                 []string
	stdio                container.Stdio
	// out and err are stdio's Out and Err for text.
	out, err io.Writer
	env      func(string) (string, bool)
	log      *logger
	globals  globals
	// open gives access to containers; commands that need none never call it.
	open func() (backend, error)
}

// Main runs a command line that Claims accepted and returns the exit status. It
// reports errors itself and never ends the process.
func Main(ctx context.Context, p Process) int {
	s := newSession(p)
	err := s.run(ctx)
	s.report(err)
	return statusOf(err)
}

func newSession(p Process) *session {
	s := &session{
		version: p.Version, stdio: p.Stdio, out: p.Stdio.Out, err: p.Stdio.Err,
		env: p.LookupEnv, log: newLogger(p.Stdio.Err, time.Now),
	}
	s.program, s.versionName, s.args = personality(p.Args)
	s.open = s.openBundles
	return s
}

func (s *session) getenv(key string) string {
	v, _ := s.env(key)
	return v
}

// openBundles opens the containers below --root.
func (s *session) openBundles() (backend, error) {
	dirs, err := state.DirsFromEnv(s.getenv)
	if err != nil {
		return nil, err
	}
	root := dirs.OCI()
	if s.globals.root != "" {
		if root, err = filepath.Abs(s.globals.root); err != nil {
			return nil, fmt.Errorf("find root %s: %w", s.globals.root, err)
		}
	}
	return &bundle.Runtime{Dir: root, Systemd: s.globals.systemd, Dirs: dirs, Warn: s.log.warnf, Getenv: s.getenv}, nil
}

// run reads the global flags, finds the command and gives both to urfave.
func (s *session) run(ctx context.Context) error {
	options := s.globals.options()
	flags, words, err := option.Arrange(options, s.args, false, readFlag)
	if err != nil {
		return &usageError{text: err.Error(), help: func() { _ = s.printOverview(s.err) }}
	}
	app := s.app(options)
	argv := append([]string{s.program}, flags...)
	if len(words) == 0 || slices.Contains(flags, "--help=true") || slices.Contains(flags, "--version=true") {
		app.Action = func(*urfave.Context) error { return s.bare() }
		return app.RunContext(ctx, argv)
	}
	inv, err := s.invoke(words)
	// An error in the command's own words waits until the log is open.
	app.Before = func(*urfave.Context) error {
		if bad := s.globals.apply(s.log); bad != nil {
			return bad
		}
		return err
	}
	if err == nil {
		app.Commands = []*urfave.Command{inv.urfave(s)}
		argv = append(append(append(append(argv, inv.name), inv.flags...), "--"), inv.words...)
	}
	return app.RunContext(ctx, argv)
}

// bare handles a command line without a command.
func (s *session) bare() error {
	if s.globals.version {
		return s.printVersion()
	}
	return s.printOverview(s.out)
}
