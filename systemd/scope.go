package systemd

import (
	"fmt"
	"path"
	"strings"
)

// Scope is a transient scope unit (systemd.scope(5)).
type Scope struct {
	// Slice is the slice that the scope is in: "system.slice".
	Slice string
	// Prefix and Name make the unit's name, PREFIX-NAME.scope.
	Prefix, Name string
	// Description is for people; empty for one made of the name.
	Description string
	// Properties are set beside those that every container's scope has, and
	// replace them.
	Properties []Property
}

// ParseScope reads linux.cgroupsPath as runc defines it for systemd:
// "slice:prefix:name". An empty path gives system.slice:berth:ID, an empty
// slice system.slice. The error wraps [ErrName] and names the field.
func ParseScope(cgroupsPath, id string) (Scope, error) {
	s := Scope{Slice: "system.slice", Prefix: "berth", Name: id}
	if cgroupsPath != "" {
		parts := strings.Split(cgroupsPath, ":")
		if len(parts) != 3 {
			return s, fmt.Errorf(`linux.cgroupsPath: expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got %q instead: %w`, cgroupsPath, ErrName)
		}
		if parts[0] != "" {
			s.Slice = parts[0]
		}
		s.Prefix, s.Name = parts[1], parts[2]
	}
	if _, err := ExpandSlice(s.Slice); err != nil {
		return s, fmt.Errorf("linux.cgroupsPath: %w", err)
	}
	if strings.HasSuffix(s.Name, ".slice") {
		return s, fmt.Errorf("linux.cgroupsPath: %q names a slice, which holds no processes: %w", s.Name, ErrName)
	}
	if err := checkUnit(s.Unit()); err != nil {
		return s, fmt.Errorf("linux.cgroupsPath: %w", err)
	}
	return s, nil
}

// Unit is the scope's full name.
func (s Scope) Unit() string { return s.Prefix + "-" + s.Name + ".scope" }

// Path is the scope's group below every hierarchy's root, or "" for a slice
// without a valid name.
func (s Scope) Path() string {
	slice, err := ExpandSlice(s.Slice)
	if err != nil {
		return ""
	}
	return path.Join(slice, s.Unit())
}

// ExpandSlice returns a slice's group: a dash in its name stands for a level
// (systemd.slice(5)), so "a-b.slice" is /a.slice/a-b.slice. The root slice,
// "-.slice", is "/". The error wraps [ErrName].
func ExpandSlice(slice string) (string, error) {
	stem, ok := strings.CutSuffix(slice, ".slice")
	if !ok || stem == "" {
		return "", fmt.Errorf("slice %q does not end in .slice: %w", slice, ErrName)
	}
	if stem == "-" {
		return "/", nil
	}
	if err := checkUnit(slice); err != nil {
		return "", err
	}
	var out, prefix string
	for part := range strings.SplitSeq(stem, "-") {
		if part == "" {
			return "", fmt.Errorf("slice %q has a dash at an end or two in a row: %w", slice, ErrName)
		}
		out += "/" + prefix + part + ".slice"
		prefix += part + "-"
	}
	return out, nil
}

// checkUnit checks a unit's name for its length and characters
// (systemd.unit(5)).
func checkUnit(name string) error {
	if len(name) > 255 {
		return fmt.Errorf("unit name of %d bytes: longer than 255: %w", len(name), ErrName)
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune(`:-_.\@`, rune(c)) {
			return fmt.Errorf("unit name %q: character %q: %w", name, c, ErrName)
		}
	}
	return nil
}
