package cli

import (
	"context"
	"errors"
	"time"

	"berth/cli/option"
	"berth/cli/status"
	"berth/container"
)

func attachCommand() *command {
	return &command{
		name: "attach", category: categoryContainers, group: "container", groupNames: []string{"attach"},
		args: "[OPTIONS] CONTAINER", short: "Attach local standard input, output, and error streams to a running container",
		about: "Attach joins the streams of a running container, passes signals on, and exits with the program's status. The detach keys, ctrl-p ctrl-q, leave it running; the status is 0 then.",
		min:   1, max: 1, mixed: true,
		operands: []operand{runningContainer},
		examples: []example{
			{"Join the terminal of a container, and leave it with ctrl-p ctrl-q.", "berth attach shell"},
			{"Watch what a container prints, without passing signals on.", "berth attach --no-stdin --sig-proxy=false web"},
		},
		build: func(s *session) ([]*option.Option, action) {
			o := container.AttachOptions{}
			proxy := true
			return []*option.Option{
					option.Text(&o.DetachKeys, "detach-keys", "string", "Override the key sequence for detaching a container"),
					option.Switch(&o.NoStdin, "no-stdin", "Do not attach STDIN"),
					option.Switch(&proxy, "sig-proxy", "Proxy all received signals to the process (default true)"),
				}, func(ctx context.Context, args []string) error {
					o.NoSigProxy = !proxy
					return s.attach(ctx, args[0], o)
				}
		},
	}
}

func (s *session) attach(ctx context.Context, ref string, o container.AttachOptions) error {
	b, err := s.open()
	if err != nil {
		return err
	}
	v, err := b.Get(ctx, ref)
	if err != nil {
		return err
	}
	switch {
	case v.Status == container.Restarting:
		return clientFault(verbatim("You cannot attach to a restarting container, wait until it is running"))
	case v.Status == container.Paused:
		return clientFault(verbatim("You cannot attach to a paused container, unpause it first"))
	case v.Status != container.Running:
		return clientFault(verbatim("You cannot attach to a stopped container, start it first"))
	case v.OpenStdin && v.Spec.Process.Terminal && !o.NoStdin && !isTerminal(s.stdio.In):
		return clientFault(errors.New("the input device is not a TTY"))
	}
	if err := checkDetachKeys(o.DetachKeys); err != nil {
		return err
	}
	o.DetachKeys = s.detachKeys(o.DetachKeys)
	code, left, err := b.Attach(ctx, v.ID, o, s.stdio)
	if err != nil {
		return err
	}
	b.settled(ctx, v.ID, left)
	return status.Exit(code)
}

// settled waits until the end of a container that was attached to is on record:
// a script that goes on with rm or start must not find it running. The status
// is known already, and with --rm the container may be gone, so that there is
// nothing to fail.
func (b *backend) settled(ctx context.Context, id string, left bool) {
	if left {
		return
	}
	v, err := b.Get(ctx, id)
	if err != nil || v.Restart.None() {
		_, _ = b.Wait(ctx, id)
		return
	}
	// With a restart policy, the run that ended may be another's by now.
	for end := time.Now().Add(time.Second); err == nil && v.Status == container.Running && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
		count := v.RestartCount()
		if v, err = b.Get(ctx, id); err == nil && v.RestartCount() != count {
			return
		}
	}
}
