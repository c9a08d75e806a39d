package cli

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"berth/cli/option"
	"berth/image"
)

func inspectCommand() *command {
	return &command{
		name: "inspect", category: categoryOther,
		args: "[OPTIONS] NAME|ID [NAME|ID...]", short: "Return low-level information on containers and images",
		about: "Inspect prints what is known of containers and images as a JSON array, or as -f says. What was found is printed also when something else was not.",
		min:   1, max: unlimited, mixed: true,
		operands: []operand{anyObject},
		examples: []example{
			{"All that is known of a container.", "berth inspect web"},
			{"One field of several containers.", "berth inspect -f '{{.Name}} {{.State.Status}}' web db"},
		},
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
	c.operands = map[string][]operand{"container": {anyContainer}, "image": {anyImage}}[kind]
	c.short = "Display detailed information on one or more " + kind + "s"
	c.examples = []example{{"All that is known of one " + kind + ".", "berth " + c.name + " " + map[string]string{"container": "web", "image": "box"}[kind]}}
	noun := strings.ToUpper(kind)
	c.args = "[OPTIONS] " + noun + " [" + noun + "...]"
	c.build = func(s *session) ([]*option.Option, action) {
		f := inspectFlags{kind: kind}
		options := f.options()
		if kind != "container" {
			// The size is a container's.
			options = append(options[:1], option.Text(&f.platform, "platform", "string", "Inspect a specific platform of the multi-platform image"))
		}
		return options, func(ctx context.Context, args []string) error { return s.inspect(ctx, &f, args) }
	}
	return c
}

type inspectFlags struct {
	format, kind, platform string
	size                   bool
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
		return &clientError{err: verbatim("unknown type: %q: must be one of \"container\", \"image\"", f.kind)}
	}
	print, err := newInspector(f.format)
	if err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	// What was found is printed first, then what was wrong.
	var wrong []error
	for _, ref := range refs {
		object, err := f.find(ctx, b, ref)
		if err == nil {
			err = print.add(object)
		}
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := s.screen(f.format, print.flush); err != nil {
		return err
	}
	for _, err := range wrong {
		s.report(nil, err)
	}
	if len(wrong) > 0 {
		return &reported{code: exitFailed}
	}
	return nil
}

// onPlatform refuses an image that is not for the platform asked for.
func (f *inspectFlags) onPlatform(ref string, img image.Image) error {
	want, err := image.ParsePlatform(f.platform)
	if err != nil {
		return err
	}
	return onPlatform(ref, img, want)
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
	if err == nil && f.platform != "" {
		err = f.onPlatform(ref, details.Image)
	}
	var missing *image.NoSuchImageError
	switch {
	case err == nil:
		return describeImage(details), nil
	case f.kind == "" && (errors.As(err, &missing) || errors.Is(err, image.ErrInvalidReference)):
		return nil, &clientError{err: verbatim("No such object: %s", ref), docker: "Error: No such object: " + ref}
	}
	return nil, err
}
