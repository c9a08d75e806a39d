package logs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"
)

// Tags as docker makes them: the short id where a driver needs some tag, none
// where the user must ask for it.
const (
	tagShortID = "{{.ID}}"
	tagNone    = ""
)

// attributes are what the log options add to each record: the labels and
// environment variables ("K=V") that labels, labels-regex, env and env-regex
// pick. On equal names the variable wins, as in docker. The result is nil when
// there are none.
func attributes(opts, labels map[string]string, env []string) (map[string]string, error) {
	var attrs map[string]string
	add := func(key, value string) {
		if attrs == nil {
			attrs = make(map[string]string)
		}
		attrs[key] = value
	}
	picked, err := newPicker(opts, "labels")
	if err != nil {
		return nil, err
	}
	for key, value := range labels {
		if picked.has(key) {
			add(key, value)
		}
	}
	if picked, err = newPicker(opts, "env"); err != nil {
		return nil, err
	}
	for _, kv := range env {
		if key, value, ok := strings.Cut(kv, "="); ok && picked.has(key) {
			add(key, value)
		}
	}
	return attrs, nil
}

// picker picks names from a list of them or by a pattern.
type picker struct {
	names   []string
	pattern *regexp.Regexp
}

// newPicker reads the option with this name and its form with "-regex".
func newPicker(opts map[string]string, name string) (picker, error) {
	var p picker
	if list := opts[name]; list != "" {
		p.names = strings.Split(list, ",")
	}
	expr := opts[name+"-regex"]
	if expr == "" {
		return p, nil
	}
	var err error
	if p.pattern, err = regexp.Compile(expr); err != nil {
		return p, fmt.Errorf("log opt '%s-regex=%s': %w", name, expr, err)
	}
	return p, nil
}

func (p picker) has(name string) bool {
	return slices.Contains(p.names, name) || p.pattern != nil && p.pattern.MatchString(name)
}

// checkAttributes checks the options that describe a container, without one.
func checkAttributes(opts map[string]string) error {
	if _, err := attributes(opts, nil, nil); err != nil {
		return err
	}
	_, err := tag(opts, Container{ID: strings.Repeat("0", 64)}, tagNone)
	return err
}

// tag expands the option "tag", or fallback without it.
func tag(opts map[string]string, c Container, fallback string) (string, error) {
	text := opts["tag"]
	if text == "" {
		text = fallback
	}
	switch text {
	case tagNone:
		return "", nil
	case tagShortID:
		return short(c.ID), nil
	}
	t, err := template.New("log-tag").Funcs(tagFunctions()).Parse(text)
	if err != nil {
		return "", fmt.Errorf("log opt 'tag=%s': %w", text, err)
	}
	var b strings.Builder
	if err := t.Execute(&b, tagged{c}); err != nil {
		return "", fmt.Errorf("log opt 'tag=%s': %w", text, err)
	}
	return b.String(), nil
}

// tagFunctions are docker's functions in templates.
func tagFunctions() template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"join": strings.Join, "split": strings.Split, "lower": strings.ToLower, "upper": strings.ToUpper,
		"title": func(s string) string {
			if s == "" {
				return s
			}
			return strings.ToUpper(s[:1]) + s[1:]
		},
		"truncate": func(s string, n int) string { return s[:min(len(s), max(0, n))] },
	}
}

// tagged is what a tag's template sees: docker's names.
type tagged struct{ c Container }

// ID is the first twelve digits of the container's id.
func (t tagged) ID() string { return short(t.c.ID) }

// FullID is the container's id.
func (t tagged) FullID() string { return t.c.ID }

// Name is the container's name.
func (t tagged) Name() string { return t.c.Name }

// FullName is the name as docker keeps it, with a slash.
func (t tagged) FullName() string { return "/" + t.c.Name }

// ImageID is the first twelve digits of the image's id.
func (t tagged) ImageID() string { return short(strings.TrimPrefix(t.c.ImageID, "sha256:")) }

// ImageFullID is the image's id.
func (t tagged) ImageFullID() string { return t.c.ImageID }

// ImageName is the image as the user named it.
func (t tagged) ImageName() string { return t.c.Image }

// Command is the command line.
func (t tagged) Command() string { return strings.Join(t.c.Args, " ") }

// ContainerCreated is when the container was created.
func (t tagged) ContainerCreated() time.Time { return t.c.Created }

// DaemonName is what docker's daemon is called, unless told otherwise.
func (t tagged) DaemonName() string { return "docker" }

func short(id string) string { return id[:min(len(id), 12)] }
