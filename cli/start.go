package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"berth/cli/option"
	"berth/cli/status"
	"berth/container"
)

func startCommand() *command {
	return &command{
		name: "start", category: categoryContainers, group: "container", groupNames: []string{"start"},
		args: "[OPTIONS] CONTAINER [CONTAINER...]", short: "Start one or more stopped containers",
		about: "Start runs a container that was created or has ended. With -a it stays, and exits with the program's status.",
		min:   1, max: unlimited, mixed: true,
		operands: []operand{stoppedContainer},
		examples: []example{
			{"Start a container that has ended.", "berth start web"},
			{"Start one, stay with it, and exit as it does.", "berth start -a -i job"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var attach, interactive bool
			var keys string
			return []*option.Option{
					option.Switch(&attach, "a,attach", "Attach STDOUT/STDERR and forward signals"),
					option.Text(&keys, "detach-keys", "string", "Override the key sequence for detaching a container"),
					option.Switch(&interactive, "i,interactive", "Attach container's STDIN"),
				}, func(ctx context.Context, args []string) error {
					if attach || interactive {
						return s.startAttached(ctx, args, container.AttachOptions{DetachKeys: keys, NoStdin: !interactive})
					}
					return s.startAll(ctx, args)
				}
		},
	}
}

// startAll starts each container. Called as docker, it closes with those that
// failed.
func (s *session) startAll(ctx context.Context, refs []string) error {
	var failed []string
	err := s.onEach(func(b *backend, ref string) error {
		err := startFailed(b.Start(ctx, ref))
		if err != nil {
			failed = append(failed, ref)
		}
		return err
	})(refs)
	if len(failed) > 0 && s.program == "docker" {
		fmt.Fprintf(s.err, "Error: failed to start containers: %s\n", strings.Join(failed, ", "))
	}
	return err
}

// startFailed gives a failed start the status 1, whatever it is for run.
func startFailed(err error) error {
	var failed *container.StartError
	if errors.As(err, &failed) {
		return &status.Error{Code: exitFailed, Err: err}
	}
	return err
}

func (s *session) startAttached(ctx context.Context, refs []string, o container.AttachOptions) error {
	if len(refs) > 1 {
		return clientFault(verbatim("you cannot start and attach multiple containers at once"))
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	id, err := b.Resolve(refs[0])
	if err != nil {
		return err
	}
	if err := checkDetachKeys(o.DetachKeys); err != nil {
		return err
	}
	o.DetachKeys = s.detachKeys(o.DetachKeys)
	code, left, err := b.StartAttached(ctx, id, o, s.stdio)
	if err != nil {
		return startFailed(err)
	}
	b.settled(ctx, id, left)
	return status.Exit(code)
}
