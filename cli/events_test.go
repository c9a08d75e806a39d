package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"berth/container/events"
	"berth/image"
)

// fakeEvents are a world's events: a read ends after those on record.
type fakeEvents struct{ *world }

func (f fakeEvents) Append(ev events.Event) { f.events = append(f.events, ev) }

func (f fakeEvents) Read(_ context.Context, o events.ReadOptions, out func(events.Event) error) error {
	f.note(fmt.Sprintf("events recorded=%t follow=%t", o.Recorded, o.Follow))
	for _, ev := range f.events {
		if err := out(ev); err != nil {
			return err
		}
	}
	return f.err
}

func eventsWorld() *world {
	w := newWorld()
	at := time.Date(2026, 11, 21, 10, 0, 0, 5000, time.UTC)
	w.events = []events.Event{
		{Time: at, Type: events.Container, Action: "start", ID: "abc", Attributes: map[string]string{"name": "web", "image": "img"}},
		{Time: at, Type: events.Container, Action: "exec_create: sh -c ls", ID: "abc", Attributes: map[string]string{"name": "web", "image": "img"}},
		{Time: at, Type: events.Image, Action: "pull", ID: "img:latest", Attributes: map[string]string{"name": "img"}},
		{Time: at, Type: events.Volume, Action: "create", ID: "data"},
	}
	return w
}

func TestEvents(t *testing.T) {
	t.Setenv("TZ", "UTC")
	stamp := time.Date(2026, 11, 21, 10, 0, 0, 5000, time.UTC).Local().Format("2006-01-02T15:04:05.000000000Z07:00")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"default", nil, stamp + " container start abc (image=img, name=web)\n" + stamp + " container exec_create: sh -c ls abc (image=img, name=web)\n" +
			stamp + " image pull img:latest (name=img)\n" + stamp + " volume create data\n"},
		{"group", []string{"-f", "type=volume"}, stamp + " volume create data\n"},
		{"filters", []string{"-f", "event=exec_create", "-f", "container=web"}, stamp + " container exec_create: sh -c ls abc (image=img, name=web)\n"},
		{"same key", []string{"-f", "type=volume", "-f", "type=image", "--format", "{{.Type}}"}, "image\nvolume\n"},
		{"json", []string{"-f", "event=start", "--format", "json"}, `{"status":"start","id":"abc","from":"img","Type":"container","Action":"start",` +
			`"Actor":{"ID":"abc","Attributes":{"image":"img","name":"web"}},"scope":"local","time":1795255200,"timeNano":1795255200000005000}` + "\n"},
		{"json of a volume", []string{"-f", "type=volume", "--format", "{{json .}}"}, `{"Type":"volume","Action":"create","Actor":{"ID":"data","Attributes":{}},"scope":"local","time":1795255200,"timeNano":1795255200000005000}` + "\n"},
		{"template", []string{"-f", "type=image", "--format", "{{.Actor.Attributes.name}} {{.Status}} {{.From}}"}, "img pull \n"},
	} {
		for _, verb := range [][]string{{"events"}, {"system", "events"}} {
			if got := eventsWorld().berth(t, append(verb, c.args...)...); got.code != 0 || got.out != c.want || got.err != "" {
				t.Errorf("%s: %+v, want %q", c.name, got, c.want)
			}
		}
	}
}

func TestEventsTimes(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "events recorded=false follow=true"},
		{[]string{"--since", "1m"}, "events recorded=true follow=true"},
		{[]string{"--until", "1m"}, "events recorded=true follow=false"},
		{[]string{"--until", "-1m"}, "events recorded=true follow=true"},
		{[]string{"--since", "2026-01-01", "--until", "2026-01-02T10:00:00Z"}, "events recorded=true follow=false"},
	} {
		w := eventsWorld()
		if got := w.berth(t, append([]string{"events"}, c.args...)...); got.code != 0 || strings.Join(w.calls, ";") != c.want {
			t.Errorf("%q: %+v, %q, want %q", c.args, got, w.calls, c.want)
		}
	}
}

func TestEventsRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-f", "colour=red"}, 1, "Error: invalid filter 'colour'\n"},
		{[]string{"-f", "type"}, 125, "bad format of filter (expected name=value)"},
		{[]string{"--since", "never"}, 1, `invalid value for "since": failed to parse value as time or duration: "never"`},
		{[]string{"--until", "never"}, 1, `invalid value for "until": `},
		{[]string{"--since", "1m", "--until", "2m"}, 1, "`since` time (1m) cannot be after `until` time (2m)"},
		{[]string{"--format", "{{.Nothing}}"}, 64, "Error: Error parsing format: "},
		{[]string{"--format", "{{"}, 64, "Error: Error parsing format: "},
		{[]string{"extra"}, 1, "'berth events' accepts no arguments"},
	} {
		w := eventsWorld()
		if got := w.berth(t, append([]string{"events"}, c.args...)...); got.code != c.code || !strings.Contains(got.err, c.want) || len(w.calls) > 0 {
			t.Errorf("%q: %+v, want %d and %q", c.args, got, c.code, c.want)
		}
	}
}

// keptImages are images of which one is removed and others are added.
type keptImages struct {
	fakeImages
	err error
}

func (k keptImages) Import(context.Context, io.Reader, image.ImportOptions) (image.Image, error) {
	return image.Image{ID: "sha256:aa"}, k.err
}

func (k keptImages) Commit(context.Context, io.Reader, image.CommitOptions) (image.Image, error) {
	return image.Image{ID: "sha256:bb"}, k.err
}

func (k keptImages) Remove(context.Context, string, image.RemoveOptions, func(image.Digest) []image.User) (untagged, deleted []string, err error) {
	img := k.list["img"]
	return []string{"img:latest"}, []string{string(img.ID), "sha256:layer"}, k.err
}

func TestImageEvents(t *testing.T) {
	w := newWorld()
	told := toldImages{keptImages{fakeImages: w.images}, fakeEvents{w}}
	id := string(w.images.list["img"].ID)
	steps := []struct {
		name string
		do   func(toldImages) error
		want string
	}{
		{"import", func(i toldImages) error {
			_, err := i.Import(t.Context(), nil, image.ImportOptions{Ref: "docker.io/library/made:1"})
			return err
		}, "import sha256:aa made:1"},
		{"commit", func(i toldImages) error {
			_, err := i.Commit(t.Context(), nil, image.CommitOptions{Ref: "docker.io/library/made:2"})
			return err
		}, "tag sha256:bb made:2"},
		{"commit without a name", func(i toldImages) error {
			_, err := i.Commit(t.Context(), nil, image.CommitOptions{})
			return err
		}, ""},
		{"tag", func(i toldImages) error { return i.Tag(t.Context(), "img", "x.org/made") }, "tag " + id + " x.org/made:latest"},
		{"save", func(i toldImages) error {
			_, err := i.Save(t.Context(), io.Discard, []string{"img"}, image.SaveOptions{})
			return err
		}, "save " + id + " " + id},
		{"load", func(i toldImages) error {
			_, err := i.Load(t.Context(), nil, image.LoadOptions{})
			return err
		}, "load " + id + " " + id},
		{"remove", func(i toldImages) error {
			_, _, err := i.Remove(t.Context(), "img", image.RemoveOptions{}, nil)
			return err
		}, "untag " + id + " img:latest;delete " + id},
	}
	for _, step := range steps {
		w.events = nil
		if err := step.do(told); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		var got []string
		for _, ev := range w.events {
			got = append(got, strings.TrimSpace(ev.Action+" "+ev.ID+" "+ev.Attributes["name"]))
		}
		if strings.Join(got, ";") != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
	failing := toldImages{keptImages{fakeImages: w.images, err: errors.New("boom")}, fakeEvents{w}}
	w.events = nil
	for _, step := range steps[:3] {
		if err := step.do(failing); err == nil || len(w.events) > 0 {
			t.Errorf("%s that fails: %v, %v", step.name, err, w.events)
		}
	}
}
