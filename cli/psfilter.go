package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berth/container"
)

// psFilters are the parsed --filter of ps: every key must match, one value of a
// key is enough, but labels must all match.
type psFilters struct {
	values map[string][]string
	// tests are the keys' conditions, made ready once for all containers.
	tests []func(v *container.View) bool
}

func (f *psFilters) has(key, value string) bool {
	return slices.Contains(f.values[key], value) || key == "status" && len(f.values["exited"]) > 0 || len(f.values["status"]) > 0
}

func (f *psFilters) match(v *container.View) bool {
	for _, test := range f.tests {
		if !test(v) {
			return false
		}
	}
	return true
}

// splitFilters reads KEY=VALUE texts; known lists the allowed keys.
func splitFilters(texts, known []string) (map[string][]string, error) {
	values := map[string][]string{}
	for _, text := range texts {
		key, value, given := strings.Cut(text, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if !given {
			return nil, fmt.Errorf("invalid argument %q for \"-f, --filter\" flag: bad format of filter (expected name=value)", text)
		}
		if !slices.Contains(known, key) {
			return nil, fmt.Errorf("invalid filter '%s'", key)
		}
		values[key] = append(values[key], strings.TrimSpace(value))
	}
	return values, nil
}

func parsePsFilters(texts []string, b *backend, views []*container.View) (*psFilters, error) {
	known := []string{"ancestor", "before", "exited", "expose", "health", "id", "label", "name", "network", "publish", "since", "status", "volume"}
	values, err := splitFilters(texts, known)
	if err != nil {
		return nil, err
	}
	f := &psFilters{values: values}
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
		return one(func(v *container.View, value string) bool { return strings.HasPrefix(v.ID, value) }), nil
	case "name":
		return nameTest(list)
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
		return one(hasMount), nil
	case "health":
		return one(func(_ *container.View, value string) bool { return value == "none" }), nil
	}
	// No container of this version publishes or exposes a port.
	return func(*container.View) bool { return false }, nil
}

// nameTest takes regular expressions, as docker does; a name is one that
// matches itself.
func nameTest(list []string) (func(*container.View) bool, error) {
	var patterns []*regexp.Regexp
	for _, value := range list {
		p, err := regexp.Compile(strings.TrimPrefix(value, "/"))
		if err != nil {
			return nil, fmt.Errorf("invalid filter 'name=%s': %w", value, err)
		}
		patterns = append(patterns, p)
	}
	return func(v *container.View) bool {
		return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool {
			return p.MatchString(v.Name) || p.MatchString("/"+v.Name)
		})
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

// ancestorTest finds containers by their image, however it is called.
func ancestorTest(list []string, b *backend) func(*container.View) bool {
	var ids []string
	for _, value := range list {
		if img, err := b.images.Resolve(value); err == nil {
			ids = append(ids, string(img.ID))
		}
	}
	return func(v *container.View) bool {
		return v.Config != nil && (slices.Contains(ids, v.Image.ID) || slices.Contains(list, v.Image.Ref))
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

func hasMount(v *container.View, value string) bool {
	if v.Spec == nil {
		return false
	}
	for _, m := range v.Spec.Mounts {
		if m.Type == "bind" && (m.Source == value || m.Destination == value) {
			return true
		}
	}
	return false
}
