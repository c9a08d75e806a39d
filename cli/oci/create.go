package oci

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"berth/bundle"
	"berth/cli/option"
	"berth/cli/status"
)

func createCommand() *command {
	return &command{
		name: "create", args: "[OPTIONS] " + idArg, short: "Make a container from a bundle, without starting its program",
		about: `Create reads config.json in the bundle and makes everything the container needs. Its first process then waits, inside the container, for start's word; until then it runs nothing of the bundle's.

The program of the configuration is looked up already: one that is missing or cannot be executed is an error of create.`,
		min: 1, max: 1,
		build: func(s *session) ([]*option.Option, action) {
			o := bundle.CreateOptions{Bundle: ".", Stdio: s.stdio}
			var subreaper bool
			options := append(creationOptions(&o), ignored(switchOption(&subreaper, "no-subreaper", "")))
			return options, s.with(func(ctx context.Context, b backend, id string) error {
				return s.failed("create", absolute(&o, func() error { return b.Create(ctx, id, o) }))
			})
		},
	}
}

func runCommand() *command {
	return &command{
		name: "run", args: "[OPTIONS] " + idArg, short: "Make a container from a bundle and run its program",
		about: `Run does what create, start and, after the program has ended, delete do. It passes signals on to the program and ends with its status; 128+n tells that signal n ended it.`,
		min:   1, max: 1,
		build: func(s *session) ([]*option.Option, action) {
			o := bundle.RunOptions{CreateOptions: bundle.CreateOptions{Bundle: ".", Stdio: s.stdio}}
			options := append(creationOptions(&o.CreateOptions),
				switchOption(&o.Detach, "detach,d", "Return once the program runs, and leave it running"),
				switchOption(&o.Keep, "keep", "Keep the container's state after the program has ended"),
				switchOption(&o.NoSubreaper, "no-subreaper", "Do not adopt the processes that the container's leave behind"),
			)
			return options, s.with(func(ctx context.Context, b backend, id string) error {
				code := 0
				err := absolute(&o.CreateOptions, func() (err error) {
					code, err = b.Run(ctx, id, o)
					return err
				})
				if err != nil {
					return s.failed("run", err)
				}
				return status.Exit(code)
			})
		},
	}
}

// creationOptions are the flags that create and run share.
func creationOptions(o *bundle.CreateOptions) []*option.Option {
	return []*option.Option{
		option.Text(&o.Bundle, "bundle,b", "dir", "Folder with config.json (.)"),
		option.Text(&o.ConsoleSocket, "console-socket", "path", "Unix socket that receives the terminal's master"),
		option.Text(&o.PidfdSocket, "pidfd-socket", "path", "Unix socket that receives a pidfd of the container's first process"),
		option.Text(&o.PidFile, "pid-file", "path", "File that receives the pid of the container's first process"),
		switchOption(&o.NoPivot, "no-pivot", "Enter the root with chroot: for a root on the initial ramdisk, which cannot be pivoted from"),
		switchOption(&o.NoNewKeyring, "no-new-keyring", "Keep the caller's session keyring"),
		countOption(&o.PreserveFds, "preserve-fds", "n", "Pass on n descriptors, from 3 and behind those of LISTEN_FDS (0)"),
	}
}

// absolute makes the paths of o independent of the working folder, which the
// record of a container outlives, and goes on with do.
func absolute(o *bundle.CreateOptions, do func() error) error {
	for _, p := range []*string{&o.Bundle, &o.PidFile} {
		if *p == "" {
			continue
		}
		path, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("find %s: %w", *p, err)
		}
		*p = path
	}
	return do()
}

// failed puts the words in front of an error that callers of runc show.
func (s *session) failed(verb string, err error) error {
	if err == nil {
		return nil
	}
	text := fmt.Errorf("%s %s failed: %w", s.program, verb, err)
	if by := (*bundle.InterruptError)(nil); errors.As(err, &by) {
		return &status.Error{Code: 128 + int(by.Signal), Err: text}
	}
	return text
}
