package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// ParsePlatform reads "os[/architecture[/variant]]"; what is left out is this
// machine's. A single word may be an architecture too, as with docker.
func ParsePlatform(s string) (Platform, error) {
	p := hostPlatform()
	if s == "" {
		return p, nil
	}
	parts := strings.Split(strings.ToLower(s), "/")
	for _, part := range parts {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
			return Platform{}, fmt.Errorf("parse platform %q: invalid component %q", s, part)
		}
	}
	switch len(parts) {
	case 1:
		if parts[0] != "linux" {
			p.Architecture = architecture(parts[0])
		}
		return p, nil
	case 2, 3:
		p.OS, p.Architecture = parts[0], architecture(parts[1])
		if len(parts) == 3 {
			p.Variant = parts[2]
		}
		return p, nil
	}
	return Platform{}, fmt.Errorf("parse platform %q: want os[/architecture[/variant]]", s)
}

// architecture maps the kernel's names to Go's.
func architecture(s string) string {
	switch s {
	case "x86_64", "x86-64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return s
}

// applyChange applies one Dockerfile instruction to a config. Only those that
// need no build are allowed, as in docker import and docker commit.
func applyChange(c *Config, change string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(change), " ")
	rest = strings.TrimSpace(rest)
	name := strings.ToUpper(word)
	if name == "" {
		return nil
	}
	apply, ok := changeFor(name)
	if !ok {
		return fmt.Errorf("%s is not a valid change command", name)
	}
	if rest == "" && name != "CMD" && name != "ENTRYPOINT" {
		return fmt.Errorf("%s requires at least one argument", name)
	}
	if err := apply(c, rest); err != nil {
		return fmt.Errorf("apply change %q: %w", change, err)
	}
	return nil
}

func changeFor(name string) (func(*Config, string) error, bool) {
	switch name {
	case "CMD":
		return func(c *Config, s string) error { c.Cmd = command(c, s); return nil }, true
	case "ENTRYPOINT":
		return func(c *Config, s string) error { c.Entrypoint = command(c, s); return nil }, true
	case "ENV":
		return changeEnv, true
	case "LABEL":
		return changeLabel, true
	case "EXPOSE":
		return changeExpose, true
	case "VOLUME":
		return changeVolume, true
	case "USER":
		return func(c *Config, s string) error { c.User = s; return nil }, true
	case "STOPSIGNAL":
		return func(c *Config, s string) error { c.StopSignal = s; return nil }, true
	case "WORKDIR":
		return changeWorkdir, true
	case "ONBUILD":
		return func(c *Config, s string) error { c.OnBuild = append(c.OnBuild, s); return nil }, true
	}
	return nil, false
}

// execForm reads a JSON array of strings; anything else is shell form.
func execForm(s string) ([]string, bool) {
	if !strings.HasPrefix(s, "[") {
		return nil, false
	}
	var args []string
	return args, json.Unmarshal([]byte(s), &args) == nil
}

// command returns CMD's or ENTRYPOINT's arguments: exec form as given, shell form
// behind the config's shell. Nothing clears the field.
func command(c *Config, s string) []string {
	if args, ok := execForm(s); ok {
		return args
	}
	if s == "" {
		return nil
	}
	shell := c.Shell
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	return append(append([]string{}, shell...), s)
}

func changeEnv(c *Config, s string) error {
	return eachPair(s, func(key, value string) {
		for i, have := range c.Env {
			if name, _, _ := strings.Cut(have, "="); name == key {
				c.Env[i] = key + "=" + value
				return
			}
		}
		c.Env = append(c.Env, key+"="+value)
	})
}

func changeLabel(c *Config, s string) error {
	return eachPair(s, func(key, value string) { add(&c.Labels, key, value) })
}

// eachPair calls set for each "key=value" of s, or for the one pair of the old
// form "key the value".
func eachPair(s string, set func(key, value string)) error {
	words, err := splitWords(s)
	if err != nil {
		return err
	}
	if !strings.Contains(words[0], "=") {
		key, value, ok := strings.Cut(s, " ")
		if !ok {
			return errors.New("want key=value")
		}
		set(key, strings.TrimSpace(value))
		return nil
	}
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok {
			return fmt.Errorf("syntax error - can't find = in %q. Must be of the form: name=value", w)
		}
		if key == "" {
			return errors.New("names can not be blank")
		}
		set(key, value)
	}
	return nil
}

func changeExpose(c *Config, s string) error {
	for spec := range strings.FieldsSeq(s) {
		ports, protocol, ok := strings.Cut(spec, "/")
		if !ok {
			protocol = "tcp"
		}
		protocol = strings.ToLower(protocol)
		if protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
			return fmt.Errorf("invalid proto: %s", protocol)
		}
		low, high, isRange := strings.Cut(ports, "-")
		if !isRange {
			high = low
		}
		first, err1 := strconv.ParseUint(low, 10, 16)
		last, err2 := strconv.ParseUint(high, 10, 16)
		if err1 != nil || err2 != nil || first > last {
			return fmt.Errorf("invalid containerPort: %s", ports)
		}
		for p := first; p <= last; p++ {
			add(&c.ExposedPorts, strconv.FormatUint(p, 10)+"/"+protocol, struct{}{})
		}
	}
	return nil
}

func changeVolume(c *Config, s string) error {
	paths, ok := execForm(s)
	if !ok {
		paths = strings.Fields(s)
	}
	for _, p := range paths {
		if p = strings.TrimSpace(p); p == "" {
			return errors.New("VOLUME specified can not be an empty string")
		}
		add(&c.Volumes, p, struct{}{})
	}
	return nil
}

// changeWorkdir: a relative directory extends the one before.
func changeWorkdir(c *Config, s string) error {
	if !strings.HasPrefix(s, "/") {
		s = c.WorkingDir + "/" + s
	}
	c.WorkingDir = path.Clean("/" + s)
	return nil
}

// splitWords splits at blanks outside quotes. Quotes go; a backslash outside
// single quotes keeps the next character as it is.
func splitWords(s string) ([]string, error) {
	var words []string
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			break
		}
		word, rest, err := cutWord(s)
		if err != nil {
			return nil, err
		}
		words, s = append(words, word), rest
	}
	if len(words) == 0 {
		return nil, errors.New("want key=value")
	}
	return words, nil
}

// cutWord takes the first word off s, which starts with one.
func cutWord(s string) (word, rest string, err error) {
	var b strings.Builder
	var quote byte
	i := 0
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String(), s[i:], nil
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", "", errors.New("unexpected end of statement while looking for matching quote")
	}
	return b.String(), "", nil
}
