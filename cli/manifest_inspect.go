package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"berth/cli/option"
	"berth/image"
)

// manifestDetails is what -v shows of an image, with docker's keys.
type manifestDetails struct {
	Ref              string
	Descriptor       image.Descriptor
	Raw              []byte
	SchemaV2Manifest json.RawMessage `json:",omitempty"`
	OCIManifest      json.RawMessage `json:",omitempty"`
}

func manifestInspectCommand() *command {
	return &command{
		name: "manifest inspect", category: categoryImages, group: "manifest", groupNames: []string{"inspect"},
		args: "[OPTIONS] [MANIFEST_LIST] MANIFEST", short: "Display an image manifest, or manifest list",
		about: "Manifest inspect shows a manifest list of this machine, or an image in one, or else what a registry has under a name, or the store when the registry has nothing. No layer is fetched.",
		min:   1, max: 2, mixed: true, operands: []operand{manifestList, anyImage},
		examples: []example{
			{"See for which platforms an image is.", "berth manifest inspect debian:12"},
			{"Get the digest of an image without pulling it.", "berth manifest inspect -v localhost:5000/web:1"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f manifestFlags
			var verbose bool
			return f.options(option.Switch(&verbose, "v,verbose", "Output additional info including layers and platform")), func(ctx context.Context, args []string) error {
				return clientFault(s.inspectManifest(ctx, &f, args, verbose))
			}
		},
	}
}

func (s *session) inspectManifest(ctx context.Context, f *manifestFlags, args []string, verbose bool) error {
	var refs []image.Reference
	for _, name := range args {
		ref, err := image.ParseReference(name)
		if err != nil {
			return err
		}
		refs = append(refs, ref)
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	list, err := b.images.ManifestList(refs[0])
	missing := new(image.NoSuchManifestError)
	switch {
	case err == nil && len(refs) == 2:
		m, err := list.Member(refs[1])
		if err != nil {
			return err
		}
		return s.printManifest(m, verbose)
	case err == nil:
		_, content, err := list.Index()
		if err != nil {
			return err
		}
		return s.printManifestList(content, list.Members, verbose)
	case len(refs) == 2 || !errors.As(err, &missing):
		return err
	}
	return s.inspectRemote(ctx, f, b, refs[0], verbose)
}

// inspectRemote shows what a registry has, or else the store.
func (s *session) inspectRemote(ctx context.Context, f *manifestFlags, b *backend, ref image.Reference, verbose bool) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	client := f.client(s, ref)
	defer client.Close()
	desc, content, err := image.FetchManifest(ctx, client, ref)
	if err != nil {
		m, err := b.storedMember(ref, err)
		if err != nil {
			return interrupted(ctx, err)
		}
		return s.printManifest(m, verbose)
	}
	list := desc.MediaType == image.MediaTypeIndex || desc.MediaType == image.MediaTypeDockerList
	switch {
	case list && verbose:
		members, err := image.FetchMembers(ctx, client, ref, content)
		if err != nil {
			return interrupted(ctx, manifestFault(ref, err))
		}
		return s.printManifestList(content, members, true)
	case list:
		return s.printManifestList(content, nil, false)
	case verbose:
		// Only the config says what it is for.
		m, err := image.FetchMember(ctx, client, ref)
		if err != nil {
			return interrupted(ctx, manifestFault(ref, err))
		}
		return s.printManifest(m, true)
	}
	return s.printManifest(image.ListMember{Ref: ref.String(), Content: content}, false)
}

// printManifest shows an image as docker does, indented with tabs.
func (s *session) printManifest(m image.ListMember, verbose bool) error {
	if verbose {
		return s.printTabbed(details(m))
	}
	var out bytes.Buffer
	if err := json.Indent(&out, m.Content, "", "\t"); err != nil {
		return fmt.Errorf("read manifest %s: %w", m.Ref, err)
	}
	return s.screen("", func(to io.Writer) error {
		_, err := fmt.Fprintln(to, out.String())
		return err
	})
}

// printManifestList shows a list, indented with three spaces, as docker does.
func (s *session) printManifestList(content []byte, members []image.ListMember, verbose bool) error {
	if verbose {
		list := make([]manifestDetails, 0, len(members))
		for _, m := range members {
			list = append(list, details(m))
		}
		return s.printTabbed(list)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, content, "", "   "); err != nil {
		return fmt.Errorf("read manifest list: %w", err)
	}
	return s.screen("", func(to io.Writer) error {
		_, err := fmt.Fprintln(to, out.String())
		return err
	})
}

func details(m image.ListMember) manifestDetails {
	d := manifestDetails{Ref: m.Ref, Descriptor: m.Descriptor, Raw: m.Content}
	if m.Descriptor.MediaType == image.MediaTypeDockerImage {
		d.SchemaV2Manifest = m.Content
	} else {
		d.OCIManifest = m.Content
	}
	return d
}

func (s *session) printTabbed(v any) error {
	out, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	return s.screen("", func(to io.Writer) error {
		_, err := fmt.Fprintf(to, "%s\n", out)
		return err
	})
}
