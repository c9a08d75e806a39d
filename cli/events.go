package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/template"
	"time"

	"golang.org/x/sys/unix"

	"berth/cli/option"
	"berth/cli/status"
	"berth/container/events"
	"berth/container/logs"
)

// eventMessage is an event as docker's templates and JSON have it.
type eventMessage struct {
	Status   string `json:"status,omitempty"`
	ID       string `json:"id,omitempty"`
	From     string `json:"from,omitempty"`
	Type     string
	Action   string
	Actor    eventActor
	Scope    string `json:"scope,omitempty"`
	Time     int64  `json:"time,omitempty"`
	TimeNano int64  `json:"timeNano,omitempty"`
}

// eventActor is what an event is about.
type eventActor struct {
	ID         string
	Attributes map[string]string
}

// newEventMessage fills in docker's fields. The first three are for containers
// and images only.
func newEventMessage(ev events.Event) *eventMessage {
	m := &eventMessage{
		Type: string(ev.Type), Action: ev.Action, Actor: eventActor{ID: ev.ID, Attributes: ev.Attributes},
		Scope: "local", Time: ev.Time.Unix(), TimeNano: ev.Time.UnixNano(),
	}
	if m.Actor.Attributes == nil {
		m.Actor.Attributes = map[string]string{}
	}
	switch ev.Type {
	case events.Container:
		m.Status, m.ID, m.From = ev.Action, ev.ID, ev.Attributes["image"]
	case events.Image:
		m.Status, m.ID = ev.Action, ev.ID
	}
	return m
}

// eventsFlags pick events and their form.
type eventsFlags struct {
	since, until, format string
	filters              []string
}

func eventsCommand() *command {
	return &command{
		name: "events", category: categoryOther, group: "system", groupNames: []string{"events"},
		args: "[OPTIONS]", short: "Get real time events",
		about: "Events prints what happens to containers, images, networks and volumes, as it happens, until it is interrupted. With --since it begins with what has happened since then; with --until it ends at that time, at once if that has passed.\n\nThe last few thousand events since the boot are kept. Filters are by container, image, network and volume (an ID, a name, or the beginning of one; an image's without its tag, too), event, type and label. Different keys must all match, and one of several values of the same key; labels must all match.",
		examples: []example{
			{"Follow how containers end.", "berth events -f type=container -f event=die"},
			{"What happened to one container in the last hour, as JSON.", "berth events --since 1h --until 0s -f container=web --format json"},
		},
		mixed: true,
		build: func(s *session) ([]*option.Option, action) {
			var f eventsFlags
			return []*option.Option{
				filterOption(&f.filters),
				option.Text(&f.format, "format", "string", "Format output: json, or a Go template"),
				option.Text(&f.since, "since", "string", "Show all events created since timestamp"),
				option.Text(&f.until, "until", "string", "Stream events until this timestamp"),
			}, func(ctx context.Context, _ []string) error { return s.events(ctx, &f, time.Now()) }
		},
	}
}

func (s *session) events(ctx context.Context, f *eventsFlags, now time.Time) error {
	show, err := s.eventPrinter(f.format)
	if err != nil {
		return err
	}
	values, err := splitFilters(f.filters, events.FilterKeys())
	if err != nil {
		return err
	}
	o, err := f.read(now)
	if err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	ctx, stop := untilClosed(ctx, s.stdio.Out)
	defer stop()
	filter := events.Filter(values)
	err = b.events.Read(ctx, o, func(ev events.Event) error {
		if !filter.Match(ev) {
			return nil
		}
		return show(ev)
	})
	if context.Cause(ctx) == errReaderGone {
		return nil
	}
	return err
}

// read reads the times. Without any, events are followed from now on.
func (f *eventsFlags) read(now time.Time) (events.ReadOptions, error) {
	o := events.ReadOptions{Recorded: f.since != "" || f.until != "", Follow: true}
	var err error
	if o.Since, err = logs.ParseTime(f.since, now); err != nil {
		return o, &clientError{err: fmt.Errorf("invalid value for \"since\": %w", err), docker: err.Error()}
	}
	if o.Until, err = logs.ParseTime(f.until, now); err != nil {
		return o, &clientError{err: fmt.Errorf("invalid value for \"until\": %w", err), docker: err.Error()}
	}
	if o.Until.IsZero() {
		return o, nil
	}
	if o.Until.Before(o.Since) {
		return o, fmt.Errorf("`since` time (%s) cannot be after `until` time (%s)", f.since, f.until)
	}
	o.Follow = !o.Until.Before(now)
	return o, nil
}

// eventPrinter returns what prints an event in a --format.
func (s *session) eventPrinter(format string) (func(events.Event) error, error) {
	switch format {
	case "":
		return func(ev events.Event) error { _, err := io.WriteString(s.out, s.shown(eventLine(ev))+"\n"); return err }, nil
	case "json":
		return func(ev events.Event) error {
			line, err := json.Marshal(newEventMessage(ev))
			if err == nil {
				_, err = s.out.Write(append(line, '\n'))
			}
			return err
		}, nil
	}
	t, err := newTemplate(format)
	if err == nil {
		// One that names what no event has is refused before there is an event.
		err = t.Execute(io.Discard, &eventMessage{})
	}
	if err != nil {
		return nil, &status.Error{Code: exitTemplate, Err: clientFault(verbatim("Error parsing format: %w", err))}
	}
	return func(ev events.Event) error { return s.printEvent(t, ev) }, nil
}

// printEvent prints an event by a template, in one write.
func (s *session) printEvent(t *template.Template, ev events.Event) error {
	var line strings.Builder
	if err := t.Execute(&line, newEventMessage(ev)); err != nil {
		return fmt.Errorf("template parsing error: %w", err)
	}
	_, err := io.WriteString(s.out, line.String()+"\n")
	return err
}

// eventLine is docker's line, the time in the local zone.
func eventLine(ev events.Event) string {
	const layout = "2006-01-02T15:04:05.000000000Z07:00"
	line := fmt.Sprintf("%s %s %s %s", ev.Time.Local().Format(layout), ev.Type, ev.Action, ev.ID)
	if len(ev.Attributes) == 0 {
		return line
	}
	var attributes []string
	for _, key := range slices.Sorted(maps.Keys(ev.Attributes)) {
		attributes = append(attributes, key+"="+ev.Attributes[key])
	}
	return line + " (" + strings.Join(attributes, ", ") + ")"
}

// errReaderGone is the cause of a context that untilClosed has ended.
var errReaderGone = fmt.Errorf("write output: %w", unix.EPIPE)

// untilClosed ends the context when whoever reads the output is gone. A command
// that waits for something to happen would learn it from its next line only,
// which may be never: `berth events | head -1`.
func untilClosed(ctx context.Context, out *os.File) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	st, err := out.Stat()
	if err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0 {
		go func() {
			// Asked for nothing, poll tells of errors and hang-ups only.
			for fds := []unix.PollFd{{Fd: int32(out.Fd())}}; ctx.Err() == nil; {
				if n, err := unix.Poll(fds, -1); n > 0 || err != nil && err != unix.EINTR {
					cancel(errReaderGone)
					return
				}
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}
