package cli

import (
	"bufio"
	"context"
	"io"
	"strconv"
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
		about: "Logs prints what a container wrote: its standard output to stdout, its standard error to stderr. With -f it goes on until the container has stopped for good. What could not be kept, and what is damaged, is said on stderr.",
		min:   1, max: 1, mixed: true,
		examples: []example{
			{"Follow the last ten lines.", "berth logs -f -n 10 web"},
			{"What was written in the last five minutes, with times.", "berth logs -t --since 5m web"},
		},
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
		return o, clientFault(verbatim("invalid value for \"since\": %w", err))
	}
	if o.Until, err = logs.ParseTime(f.until, now); err != nil {
		return o, clientFault(verbatim("invalid value for \"until\": %w", err))
	}
	// As in docker, what is no number means all.
	if n, err := strconv.Atoi(f.tail); err == nil && n >= 0 {
		o.Tail = n
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
	if o.Follow {
		o.Done = followed(ctx, b, v)
	}
	p := newLogPrinter(s.out, s.err, logs.FormatOptions{Timestamps: f.timestamps, Details: f.details})
	o.Idle = p.flush
	o.Skipped = func(err error) {
		p.flush() // it stands where it belongs
		s.warn(err.Error())
	}
	err = b.ReadLog(ctx, v.Config, o, p.print)
	p.flush()
	if err == nil {
		err = p.err
	}
	return err
}

// printSize is how much is printed at a time.
const printSize = 32 << 10

// logPrinter prints records to their streams in their order, without a system
// call for each: a follower must keep up with the payload.
type logPrinter struct {
	form logs.FormatOptions
	to   map[string]*bufio.Writer
	last *bufio.Writer // the one that may hold something
	line []byte
	err  error
}

func newLogPrinter(out, errs io.Writer, form logs.FormatOptions) *logPrinter {
	return &logPrinter{form: form, to: map[string]*bufio.Writer{
		"stdout": bufio.NewWriterSize(out, printSize), "stderr": bufio.NewWriterSize(errs, printSize),
	}}
}

func (p *logPrinter) print(r logs.Record) error {
	out := p.to[r.Stream]
	if out == nil {
		out = p.to["stdout"]
	}
	if out != p.last {
		p.flush()
		p.last = out
	}
	p.line = logs.AppendFormat(p.line[:0], r, p.form)
	if _, err := out.Write(p.line); err != nil {
		return err
	}
	return p.err
}

func (p *logPrinter) flush() {
	if p.last == nil {
		return
	}
	if err := p.last.Flush(); err != nil && p.err == nil {
		p.err = err
	}
}

// restartLook is how long a container that runs anew is left alone.
const restartLook = 20 * time.Millisecond

// followed is closed when nothing more will be logged: over the restarts of a
// restart policy, until the container has stopped for good or was removed.
// Waiting ends once the end is on record, and by then the log is complete.
func followed(ctx context.Context, b *backend, v *container.View) <-chan struct{} {
	done := make(chan struct{})
	if !v.Up() {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		for {
			if _, err := b.Wait(ctx, v.ID); err != nil {
				return
			}
			var err error
			if v, err = b.Get(ctx, v.ID); err != nil || !v.Up() {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(restartLook):
			}
		}
	}()
	return done
}
