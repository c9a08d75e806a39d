package image

import (
	"fmt"
	"strings"
)

// Limits of the reference grammar.
const (
	maxRepositoryLength = 255
	maxTagLength        = 128
	defaultDomain       = "docker.io"
	legacyDomain        = "index.docker.io"
	officialPrefix      = "library/"
	defaultTag          = "latest"
)

// Reference is a docker reference in full: what "box" means is
// docker.io/library/box:latest. The zero value is no reference.
type Reference struct {
	// Domain is the registry's host, with its port if it has one.
	Domain string
	// Path is the repository within the registry, "library/box".
	Path string
	// Tag is empty when the reference has only a digest or only a name.
	Tag string
	// Digest pins content; empty when absent.
	Digest Digest
}

// ParseReference reads s by docker's rules and adds the tag "latest" where s has
// neither tag nor digest. Errors match ErrInvalidReference and start with its
// text, as docker's do.
func ParseReference(s string) (Reference, error) {
	r, err := ParseNamed(s)
	if err == nil && r.Tag == "" && r.Digest == "" {
		r.Tag = defaultTag
	}
	return r, err
}

// ParseNamed is ParseReference without the default tag, for callers to whom a
// bare name means the whole repository.
func ParseNamed(s string) (Reference, error) {
	var r Reference
	rest, digest, pinned := strings.Cut(s, "@")
	if pinned {
		d, err := ParseDigest(digest)
		if err != nil {
			return Reference{}, refuse(s, "%v", err)
		}
		r.Digest = d
	}
	// A full hex id would silently become a repository on docker hub.
	if len(s) == 64 && isLowerHex(s) {
		return Reference{}, refuse(s, "repository name (%s) cannot be 64 hexadecimal characters", s)
	}
	r.Domain, rest = splitDomain(rest)
	if colon := strings.LastIndexByte(rest, ':'); colon >= 0 {
		r.Tag, rest = rest[colon+1:], rest[:colon]
		if !isTag(r.Tag) {
			return Reference{}, refuse(s, "tag %q", r.Tag)
		}
	}
	r.Path = rest
	if r.Domain == defaultDomain && !strings.Contains(r.Path, "/") && r.Path != "" {
		r.Path = officialPrefix + r.Path
	}
	return r, checkNames(s, r)
}

// checkNames applies the grammar to the two halves of a name.
func checkNames(s string, r Reference) error {
	switch {
	case r.Path == "":
		return refuse(s, "repository name must have at least one component")
	case strings.ToLower(r.Path) != r.Path:
		return refuse(s, "repository name (%s) must be lowercase", r.Path)
	case len(r.Path) > maxRepositoryLength:
		return refuse(s, "repository name must not be more than %d characters", maxRepositoryLength)
	case !isDomain(r.Domain):
		return refuse(s, "registry %q", r.Domain)
	}
	for component := range strings.SplitSeq(r.Path, "/") {
		if !isPathComponent(component) {
			return refuse(s, "repository name component %q", component)
		}
	}
	return nil
}

func refuse(s, format string, args ...any) error {
	if s == "" {
		return ErrInvalidReference
	}
	return fmt.Errorf("%w: %s", ErrInvalidReference, fmt.Sprintf(format, args...))
}

// splitDomain separates the registry from the repository. The first component
// is a registry when it could not be a repository on docker hub: it has a dot, a
// port or a capital, or is "localhost".
func splitDomain(s string) (domain, path string) {
	first, rest, slash := strings.Cut(s, "/")
	isHost := strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first
	if !slash || !isHost {
		return defaultDomain, s
	}
	if first == legacyDomain {
		first = defaultDomain
	}
	return first, rest
}

// String returns the full form.
func (r Reference) String() string { return r.suffix(r.Name()) }

// Name returns the repository with its registry, without tag and digest.
func (r Reference) Name() string { return r.Domain + "/" + r.Path }

// Familiar returns the shortest form that means the same, the one docker prints.
func (r Reference) Familiar() string { return r.suffix(r.FamiliarName()) }

// FamiliarName is Familiar without tag and digest: docker's REPOSITORY column.
func (r Reference) FamiliarName() string {
	if r.Domain != defaultDomain {
		return r.Name()
	}
	if short, ok := strings.CutPrefix(r.Path, officialPrefix); ok && !strings.Contains(short, "/") {
		return short
	}
	return r.Path
}

func (r Reference) suffix(name string) string {
	if r.Tag != "" {
		name += ":" + r.Tag
	}
	if r.Digest != "" {
		name += "@" + string(r.Digest)
	}
	return name
}

func isLowerAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
func isAlnum(c byte) bool      { return isLowerAlnum(c) || c >= 'A' && c <= 'Z' }

// isTag: a word character, then up to 127 of word characters, dots and dashes.
func isTag(s string) bool {
	if s == "" || len(s) > maxTagLength || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// isPathComponent: runs of lower-case letters and digits, joined by one dot, one
// or two underscores, or any number of dashes.
func isPathComponent(s string) bool {
	if s == "" || !isLowerAlnum(s[0]) || !isLowerAlnum(s[len(s)-1]) {
		return false
	}
	for i := 0; i < len(s); {
		end := i
		for end < len(s) && !isLowerAlnum(s[end]) {
			end++
		}
		switch joint := s[i:end]; {
		case joint == "", joint == ".", joint == "_", joint == "__":
		case strings.Trim(joint, "-") == "":
		default:
			return false
		}
		i = end + 1
	}
	return true
}

// isDomain: dotted host components or a bracketed IPv6 address, then optionally
// a colon and a port of digits.
func isDomain(s string) bool {
	var host, port string
	var hasPort bool
	if strings.HasPrefix(s, "[") {
		inside, after, closed := strings.Cut(s[1:], "]")
		if !closed || strings.Trim(inside, "0123456789abcdefABCDEF:") != "" || inside == "" {
			return false
		}
		if after != "" && after[0] != ':' {
			return false
		}
		host, port, hasPort = "v6", strings.TrimPrefix(after, ":"), after != ""
	} else {
		host, port, hasPort = strings.Cut(s, ":")
	}
	if hasPort && (port == "" || strings.Trim(port, "0123456789") != "") {
		return false
	}
	for component := range strings.SplitSeq(host, ".") {
		if !isHostComponent(component) {
			return false
		}
	}
	return true
}

func isHostComponent(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}
