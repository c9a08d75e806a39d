package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"berth/state"
)

// ManifestList is a list of images for several platforms that is being put
// together on this machine, to be pushed as one name. It is a record of its own,
// <root>/manifest/NAME.json, and no image of the store.
type ManifestList struct {
	state.Header
	// Ref is its name in full.
	Ref string `json:"ref"`
	// Members are in the order in which they were added.
	Members []ListMember `json:"members"`
}

// ListMember is one image of a list.
type ListMember struct {
	// Ref is what the image was called when it was added, in full.
	Ref string `json:"ref"`
	// Descriptor is its entry in the list, with its platform.
	Descriptor Descriptor `json:"descriptor"`
	// Content is its manifest, byte for byte.
	Content []byte `json:"content"`
	// Stored tells that its blobs are in the store, and not in Ref's registry.
	Stored bool `json:"stored,omitempty"`
}

func (s *Store) listPath(ref Reference) string {
	return s.dirs.ManifestLists() + "/" + strings.ReplaceAll(ref.String(), "/", "!") + ".json"
}

// ManifestList returns the list of this name. The error is *NoSuchManifestError
// when there is none.
func (s *Store) ManifestList(ref Reference) (ManifestList, error) {
	var l ManifestList
	err := state.ReadJSON(s.listPath(ref), &l)
	if errors.Is(err, fs.ErrNotExist) {
		return ManifestList{}, &NoSuchManifestError{Ref: ref.String()}
	}
	return l, err
}

// ManifestLists returns the names of all lists, in full.
func (s *Store) ManifestLists() ([]string, error) {
	files, err := os.ReadDir(s.dirs.ManifestLists())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".json"); ok {
			names = append(names, strings.ReplaceAll(name, "!", "/"))
		}
	}
	return names, err
}

// AddToManifestList adds members to the list of this name, which is made when
// there is none. A member of a name that is in the list takes its place, unless it
// is the same image: then it stays, with what was said of its platform. The error
// is ErrListExists when there is a list and amend is false.
func (s *Store) AddToManifestList(ctx context.Context, ref Reference, members []ListMember, amend bool) error {
	return s.changeList(ctx, ref, func(l *ManifestList, exists bool) error {
		if exists && !amend {
			return ErrListExists
		}
		for _, m := range members {
			at := l.find(m.Ref)
			switch {
			case at < 0:
				l.Members = append(l.Members, m)
			case l.Members[at].Descriptor.Digest != m.Descriptor.Digest:
				l.Members[at] = m
			}
		}
		return nil
	})
}

// AnnotateManifest changes what the list says of a member's platform, as far as p
// is not empty; features are added. The error is *NoSuchManifestError when either
// is missing.
func (s *Store) AnnotateManifest(ctx context.Context, list, member Reference, p Platform) error {
	return s.changeList(ctx, list, func(l *ManifestList, _ bool) error {
		m, err := l.Member(member)
		if err != nil {
			return err
		}
		var now Platform
		if m.Descriptor.Platform != nil {
			now = *m.Descriptor.Platform
		}
		for _, f := range []struct {
			field *string
			value string
		}{
			{&now.OS, p.OS}, {&now.Architecture, p.Architecture}, {&now.Variant, p.Variant}, {&now.OSVersion, p.OSVersion},
		} {
			if f.value != "" {
				*f.field = f.value
			}
		}
		for _, feature := range p.OSFeatures {
			if !slices.Contains(now.OSFeatures, feature) {
				now.OSFeatures = append(now.OSFeatures, feature)
			}
		}
		if !isPort(now.OS, now.Architecture) {
			return fmt.Errorf("manifest entry for image has unsupported os/arch combination: %s/%s", now.OS, now.Architecture)
		}
		m.Descriptor.Platform = &now
		l.Members[l.find(m.Ref)] = m
		return nil
	})
}

// RemoveManifestList forgets a list; what was pushed of it stays where it is. The
// error is *NoSuchManifestError when there is none.
func (s *Store) RemoveManifestList(ref Reference) error {
	err := os.Remove(s.listPath(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return &NoSuchManifestError{Ref: ref.String()}
	}
	return err
}

// changeList replaces a list by what change makes of it, under the writers' lock.
func (s *Store) changeList(ctx context.Context, ref Reference, change func(l *ManifestList, exists bool) error) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := state.MakeDir(s.dirs.ManifestLists()); err != nil {
		return err
	}
	l, err := s.ManifestList(ref)
	missing := new(NoSuchManifestError)
	if err != nil && !errors.As(err, &missing) {
		return err
	}
	l.Ref = ref.String()
	if err := change(&l, err == nil); err != nil {
		return err
	}
	return state.WriteJSON(s.listPath(ref), &l, state.Durable)
}

func (l *ManifestList) find(ref string) int {
	return slices.IndexFunc(l.Members, func(m ListMember) bool { return m.Ref == ref })
}

// Member returns the member that was added as ref, or that has its digest. The
// error is *NoSuchManifestError when there is none.
func (l *ManifestList) Member(ref Reference) (ListMember, error) {
	for _, m := range l.Members {
		if m.Ref == ref.String() || ref.Digest != "" && m.Descriptor.Digest == ref.Digest {
			return m, nil
		}
	}
	return ListMember{}, &NoSuchManifestError{Ref: ref.String()}
}

// checkPlatforms refuses a list from which nobody could pick.
func (l *ManifestList) checkPlatforms() error {
	for _, m := range l.Members {
		if p := m.Descriptor.Platform; p == nil || p.OS == "" || p.Architecture == "" {
			return fmt.Errorf("manifest %s must have an OS and Architecture to be pushed to a registry", m.Ref)
		}
	}
	return nil
}

// Index returns the bytes that a registry gets: docker's manifest list when all
// members are docker's, an OCI index else.
func (l *ManifestList) Index() (mediaType string, content []byte, err error) {
	index := Index{SchemaVersion: 2, MediaType: MediaTypeDockerList, Manifests: []Descriptor{}}
	for _, m := range l.Members {
		if m.Descriptor.MediaType != MediaTypeDockerImage {
			index.MediaType = MediaTypeIndex
		}
		index.Manifests = append(index.Manifests, m.Descriptor)
	}
	content, err = json.MarshalIndent(index, "", "   ")
	if err != nil {
		return "", nil, fmt.Errorf("encode manifest list %s: %w", l.Ref, err)
	}
	return index.MediaType, content, nil
}

// isPort reports whether os and arch go together, as Go's ports do: a list that
// names another pair helps nobody.
func isPort(os, arch string) bool {
	var ports string
	switch os {
	case "linux":
		ports = "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x"
	case "windows":
		ports = "386 amd64 arm arm64"
	case "darwin":
		ports = "386 amd64 arm arm64"
	case "freebsd", "netbsd", "openbsd":
		ports = "386 amd64 arm arm64 riscv64"
	case "plan9":
		ports = "386 amd64 arm"
	case "android":
		ports = "386 amd64 arm arm64"
	case "dragonfly", "solaris", "illumos":
		ports = "amd64"
	case "aix":
		ports = "ppc64"
	case "wasip1", "js":
		ports = "wasm"
	}
	return slices.Contains(strings.Fields(ports), arch)
}
