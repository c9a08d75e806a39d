package hosts

import (
	"fmt"
	"strings"

	"berth/image"
)

// find returns the registry whose prefix is the longest that ref starts with;
// the zero value when nothing is said of it.
func (c *config) find(ref image.Reference) (registry, error) {
	name := ref.Domain
	if ref.Path != "" {
		name = ref.String()
	}
	var best registry
	for _, r := range c.registries {
		if matchPrefix(name, r.prefix) > 0 && len(r.prefix) > len(best.prefix) {
			best = r
		}
	}
	if best.blocked {
		return registry{}, refusal(best.file, "registry %s is blocked", best.prefix)
	}
	return best, nil
}

// matchPrefix returns how much of name the prefix stands for; 0 for none. What
// follows has to be a part of its own: "example.com/foo" is no prefix of
// "example.com/foobar".
func matchPrefix(name, prefix string) int {
	if isWildcard(prefix) {
		return matchWildcard(name, prefix[1:])
	}
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok || rest != "" && !strings.ContainsRune(":/@", rune(rest[0])) {
		return 0
	}
	return len(prefix)
}

// matchWildcard is matchPrefix for subdomains; suffix starts with a dot.
func matchWildcard(name, suffix string) int {
	end := len(name)
	if i := strings.IndexAny(name, ":/@"); i >= 0 {
		end = i
	}
	if sub, ok := strings.CutSuffix(name[:end], suffix); !ok || sub == "" {
		return 0
	}
	return end
}

// mirrorsFor lists the mirrors that are for references as ref.
func (r registry) mirrorsFor(ref image.Reference) []mirror {
	var list []mirror
	for _, m := range r.mirrors {
		byDigest := ref.Digest != ""
		if m.only == digestOnly && !byDigest || m.only == tagOnly && byDigest {
			continue
		}
		list = append(list, m)
	}
	return list
}

// rewrite puts location in the place of the prefix that matched ref; an empty one
// leaves ref as it is.
func (r registry) rewrite(ref image.Reference, location string) (image.Reference, error) {
	if location == "" {
		return ref, nil
	}
	name := ref.String()
	text := location + name[matchPrefix(name, r.prefix):]
	at, err := image.ParseNamed(text)
	if err != nil {
		return at, fmt.Errorf("%s: [[registry]] %s makes %s of %s: %w", r.file, r.prefix, text, name, err)
	}
	return at, nil
}
