package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"berth/cli/option"
	"berth/cli/status"
	"berth/image"
)

func inspectCommand() *command {
	return &command{
		name: "inspect", category: categoryOther,
		args: "[OPTIONS] NAME|ID [NAME|ID...]", short: "Return low-level information on containers and images",
		about: "Inspect prints what is known of containers and images as a JSON array, or as -f says. What was found is printed also when something else was not.",
		min:   1, max: unlimited, mixed: true,
		build: func(s *session) ([]*option.Option, action) {
			var f inspectFlags
			return append(f.options(), option.Text(&f.kind, "type", "string", "Only inspect objects of the given type: container or image")),
				func(ctx context.Context, args []string) error { return s.inspect(ctx, &f, args) }
		},
	}
}

// inspectOf is inspect within a group, where only one kind is meant.
func inspectOf(kind string) *command {
	c := inspectCommand()
	c.group, c.groupNames = kind, []string{"inspect"}
	c.name = kind + " inspect"
	c.short = "Display detailed information on one or more " + kind + "s"
	c.build = func(s *session) ([]*option.Option, action) {
		f := inspectFlags{kind: kind}
		return f.options(), func(ctx context.Context, args []string) error { return s.inspect(ctx, &f, args) }
	}
	return c
}

type inspectFlags struct {
	format, kind string
	size         bool
}

func (f *inspectFlags) options() []*option.Option {
	return []*option.Option{
		option.Text(&f.format, "f,format", "string", "Format output using a custom template: json, or a Go template"),
		option.Switch(&f.size, "s,size", "Display total file sizes if the type is container"),
	}
}

func (s *session) inspect(ctx context.Context, f *inspectFlags, refs []string) error {
	switch f.kind {
	case "", "container", "image":
	default:
		return fmt.Errorf("%q is not a valid value for --type", f.kind)
	}
	print, err := f.printer()
	if err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	found := []any{}
	missing := s.each(refs, func(ref string) error {
		object, err := f.find(ctx, b, ref)
		if err == nil {
			found = append(found, object)
		}
		return err
	})
	text, err := print(found)
	if len(text) > 0 {
		if _, werr := s.out.Write(text); werr != nil {
			return werr
		}
	}
	return errors.Join(err, missing)
}

// find looks for a container, then for an image.
func (f *inspectFlags) find(ctx context.Context, b *backend, ref string) (any, error) {
	if f.kind != "image" {
		v, err := b.Get(ctx, ref)
		if err == nil {
			return describeContainer(b, v, f.size), nil
		}
		if f.kind == "container" || !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	details, err := b.images.Inspect(ref)
	var missing *image.NoSuchImageError
	switch {
	case err == nil:
		return describeImage(details), nil
	case f.kind == "" && (errors.As(err, &missing) || errors.Is(err, image.ErrInvalidReference)):
		return nil, verbatim("No such object: %s", ref)
	}
	return nil, err
}

// printer returns what turns objects into text: JSON with four blanks, a line of
// JSON each, or a template.
func (f *inspectFlags) printer() (func([]any) ([]byte, error), error) {
	switch f.format {
	case "":
		return func(list []any) ([]byte, error) {
			var b bytes.Buffer
			encoder := json.NewEncoder(&b)
			encoder.SetEscapeHTML(false)
			encoder.SetIndent("", "    ")
			err := encoder.Encode(list)
			return b.Bytes(), err
		}, nil
	case "json":
		return func(list []any) ([]byte, error) {
			var b bytes.Buffer
			err := jsonLines(&b, list)
			return b.Bytes(), err
		}, nil
	}
	t, err := newTemplate(f.format)
	if err != nil {
		return nil, &status.Error{Code: exitTemplate, Err: fmt.Errorf("template parsing error: %w", err)}
	}
	return func(list []any) ([]byte, error) {
		var b bytes.Buffer
		err := each(&b, t, list)
		return b.Bytes(), err
	}, nil
}
