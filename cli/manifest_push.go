package cli

import (
	"context"
	"fmt"

	"berth/cli/option"
	"berth/image"
)

func manifestPushCommand() *command {
	return &command{
		name: "manifest push", category: categoryImages, group: "manifest", groupNames: []string{"push"},
		args: "[OPTIONS] MANIFEST_LIST", short: "Push a manifest list to a repository",
		about: "Manifest push puts a list that manifest create has begun under its name. Images that the name's repository does not have are brought there first: mounted from another repository of the same registry, copied from another registry, or sent from the store. The last line is the list's digest.",
		min:   1, max: 1, mixed: true,
		examples: []example{
			{"Push a list, and forget it here.", "berth manifest push --purge localhost:5000/web:1"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f manifestFlags
			var purge bool
			return f.options(option.Switch(&purge, "p,purge", "Remove the local manifest list after push")), func(ctx context.Context, args []string) error {
				return clientFault(s.pushManifestList(ctx, &f, args[0], purge))
			}
		},
	}
}

func (s *session) pushManifestList(ctx context.Context, f *manifestFlags, name string, purge bool) error {
	ref, err := image.ParseReference(name)
	if err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	list, err := b.images.ManifestList(ref)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	client := f.client(s, ref)
	defer client.Close()
	digest, err := b.images.PushManifestList(ctx, client, client, list, func(m image.Reference) {
		fmt.Fprintf(s.out, "Pushed ref %s with digest: %s\n", m, m.Digest)
	})
	if err != nil {
		return interrupted(ctx, pushFault(ref, err))
	}
	if _, err := fmt.Fprintln(s.out, digest); err != nil {
		return err
	}
	if purge {
		return b.images.RemoveManifestList(ref)
	}
	return nil
}
