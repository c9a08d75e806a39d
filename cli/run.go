package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"berth/cli/option"
	"berth/cli/status"
	"berth/container"
	"berth/nsenter"
	"berth/teach"
)

// runFlags say how the caller stays with the container.
type runFlags struct {
	detach, sigProxy bool
	attach           []string
	detachKeys       string
	trace            string
	preserve         int
}

func (f *runFlags) options() []*option.Option {
	f.sigProxy = true
	trace := option.Parsed(&f.trace, parseTrace, "trace", "text|json", "Print each step of the start with its result and time to STDERR")
	trace.Implied = "text"
	return []*option.Option{
		option.Switch(&f.detach, "d,detach", "Run container in background and print container ID"),
		option.Switch(&f.sigProxy, "sig-proxy", "Proxy received signals to the process (default true)"),
		option.ParsedList(&f.attach, parseStream, "a,attach", "list", "Attach to STDIN, STDOUT or STDERR"),
		option.Text(&f.detachKeys, "detach-keys", "string", "Override the key sequence for detaching a container"),
		option.Parsed(&f.preserve, parsePreserveFds, "preserve-fds", "N", "Pass N additional file descriptors, from 3 on, to the container"),
		trace,
	}
}

func parseTrace(s string) (string, error) {
	if s != "text" && s != "json" {
		return "", fmt.Errorf("must be \"text\" or \"json\"")
	}
	return s, nil
}

func parseStream(s string) (string, error) {
	name := strings.ToLower(s)
	if name != "stdin" && name != "stdout" && name != "stderr" {
		return "", fmt.Errorf("valid streams are STDIN, STDOUT and STDERR")
	}
	return name, nil
}

func runCommand() *command {
	return &command{
		name: "run", category: categoryContainers, group: "container", groupNames: []string{"run"},
		args: "[OPTIONS] IMAGE [COMMAND] [ARG...]", short: "Create and run a new container from an image",
		about: `Run makes a container and starts it. In the foreground, which is the default, it stays until the program ends, passes signals on, and exits with the program's status.

The status is 125 when the container could not be started, 126 when its program is not executable, 127 when it was not found, 128+n when signal n ended it, and otherwise the program's own.

With -d a small monitor process keeps the container's output and waits for its end; run prints the container's ID and returns. With -it the monitor is there as well, so that ctrl-p ctrl-q leaves the container running.

--userns gives the container user and group ids of its own: its root is nobody on the host, while the files of its image, and what it writes, keep the ids that they have for it. "private" and "auto" find 65536 ids (auto:size=N: N) that no running container has, in the ranges that /etc/subuid and /etc/subgid give to "berth" or to "containers", or else from 1879048192 to 2147352575. "START:SIZE" are these very ids. The files of a bind mount keep the host's ids, unless it has the option idmap (-v DIR:DIR:idmap).

Folders that the image declares as volumes are plain folders of the container.`,
		min: 1, max: unlimited, starts: true,
		operands: []operand{anyImage, anyFile},
		examples: []example{
			{"Run one program, with nothing left behind.", "berth run --rm box echo hello"},
			{"A shell on a terminal.", "berth run --rm -it box"},
			{"A service in the background, with limits.", "berth run -d --name web -m 256m --cpus 1.5 --pids-limit 200 web:1"},
			{"A confined job on a folder of the host.", "berth run --rm --read-only --tmpfs /tmp -u 1000 --cap-drop all --security-opt no-new-privileges -v /srv/data:/data:ro box ls /data"},
			{"See each step of the start, with times.", "berth run --rm --trace box true"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var c creation
			var f runFlags
			options := append(c.options(), f.options()...)
			return sortOptions(options), func(ctx context.Context, args []string) error {
				return began(s.runContainer(ctx, &c, &f, args))
			}
		},
	}
}

// checkStreams refuses what cannot be attached to.
func (s *session) checkStreams(f *runFlags, terminal bool) error {
	if f.detach && len(f.attach) > 0 {
		return &status.Error{Code: exitFailed, Err: &clientError{err: verbatim("conflicting options: cannot specify both --attach and --detach"), bare: true}}
	}
	if !f.detach && terminal && !isTerminal(s.stdio.In) {
		return &status.Error{Code: exitFailed, Err: &clientError{err: verbatim("the input device is not a TTY"), bare: true}}
	}
	return checkDetachKeys(f.detachKeys)
}

func (s *session) runContainer(ctx context.Context, c *creation, f *runFlags, args []string) error {
	stdin := c.process.interactive || slices.Contains(f.attach, "stdin")
	if err := s.checkStreams(f, stdin && c.process.tty); err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	d, err := c.draft(ctx, s, b, args)
	if err != nil {
		return err
	}
	d.OpenStdin = stdin
	if err := s.lend(b, f); err != nil {
		return err
	}
	undo, err := writeCidFile(c.identity.cidFile, d.ID)
	if err != nil {
		return err
	}
	code, err := s.start(ctx, b, d, f)
	if err != nil {
		// The file must not name a container that never came to be.
		if _, missing := b.Resolve(d.ID); missing != nil {
			undo()
		}
		return err
	}
	return status.Exit(code)
}

// lend gives the start what it takes of the caller's: descriptors, and the stderr
// to trace to.
func (s *session) lend(b *backend, f *runFlags) error {
	if f.preserve > 0 {
		if err := b.preserve(f.preserve); err != nil {
			return err
		}
	}
	if f.trace != "" {
		b.trace(s.traceIn(f.trace), f.trace)
	}
	return nil
}

// start runs a drafted container in the way that the flags ask for.
func (s *session) start(ctx context.Context, b *backend, d *draft, f *runFlags) (int, error) {
	if err := d.clear(ctx, b); err != nil {
		return 0, err
	}
	// In the foreground this process supervises. A terminal may be detached from,
	// and signals may be kept to oneself: then the monitor does.
	// And only a monitor starts a container again.
	if !f.detach && !d.Spec.Process.Terminal && f.sigProxy && d.Restart.None() {
		exit, err := b.Run(ctx, d.Config, s.streams(d, f))
		return exitCode(exit), err
	}
	if err := b.Create(ctx, d.Config); err != nil {
		return 0, err
	}
	var code int
	var err error
	if f.detach {
		err = b.Start(ctx, d.ID)
	} else {
		var left bool
		code, left, err = b.StartAttached(ctx, d.ID, container.AttachOptions{
			DetachKeys: s.detachKeys(f.detachKeys), NoStdin: !d.OpenStdin, NoSigProxy: !f.sigProxy,
		}, s.streams(d, f))
		if err == nil {
			b.settled(ctx, d.ID, left)
		}
	}
	var failed *container.StartError
	if errors.As(err, &failed) && d.AutoRemove {
		return 0, errors.Join(err, ignoreMissing(b.Remove(ctx, d.ID, true)))
	}
	if err == nil && f.detach {
		_, err = fmt.Fprintln(s.out, d.ID)
	}
	return code, err
}

// streams are the caller's streams that the container gets.
func (s *session) streams(d *draft, f *runFlags) container.Stdio {
	io := s.stdio
	if !d.OpenStdin {
		io.In = nil
	}
	if len(f.attach) > 0 {
		if !slices.Contains(f.attach, "stdout") {
			io.Out = nil
		}
		if !slices.Contains(f.attach, "stderr") {
			io.Err = nil
		}
	}
	return io
}

// traceIn returns what prints the steps to stderr as soon as the payload runs.
func (s *session) traceIn(format string) func(*nsenter.Plan, []nsenter.Result) {
	return func(p *nsenter.Plan, results []nsenter.Result) {
		// What cannot be printed must not keep the container from running.
		if format == "json" {
			_ = teach.TraceJSON(s.err, p, results, teach.Options{})
			return
		}
		_ = teach.Trace(s.err, p, results, s.listingOptions(s.stdio.Err))
	}
}

// listingOptions fit a plan to where it is printed.
func (s *session) listingOptions(out *os.File) teach.Options {
	o := teach.Options{Headings: true}
	if isTerminal(out) {
		if width, _, err := term.GetSize(int(out.Fd())); err == nil {
			o.Width = width
		}
	}
	return o
}

// exitCode reads an exit record; an unknown code is a failure.
func exitCode(e container.Exit) int {
	if e.Code == nil {
		return exitFailed
	}
	return *e.Code
}

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// ignoreMissing drops the error of removing what is gone already.
func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
