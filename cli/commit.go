package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"berth/cli/option"
	"berth/container"
	"berth/image"
)

// commitFlags are the flags of commit.
type commitFlags struct {
	author, message string
	changes         []string
	pause           bool
}

func commitCommand() *command {
	return &command{
		name: "commit", category: categoryContainers, group: "container", groupNames: []string{"commit"},
		args: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]", short: "Create a new image from a container's changes",
		about: "Commit makes an image of the container's image and one more layer, with what the container has changed. The image starts as the container does: its command, environment, labels, ports, user and working directory; -c changes that. What is in volumes is not part of it. The container is paused while its files are read.",
		examples: []example{
			{"Keep what was installed by hand.", "berth commit -m 'with curl' work work:curl"},
			{"Give the image another command.", "berth commit -c 'CMD [\"nginx\", \"-g\", \"daemon off;\"]' web web:2"},
		},
		min: 1, max: 2, mixed: true,
		build: func(s *session) ([]*option.Option, action) {
			f := commitFlags{pause: true}
			return []*option.Option{
				option.Text(&f.author, "a,author", "string", `Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")`),
				option.List(&f.changes, "c,change", "list", "Apply Dockerfile instruction to the created image"),
				option.Text(&f.message, "m,message", "string", "Commit message"),
				option.Switch(&f.pause, "p,pause", "Pause container during commit (default true)"),
			}, func(ctx context.Context, args []string) error { return s.commit(ctx, args, f) }
		},
	}
}

func (s *session) commit(ctx context.Context, args []string, f commitFlags) error {
	o := image.CommitOptions{Author: f.author, Message: f.message, Changes: f.changes}
	if len(args) == 2 {
		ref, err := image.ParseReference(args[1])
		if err != nil {
			return clientFault(err)
		}
		o.Ref = ref.String()
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	v, err := b.Get(ctx, args[0])
	if err != nil {
		return err
	}
	o.Parent, o.CreatedBy = image.Digest(v.Image.ID), strings.Join(v.Spec.Process.Args, " ")
	if parent, err := b.images.Resolve(v.Image.ID); err == nil {
		o.Config = committed(v.Config, parent.Config)
	} else if v.Image.ID != "" {
		return err
	}
	// A container that is paused for this must not stay so.
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	img, err := s.commitLayer(ctx, b, v.ID, f.pause, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, img.ID)
	return err
}

// commitLayer passes the container's layer on to the images.
func (s *session) commitLayer(ctx context.Context, b *backend, id string, pause bool, o image.CommitOptions) (image.Image, error) {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := b.WriteLayer(ctx, id, pause, w, s.warn)
		w.CloseWithError(err)
		written <- err
	}()
	img, err := b.images.Commit(ctx, r, o)
	r.CloseWithError(errGivenUp)
	// Also after a failure: the container goes on when this has ended.
	if cause := <-written; cause != nil && !errors.Is(cause, errGivenUp) {
		err = cause
	}
	return img, err
}

// committed is the config of an image that starts as the container does. What
// berth adds to every container is no part of it.
func committed(c *container.Config, parent image.Config) image.Config {
	p := c.Spec.Process
	config := image.Config{
		User: userText(p.User), Cmd: c.Cmd, Entrypoint: c.Entrypoint, WorkingDir: p.Cwd, Labels: c.Labels,
		StopSignal: c.StopSignal, Volumes: parent.Volumes, Shell: parent.Shell, ExposedPorts: map[string]struct{}{},
	}
	own := append(ownVariables(c), defaultPath)
	for _, v := range p.Env {
		if !slices.Contains(own, v) || slices.Contains(parent.Env, v) {
			config.Env = append(config.Env, v)
		}
	}
	if config.WorkingDir == "/" && parent.WorkingDir == "" {
		config.WorkingDir = ""
	}
	for port := range parent.ExposedPorts {
		config.ExposedPorts[port] = struct{}{}
	}
	for _, port := range slices.Concat(c.Ports, c.Exposed) {
		config.ExposedPorts[port.Private()] = struct{}{}
	}
	if h := c.HealthCheck; h != nil {
		config.Healthcheck = &image.Healthcheck{
			Test: h.Test, Interval: h.Interval, Timeout: h.Timeout,
			StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
		}
	}
	return config
}
