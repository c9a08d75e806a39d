package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"berth/cli/option"
	"berth/container"
	"berth/container/logs"
)

// logsFlags pick records and their form.
type logsFlags struct {
	follow, timestamps, details bool
	since, until, tail          string
}

func logsCommand() *command {
	return &command{
		name: "logs", category: categoryContainers, group: "container", groupNames: []string{"logs"},
		args: "[OPTIONS] CONTAINER", short: "Fetch the logs of a container",
		about: "Logs prints what a container wrote: its standard output to stdout, its standard error to stderr. With -f it goes on until the container ends.",
		min:   1, max: 1, mixed: true,
		build: func(s *session) ([]*option.Option, action) {
			f := logsFlags{tail: "all"}
			return []*option.Option{
				option.Switch(&f.details, "details", "Show extra details provided to logs"),
				option.Switch(&f.follow, "f,follow", "Follow log output"),
				option.Text(&f.since, "since", "string", "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)"),
				option.Text(&f.tail, "n,tail", "string", "Number of lines to show from the end of the logs"),
				option.Switch(&f.timestamps, "t,timestamps", "Show timestamps"),
				option.Text(&f.until, "until", "string", "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)"),
			}, func(ctx context.Context, args []string) error { return s.logs(ctx, &f, args[0], time.Now()) }
		},
	}
}

func (f *logsFlags) read(now time.Time) (logs.ReadOptions, error) {
	o := logs.ReadOptions{Tail: -1, Follow: f.follow}
	var err error
	if o.Since, err = logs.ParseTime(f.since, now); err != nil {
		return o, fmt.Errorf("invalid value for \"since\": %w", err)
	}
	if o.Until, err = logs.ParseTime(f.until, now); err != nil {
		return o, fmt.Errorf("invalid value for \"until\": %w", err)
	}
	// As in docker, what is no number means all.
	if n, err := strconv.Atoi(f.tail); err == nil && n >= 0 {
		o.Tail = n
	} else if err != nil && !strings.EqualFold(f.tail, "all") && f.tail != "" {
		return o, fmt.Errorf("invalid value for \"tail\": %s", f.tail)
	}
	return o, nil
}

func (s *session) logs(ctx context.Context, f *logsFlags, ref string, now time.Time) error {
	o, err := f.read(now)
	if err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	v, err := b.Get(ctx, ref)
	if err != nil {
		return err
	}
	if v.Status == container.Broken {
		return v.Err
	}
	if v.Log.Driver == "none" {
		return errors.New("configured logging driver does not support reading")
	}
	o.Skipped = func(err error) { fmt.Fprintf(s.err, "WARNING: %v\n", err) }
	if o.Follow {
		running := v.Status == container.Running || v.Status == container.Paused
		done := make(chan struct{})
		o.Done = done
		if running {
			// The log is complete once the container's end is recorded.
			go func() {
				defer close(done)
				_, _ = b.Wait(ctx, v.ID)
			}()
		} else {
			close(done)
		}
	}
	var line []byte
	return logs.Read(ctx, b.LogPath(v.Config), o, func(r logs.Record) error {
		out := s.out
		if r.Stream == "stderr" {
			out = s.err
		}
		line = logs.AppendFormat(line[:0], r, logs.FormatOptions{Timestamps: f.timestamps, Details: f.details})
		_, err := out.Write(line)
		return err
	})
}
