package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"berth/cli/option"
	"berth/container/top"
)

func topCommand() *command {
	return &command{
		name: "top", category: categoryContainers, group: "container", groupNames: []string{"top"},
		args: "[OPTIONS] CONTAINER [ps OPTIONS]", short: "Display the running processes of a container",
		about: "Top lists the processes of a container as the host sees them, in the columns that ps(1) has for the same options: -ef without any. It reads them from /proc and runs nothing, neither in the container nor on the host. Options that pick processes (-p, -u) are refused, as all of them are the container's. With --live, which is not docker's, the list is drawn anew every second, and %CPU and C are about the second before.\n\nThe columns of -o and --sort are " + strings.Join(top.Columns(), ", ") + ".",
		examples: []example{
			{"The processes of a container.", "berth top web"},
			{"Watch which of them takes the most memory.", "berth top --live web -eo pid,rss,comm --sort=-rss"},
		},
		operands: []operand{liveContainer, nothing},
		min:      1, max: unlimited,
		build: func(s *session) ([]*option.Option, action) {
			var live bool
			return []*option.Option{
				option.Switch(&live, "live", "Show the processes anew every second, until interrupted"),
			}, func(ctx context.Context, args []string) error { return s.top(ctx, live, args[0], args[1:]) }
		},
	}
}

func (s *session) top(ctx context.Context, live bool, ref string, args []string) error {
	format, err := top.Parse(args)
	var unknown *top.UnknownError
	switch {
	case errors.As(err, &unknown) && unknown.What == "column":
		return &hintError{err: err, hint: "the columns are " + strings.Join(top.Columns(), " ")}
	case errors.As(err, &unknown):
		return &hintError{err: err, hint: "the options are -e -f -F -l -j -o LIST, aux, l, j, --sort LIST, --forest and --no-headers"}
	case err != nil:
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	if !live {
		list, err := b.Processes(ctx, ref)
		if err != nil {
			return err
		}
		return format.Print(s.out, list, time.Now())
	}
	// A name may be another container's by and by.
	id, err := b.Resolve(ref)
	if err != nil {
		return err
	}
	var last []top.Process
	var read time.Time
	return s.live(ctx, s.tick, func(ctx context.Context, out io.Writer) error {
		list, err := b.Processes(ctx, id)
		if err != nil {
			return err
		}
		now := time.Now()
		if last != nil {
			top.Since(last, list, now.Sub(read))
		}
		last, read = list, now
		return format.Print(out, list, now)
	})
}
