package image

import (
	"maps"
	"slices"
)

// fullName is the name of a row of the index in full, "" for none. Other tools
// write names in short or in no form that docker has, which stays as it is.
func fullName(row Descriptor) string {
	name := row.Annotations[annotationRefName]
	if name == "" {
		return ""
	}
	ref, err := ParseReference(name)
	if err != nil {
		return name
	}
	return ref.String()
}

// knownDigest is the digest by which a registry knows the row's name, "" when there
// is none.
func knownDigest(row Descriptor) Digest {
	d, err := ParseDigest(row.Annotations[annotationDigest])
	if err != nil {
		return ""
	}
	return d
}

// addNames adds what a row is known by, as docker counts: its tag, and its
// repository with the registry's digest.
func addNames(list []Reference, row Descriptor) []Reference {
	ref, err := ParseNamed(fullName(row))
	if err != nil {
		return list
	}
	digest := ref.Digest
	if digest == "" {
		digest = knownDigest(row)
	}
	for _, r := range []Reference{
		{Domain: ref.Domain, Path: ref.Path, Tag: ref.Tag},
		{Domain: ref.Domain, Path: ref.Path, Digest: digest},
	} {
		if (r.Tag != "" || r.Digest != "") && !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	return list
}

// sameRepository tells whether two names are of one repository; a row that has no
// name yet gets what it is to have with its first one.
func sameRepository(have, ref string) bool {
	if have == "" && ref != "" {
		return true
	}
	a, err := ParseNamed(have)
	b, other := ParseNamed(ref)
	return err == nil && other == nil && a.Name() == b.Name()
}

// untagged is a row whose tag another image gets.
func untagged(row Descriptor) Descriptor {
	ref, err := ParseNamed(fullName(row))
	if digest := knownDigest(row); err == nil && digest != "" {
		return named(row, ref.Name()+"@"+string(digest))
	}
	return named(row, "")
}

// oneReference tells whether references are of one repository, with one tag at
// most: docker takes all of them for one name.
func oneReference(list []Reference) bool {
	tags := 0
	for _, ref := range list {
		if ref.Tag != "" {
			tags++
		}
		if tags > 1 || ref.Name() != list[0].Name() {
			return false
		}
	}
	return true
}

// without is a row that has lost the names in drop.
func without(row Descriptor, drop []Reference) Descriptor {
	ref, err := ParseNamed(fullName(row))
	if err != nil {
		return row
	}
	digest := knownDigest(row)
	if slices.Contains(drop, ref) {
		row = untagged(row)
	}
	if digest == "" || !slices.Contains(drop, Reference{Domain: ref.Domain, Path: ref.Path, Digest: digest}) {
		return row
	}
	if left, err := ParseNamed(fullName(row)); err != nil || left.Digest != "" {
		return named(row, "")
	}
	return withAnnotation(row, annotationDigest, "")
}

// withAnnotation returns desc with the annotation, or without it when it is empty.
func withAnnotation(desc Descriptor, key, value string) Descriptor {
	annotations := maps.Clone(desc.Annotations)
	delete(annotations, key)
	if value != "" {
		add(&annotations, key, value)
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	desc.Annotations = annotations
	return desc
}

// withoutRepeats leaves out rows that name an image by repository and digest when
// another row says that, and a tag as well. When that row has another image, one
// for another platform, the name is that one's.
func withoutRepeats(index Index) Index {
	known := map[Reference]Digest{}
	for _, row := range index.Manifests {
		if ref, err := ParseNamed(fullName(row)); err == nil && ref.Tag != "" {
			known[Reference{Domain: ref.Domain, Path: ref.Path, Digest: knownDigest(row)}] = row.Digest
		}
	}
	var rows []Descriptor
	for _, row := range index.Manifests {
		ref, err := ParseNamed(fullName(row))
		if err == nil && ref.Tag == "" && ref.Digest != "" {
			switch known[ref] {
			case row.Digest:
				continue
			case "":
				known[ref] = row.Digest
			default:
				row = named(row, "")
			}
		}
		rows = append(rows, row)
	}
	index.Manifests = rows
	return index
}

// withoutNameless leaves out rows without a name whose image has another row: an
// image is its config, and may have come with several manifests.
func (s *Store) withoutNameless(index Index) Index {
	nameless := func(row Descriptor) bool { return fullName(row) == "" }
	if !slices.ContainsFunc(index.Manifests, nameless) {
		return index
	}
	seen := map[Digest]bool{}
	note := func(row Descriptor) (again bool) {
		e, err := s.readEntry(row)
		if err != nil {
			return false
		}
		again, seen[e.id()] = seen[e.id()], true
		return again
	}
	for _, row := range index.Manifests {
		if !nameless(row) {
			note(row)
		}
	}
	index.Manifests = slices.DeleteFunc(slices.Clone(index.Manifests), func(row Descriptor) bool { return nameless(row) && note(row) })
	return index
}
