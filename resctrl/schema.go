package resctrl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// schema is one line for the schemata file.
type schema struct {
	field string // below linux.intelRdt
	line  string
}

// resource is what the line is about: "L3", "MB".
func (s schema) resource() string {
	name, _, _ := strings.Cut(s.line, ":")
	return strings.TrimSpace(name)
}

// lines returns the lines to write, in the order of the runtime-spec: the L3
// schema, the bandwidth's, then the free ones.
func lines(rdt *specs.LinuxIntelRdt) ([]schema, error) {
	var out []schema
	for line := range strings.SplitSeq(rdt.L3CacheSchema, "\n") {
		// Callers pass the content of a schemata file on, bandwidth included;
		// runc leaves that to memBwSchema, too.
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "MB:") {
			out = append(out, schema{"l3CacheSchema", line})
		}
	}
	if rdt.MemBwSchema != "" {
		if !strings.HasPrefix(rdt.MemBwSchema, "MB:") {
			return nil, refuse("memBwSchema", rdt.MemBwSchema, "does not begin with MB:")
		}
		out = append(out, schema{"memBwSchema", rdt.MemBwSchema})
	}
	for _, line := range rdt.Schemata {
		out = append(out, schema{"schemata", line})
	}
	for _, x := range out {
		if strings.ContainsAny(x.line, "\n\x00") {
			return nil, refuse(x.field, x.line, "is more than one line")
		}
		if _, ok := parse(x.line); !ok {
			return nil, refuse(x.field, x.line, "is not RESOURCE:ID=VALUE;…")
		}
	}
	return out, nil
}

func refuse(field, line, reason string) error {
	return fmt.Errorf("linux.intelRdt.%s: %q %s: %w", field, line, reason, ErrConfig)
}

// parse reads "L3:0=7f0;1=1f" into values by cache id, without the leading
// zeros that the kernel adds to bit masks.
func parse(line string) (map[string]string, bool) {
	resource, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
	if !ok || resource == "" {
		return nil, false
	}
	out := map[string]string{}
	for pair := range strings.SplitSeq(rest, ";") {
		id, value, ok := strings.Cut(pair, "=")
		id, value = strings.TrimSpace(id), strings.TrimSpace(value)
		if !ok || id == "" || value == "" {
			return nil, false
		}
		out[trimZeros(id)] = trimZeros(strings.ToLower(value))
	}
	return out, true
}

// trimZeros drops leading zeros, but for the last digit.
func trimZeros(s string) string {
	if short := strings.TrimLeft(s, "0"); short != "" {
		return short
	}
	return "0"
}

// schemata reads a schemata file: lines by resource.
func schemata(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "schemata"))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, _, ok := strings.Cut(line, ":"); ok {
			out[name] = line
		}
	}
	return out, nil
}

// offers refuses schemas for resources that the processor cannot share out.
func (f FS) offers(list []schema) error {
	if len(list) == 0 {
		return nil
	}
	have, err := schemata(f.Dir)
	if err != nil {
		return fmt.Errorf("linux.intelRdt: %w", err)
	}
	for _, x := range list {
		if have[x.resource()] == "" {
			return fmt.Errorf("linux.intelRdt.%s: the processor or the mount's options offer no control of %s: %w", x.field, x.resource(), ErrUnsupported)
		}
	}
	return nil
}

// compare refuses schemas that differ from those of a class of service that
// others have set up. Free schemata are written instead.
func (g *Group) compare(list []schema) error {
	have, err := schemata(g.Dir())
	if err != nil {
		return fmt.Errorf("linux.intelRdt.closID: %w", err)
	}
	for _, x := range list {
		if x.field == "schemata" {
			continue
		}
		want, _ := parse(x.line)
		is, _ := parse(have[x.resource()])
		for id, value := range want {
			if is[id] != value {
				return refuse(x.field, x.line, fmt.Sprintf("differs from class of service %q, which has %q", g.rdt.ClosID, have[x.resource()]))
			}
		}
	}
	return nil
}

// writeSchema writes one line. The kernel says in a file of its own what it
// did not like.
func (f FS) writeSchema(dir string, x schema) error {
	err := write(filepath.Join(dir, "schemata"), x.line)
	if err == nil {
		return nil
	}
	status, _ := os.ReadFile(filepath.Join(f.Dir, "info/last_cmd_status"))
	if text := strings.TrimSpace(string(status)); text != "" && text != "ok" {
		return fmt.Errorf("linux.intelRdt.%s: %s: %w", x.field, text, err)
	}
	return fmt.Errorf("linux.intelRdt.%s: %w", x.field, err)
}
