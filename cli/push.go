package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"berth/cli/option"
	"berth/image"
	"berth/registry"
)

// pushFlags are the flags of push.
type pushFlags struct{ transferFlags }

func pushCommand() *command {
	return &command{
		name: "push", category: categoryImages, group: "image", groupNames: []string{"push"},
		args: "[OPTIONS] NAME[:TAG]", short: "Upload an image to a registry",
		about: `Push sends an image to the registry that its name begins with: tag(1) gives it such a name. A name without a host is one of docker.io; without a tag it means "latest". What the registry has is not sent again, and layers that another repository of the same registry has are taken from there, as far as names in the store tell of one.

The image arrives as it is stored, byte for byte: its digest is the same here, there, and wherever it is pulled to. Layers that berth made itself are not compressed.

Signals give a push up: the status is then 128 and the signal's number. What arrived is not sent again by the next one.`,
		min: 1, max: 1, mixed: true, operands: []operand{anyImage},
		examples: []example{
			{"Push an image to this machine's own registry, after berth tag web localhost:5000/web:1.2.", "berth push localhost:5000/web:1.2"},
			{"Push all tags of a repository.", "berth push -a localhost:5000/web"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f pushFlags
			platform := option.Text(&f.platform, "platform", "string", "Push only if the image is for this platform")
			return f.options("Push all tags of an image to the repository", platform), func(ctx context.Context, args []string) error { return s.push(ctx, &f, args[0]) }
		},
	}
}

func (s *session) push(ctx context.Context, f *pushFlags, name string) error {
	ref, err := f.reference(name)
	if err != nil {
		return clientFault(err)
	}
	b, platform, err := f.begin(s)
	if err != nil {
		return err
	}
	if !f.quiet {
		if named, err := image.ParseNamed(name); err == nil && named != ref {
			fmt.Fprintln(s.out, "Using default tag: "+ref.Tag)
		}
		fmt.Fprintf(s.out, "The push refers to repository [%s]\n", ref.Name())
	}
	refs, err := pushable(b.images, ref)
	if err != nil {
		return &clientError{err: err}
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	client := s.connect(f.registry, ref)
	defer client.Close()
	for _, ref := range refs {
		if err := s.pushOne(ctx, b.images, client, ref, platform, f.quiet); err != nil {
			return interrupted(ctx, &clientError{err: pushFault(ref, err)})
		}
	}
	if f.quiet {
		_, err = fmt.Fprintln(s.out, ref)
	}
	return err
}

// reference reads the name of what is to be pushed: a bare name is the whole
// repository with -a, and its default tag else.
func (f *pushFlags) reference(name string) (image.Reference, error) {
	ref, err := image.ParseNamed(name)
	switch {
	case err != nil:
		return ref, err
	case ref.Digest != "":
		return ref, verbatim("cannot push a digest reference")
	case f.all && ref.Tag != "":
		return ref, verbatim("tag can't be used with --all-tags/-a")
	case f.all:
		return ref, nil
	}
	return image.ParseReference(name)
}

// pushable lists the names that are to be pushed, in docker's order. The store
// would also know an image by less than its name; a registry does not.
func pushable(images imageStore, ref image.Reference) ([]image.Reference, error) {
	list, err := images.List()
	if err != nil {
		return nil, err
	}
	known := false
	var refs []image.Reference
	for _, img := range list {
		have, err := image.ParseNamed(img.Ref)
		if err != nil || have.Name() != ref.Name() {
			continue
		}
		known = true
		if have.Tag != "" && have.Digest == "" && (ref.Tag == "" || ref.Tag == have.Tag) {
			refs = append(refs, have)
		}
	}
	switch {
	case !known:
		return nil, verbatim("An image does not exist locally with the tag: %s", ref.FamiliarName())
	case len(refs) == 0 && ref.Tag != "":
		return nil, verbatim("tag does not exist: %s", ref.Familiar())
	case len(refs) == 0:
		return nil, verbatim("no tags to push for %s", ref.FamiliarName())
	}
	slices.SortFunc(refs, func(a, b image.Reference) int { return cmp.Compare(a.Tag, b.Tag) })
	return refs, nil
}

// pushOne shows the push of one tag.
func (s *session) pushOne(ctx context.Context, images imageStore, client registryClient, ref image.Reference, platform image.Platform, quiet bool) error {
	t := quietTransfer()
	if !quiet {
		t = s.showTransfer(s.stdio.Out, s.out, pushWords())
	}
	defer t.close()
	pushed, err := images.Push(ctx, client, ref.String(), ref, image.PushOptions{Platform: platform, Progress: t.update})
	if err != nil {
		return err
	}
	t.close()
	if pushed.Forgotten != nil {
		s.warn(fmt.Sprintf("%s is pushed, but its digest could not be noted: %v", ref.Familiar(), pushed.Forgotten))
	}
	if !quiet {
		fmt.Fprintf(s.out, "%s: digest: %s size: %d\n", ref.Tag, pushed.Digest, pushed.Size)
	}
	return nil
}

// pushFault adds what to do about a registry's refusal, and about an image that
// is not whole.
func pushFault(ref image.Reference, err error) error {
	switch {
	case errors.Is(err, registry.ErrUnauthorized), errors.Is(err, registry.ErrDenied):
		return &hintError{err, "berth login " + ref.Domain + " keeps credentials"}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, image.ErrCorrupt):
		return &hintError{err, "berth system check --repair fetches what is damaged or missing, where it can"}
	}
	return err
}
