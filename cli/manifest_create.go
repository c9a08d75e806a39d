package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"berth/cli/option"
	"berth/image"
	"berth/registry"
)

// manifestFlags are those of the manifest commands that connect to registries.
type manifestFlags struct {
	registry registryFlags
	insecure bool
}

func (f *manifestFlags) options(more ...*option.Option) []*option.Option {
	return sortOptions(append(append(f.registry.options(), more...),
		option.Switch(&f.insecure, "insecure", "Allow communication with an insecure registry")))
}

// client asks registries, list's above all.
func (f *manifestFlags) client(s *session, list image.Reference) registryClient {
	if f.insecure {
		verify := false
		f.registry.tlsVerify = &verify
	}
	return s.connect(f.registry, list)
}

func manifestCreateCommand() *command {
	return &command{
		name: "manifest create", category: categoryImages, group: "manifest", groupNames: []string{"create"},
		args: "MANIFEST_LIST MANIFEST [MANIFEST...]", short: "Create a local manifest list for annotating and pushing to a registry",
		about: `Manifest create begins a list of images for several platforms, which manifest push then puts under one name: who pulls that gets the image for their own platform. The list is kept in <root>/manifest until manifest rm, and is no image of the store.

The images are looked up in their registries, and only their manifests and configs are fetched. One that no registry has is taken from the store, and is pushed along with the list. What an image is for is said by its config; manifest annotate changes it.`,
		min: 2, max: unlimited, mixed: true,
		examples: []example{
			{"Make one name of an image for two platforms.", "berth manifest create localhost:5000/web:1 localhost:5000/web:1-amd64 localhost:5000/web:1-arm64"},
			{"Add one more to it.", "berth manifest create --amend localhost:5000/web:1 localhost:5000/web:1-riscv64"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f manifestFlags
			var amend bool
			return f.options(option.Switch(&amend, "a,amend", "Amend an existing manifest list")), func(ctx context.Context, args []string) error {
				return clientFault(s.createManifestList(ctx, &f, args, amend))
			}
		},
	}
}

func (s *session) createManifestList(ctx context.Context, f *manifestFlags, args []string, amend bool) error {
	list, err := image.ParseReference(args[0])
	if err != nil {
		return verbatim("error parsing name for manifest list %s: %w", args[0], err)
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	missing := new(image.NoSuchManifestError)
	_, err = b.images.ManifestList(list)
	if err == nil && !amend {
		return image.ErrListExists
	}
	if err != nil && !errors.As(err, &missing) {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	client := f.client(s, list)
	defer client.Close()
	var members []image.ListMember
	for _, name := range args[1:] {
		ref, err := image.ParseReference(name)
		if err != nil {
			return err
		}
		m, err := s.listMember(ctx, b, client, ref)
		if err != nil {
			return interrupted(ctx, err)
		}
		members = append(members, m)
	}
	if err := b.images.AddToManifestList(ctx, list, members, amend); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "Created manifest list %s\n", list)
	return err
}

// listMember finds an image in its registry, or else in the store.
func (s *session) listMember(ctx context.Context, b *backend, client registryClient, ref image.Reference) (image.ListMember, error) {
	m, err := image.FetchMember(ctx, client, ref)
	if err != nil {
		return b.storedMember(ref, err)
	}
	return m, nil
}

// storedMember is an image of the store, for one that cannot be had elsewhere for
// a reason.
func (b *backend) storedMember(ref image.Reference, reason error) (image.ListMember, error) {
	if absent(reason) {
		if m, err := b.images.StoredMember(ref); err == nil {
			return m, nil
		}
	}
	return image.ListMember{}, manifestFault(ref, reason)
}

// absent tells an image that a registry does not have, or does not show, or that
// no registry can be asked for, from one that is there and no good.
func absent(err error) bool {
	var said *registry.Error
	if errors.As(err, &said) {
		return errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrDenied) || errors.Is(err, registry.ErrUnauthorized)
	}
	var unanswered *url.Error
	return errors.As(err, &unanswered) && !errors.Is(err, context.Canceled)
}

// manifestFault puts what a registry said of a manifest into docker's words.
func manifestFault(ref image.Reference, err error) error {
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return verbatim("no such manifest: %s", ref)
	case errors.Is(err, registry.ErrUnauthorized), errors.Is(err, registry.ErrDenied):
		return &hintError{err, "berth login " + ref.Domain + " keeps credentials"}
	}
	return err
}
