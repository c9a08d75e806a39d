package events

import (
	"slices"
	"strings"
)

// Filter picks events: values by key. An event must match every key, by any one
// of its values; labels must all be there. The rules of each key are docker's.
type Filter map[string][]string

// FilterKeys lists the keys that a Filter knows.
func FilterKeys() []string {
	return []string{"container", "event", "image", "label", "network", "type", "volume"}
}

// Match tells whether an event passes.
func (f Filter) Match(ev Event) bool {
	for key, values := range f {
		if !matches(key, values, ev) {
			return false
		}
	}
	return true
}

func matches(key string, values []string, ev Event) bool {
	switch key {
	case "type":
		return slices.Contains(values, string(ev.Type))
	case "event":
		return matchesAction(values, ev.Action)
	case "label":
		return hasLabels(ev.Attributes, values)
	case "image":
		return matchesImage(values, ev)
	case "container", "network", "volume":
		// A beginning of the ID or of the name will do.
		return slices.ContainsFunc(values, func(v string) bool {
			return strings.HasPrefix(ev.ID, v) || strings.HasPrefix(ev.Attributes["name"], v)
		})
	}
	return false
}

// matchesAction compares whole actions, or their beginnings when one of the
// values is an action that has more behind it: "exec_create: sh".
func matchesAction(values []string, action string) bool {
	open := func(v string) bool { return v == "exec_create" || v == "exec_start" || v == "health_status" }
	if !slices.ContainsFunc(values, open) {
		return slices.Contains(values, action)
	}
	return slices.ContainsFunc(values, func(v string) bool { return strings.HasPrefix(action, v) })
}

// matchesImage finds the events of an image and of containers made from it, by
// the image's ID or its name, with or without the tag.
func matchesImage(values []string, ev Event) bool {
	name := ev.Attributes["image"]
	if ev.Type == Image {
		name = ev.Attributes["name"]
	}
	for _, have := range []string{ev.ID, name, untagged(ev.ID), untagged(name)} {
		if slices.Contains(values, have) {
			return true
		}
	}
	return false
}

// untagged is an image's name without tag and digest. A colon before a slash is
// a registry's port.
func untagged(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i]
	}
	return name
}

// hasLabels tells whether every KEY or KEY=VALUE is among the attributes.
func hasLabels(attributes map[string]string, list []string) bool {
	for _, want := range list {
		key, value, given := strings.Cut(want, "=")
		have, ok := attributes[key]
		if !ok || given && have != value {
			return false
		}
	}
	return true
}
