package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
	"berth/container"
	"berth/image"
)

// psFilters are the parsed --filter of ps: every key must match, one value of a
// key is enough, but labels must all match.
type psFilters struct {
	// tests are the keys' conditions, made ready once for all containers.
	tests []func(v *container.View) bool
}

func (f *psFilters) match(v *container.View) bool {
	for _, test := range f.tests {
		if !test(v) {
			return false
		}
	}
	return true
}

// filterOption is --filter of a listing, with -f for short.
func filterOption(to *[]string) *option.Option {
	return option.ParsedList(to, parseFilter, "f,filter", "filter", "Filter output based on conditions provided")
}

// pruneFilterOption is --filter of a prune command, where -f is --force.
func pruneFilterOption(to *[]string, example string) *option.Option {
	return option.ParsedList(to, parseFilter, "filter", "filter", `Provide filter values (e.g. "`+example+`")`)
}

// parseFilter refuses what is no KEY=VALUE; keys come in any case, with blanks
// around.
func parseFilter(text string) (string, error) {
	key, value, given := strings.Cut(text, "=")
	if !given && text != "" {
		return "", verbatim("bad format of filter (expected name=value)")
	}
	return strings.ToLower(strings.TrimSpace(key)) + "=" + strings.TrimSpace(value), nil
}

// splitFilters sorts KEY=VALUE texts by key; known lists the allowed keys.
func splitFilters(texts, known []string) (map[string][]string, error) {
	values := map[string][]string{}
	for _, text := range texts {
		key, value, _ := strings.Cut(text, "=")
		if key == "" {
			continue
		}
		if !slices.Contains(known, key) {
			return nil, verbatim("invalid filter '%s'", key)
		}
		values[key] = append(values[key], value)
	}
	return values, nil
}

func parsePsFilters(texts []string, b *backend, views []*container.View) (*psFilters, error) {
	known := []string{"ancestor", "before", "exited", "expose", "health", "id", "label", "name", "network", "publish", "since", "status", "volume"}
	values, err := splitFilters(texts, known)
	if err != nil {
		return nil, err
	}
	f := &psFilters{}
	for key, list := range values {
		test, err := psTest(key, list, b, views)
		if err != nil {
			return nil, err
		}
		f.tests = append(f.tests, test)
	}
	return f, nil
}

// psTest returns the condition of one key.
func psTest(key string, list []string, b *backend, views []*container.View) (func(*container.View) bool, error) {
	one := func(match func(v *container.View, value string) bool) func(*container.View) bool {
		return func(v *container.View) bool {
			return slices.ContainsFunc(list, func(value string) bool { return match(v, value) })
		}
	}
	switch key {
	case "id":
		return patternTest(key, list, func(v *container.View) []string { return []string{v.ID} })
	case "name":
		return patternTest(key, list, func(v *container.View) []string { return []string{v.Name, "/" + v.Name} })
	case "label":
		return func(v *container.View) bool { return hasLabels(v.Labels, list) }, nil
	case "status":
		for _, value := range list {
			switch value {
			case "created", "restarting", "running", "removing", "paused", "exited", "dead", "broken":
			default:
				return nil, fmt.Errorf("invalid filter 'status=%s'", value)
			}
		}
		return one(func(v *container.View, value string) bool { return string(v.Status) == value }), nil
	case "exited":
		return exitedTest(list)
	case "ancestor":
		return ancestorTest(list, b), nil
	case "before", "since":
		return orderTest(key, list, b, views)
	case "network":
		return one(func(v *container.View, value string) bool { return v.Network == value }), nil
	case "volume":
		return one(func(v *container.View, value string) bool { return hasMount(b, v, value) }), nil
	case "health":
		return healthTest(list)
	}
	return portTest(key, list)
}

// patternTest takes regular expressions, as docker does; a name is one that
// matches itself.
func patternTest(key string, list []string, of func(*container.View) []string) (func(*container.View) bool, error) {
	var patterns []*regexp.Regexp
	for _, value := range list {
		p, err := regexp.Compile(value)
		if err != nil {
			return nil, fmt.Errorf("invalid filter '%s=%s': %w", key, value, err)
		}
		patterns = append(patterns, p)
	}
	return func(v *container.View) bool {
		return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return slices.ContainsFunc(of(v), p.MatchString) })
	}, nil
}

// healthTest finds containers by what their probes say; without a health check
// that is "none".
func healthTest(list []string) (func(*container.View) bool, error) {
	for _, value := range list {
		switch value {
		case "none", string(container.Starting), string(container.Healthy), string(container.Unhealthy):
		default:
			return nil, fmt.Errorf("unrecognised filter value for health: %s", value)
		}
	}
	return func(v *container.View) bool {
		word := "none"
		if v.Health != nil {
			word = string(v.Health.Status)
		}
		return slices.Contains(list, word)
	}, nil
}

// hasLabels tells whether every KEY or KEY=VALUE is among labels.
func hasLabels(labels map[string]string, list []string) bool {
	for _, want := range list {
		key, value, given := strings.Cut(want, "=")
		have, ok := labels[key]
		if !ok || given && have != value {
			return false
		}
	}
	return true
}

func exitedTest(list []string) (func(*container.View) bool, error) {
	var codes []int
	for _, value := range list {
		code, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("invalid filter 'exited=%s'", value)
		}
		codes = append(codes, code)
	}
	return func(v *container.View) bool {
		return v.Status == container.Exited && v.Exit != nil && v.Exit.Code != nil && slices.Contains(codes, *v.Exit.Code)
	}, nil
}

// ancestorTest finds containers by their image, however it is called, and by the
// images that theirs was made from.
func ancestorTest(list []string, b *backend) func(*container.View) bool {
	var images []image.Image
	for _, value := range list {
		if img, err := b.images.Resolve(value); err == nil {
			images = append(images, img)
		}
	}
	return func(v *container.View) bool {
		return slices.Contains(list, v.Image.Ref) || slices.ContainsFunc(images, func(img image.Image) bool {
			below := len(v.Layers) - len(img.Layers)
			return v.Image.ID == string(img.ID) || len(img.Layers) > 0 && below >= 0 && slices.Equal(v.Layers[below:], img.Layers)
		})
	}
}

// orderTest compares with the time of another container.
func orderTest(key string, list []string, b *backend, views []*container.View) (func(*container.View) bool, error) {
	id, err := b.Resolve(list[len(list)-1])
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(views, func(v *container.View) bool { return v.ID == id })
	if at < 0 {
		return func(*container.View) bool { return false }, nil
	}
	mark := views[at].Created
	if key == "before" {
		return func(v *container.View) bool { return v.Created.Before(mark) }, nil
	}
	return func(v *container.View) bool { return v.Created.After(mark) }, nil
}

// hasMount looks for a mount by its source or its place. The spec is read for
// it; a container that is broken, or gone since, has none.
func hasMount(b *backend, v *container.View, value string) bool {
	if v.Status == container.Broken || b.LoadSpec(v.Config) != nil || v.Spec == nil {
		return false
	}
	return slices.ContainsFunc(v.Spec.Mounts, func(m specs.Mount) bool {
		return m.Type == "bind" && (m.Source == value || m.Destination == value)
	})
}

// portTest is publish, which asks for the host's ports, and expose, which asks
// for the container's: PORT[-PORT][/PROTO].
func portTest(key string, list []string) (func(*container.View) bool, error) {
	var wanted []portRange
	for _, value := range list {
		r, err := parsePortRange(key, value)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, r)
	}
	has := func(number uint16, protocol string) bool {
		return slices.ContainsFunc(wanted, func(r portRange) bool {
			return r.protocol == protocol && r.first <= number && number <= r.last
		})
	}
	return func(v *container.View) bool {
		if key == "publish" {
			return slices.ContainsFunc(v.Ports, func(p container.Port) bool { return has(p.HostPort, p.Protocol) })
		}
		return slices.ContainsFunc(slices.Concat(v.Ports, v.Exposed), func(p container.Port) bool { return has(p.ContainerPort, p.Protocol) })
	}, nil
}

func parsePortRange(key, text string) (portRange, error) {
	if strings.Contains(text, ":") {
		return portRange{}, verbatim("filter for '%s' should not contain ':': %s", key, text)
	}
	numbers, protocol, given := strings.Cut(text, "/")
	if !given {
		protocol = "tcp"
	}
	first, last, ranged := strings.Cut(numbers, "-")
	if !ranged {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	if err == nil {
		var to uint64
		to, err = strconv.ParseUint(last, 10, 16)
		if err == nil && from > 0 && from <= to {
			return portRange{protocol: strings.ToLower(protocol), first: uint16(from), last: uint16(to)}, nil
		}
	}
	return portRange{}, verbatim("invalid filter '%s=%s': invalid port: %s", key, text, numbers)
}
