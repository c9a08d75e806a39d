package logs

import (
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		driver, opts string
		err          string
	}{
		{"json-file", "", ""},
		{"json-file", "max-size=10m max-file=5 labels=a labels-regex=^a env=B env-regex=^B tag={{.Name}}/{{.ID}} compress=true mode=non-blocking max-buffer-size=4m", ""},
		{"json-file", "max-size=-1 max-file=1 compress=false mode=blocking", ""},
		{"json-file", "x=1", "unknown log opt 'x' for json-file log driver"},
		{"json-file", "max-size=0", "max-size must be a positive number"},
		{"json-file", "max-size=ten", "invalid size: 'ten'"},
		{"json-file", "max-file=0", "max-file cannot be less than 1"},
		{"json-file", "max-file=9999", "max-file cannot be more than"},
		{"json-file", "max-file=x", "log opt 'max-file=x'"},
		{"json-file", "compress=perhaps", "log opt 'compress=perhaps'"},
		{"json-file", "compress=true max-file=1", "compress cannot be true when max-file is less than 2 or max-size is not set"},
		{"json-file", "compress=true max-size=-1", "compress cannot be true when"},
		{"json-file", "tag={{.Nope}}", "can't evaluate field Nope"},
		{"json-file", "tag={{", "log opt 'tag={{'"},
		{"json-file", "labels-regex=(", "log opt 'labels-regex=(': error parsing regexp"},
		{"json-file", "env-regex=[", "log opt 'env-regex=['"},
		{"json-file", "mode=sometimes", "logger: logging mode not supported: sometimes"},
		{"json-file", "max-buffer-size=1m", "logger: max-buffer-size option is only supported with 'mode=non-blocking'"},
		{"json-file", "mode=non-blocking max-buffer-size=much", "error parsing option max-buffer-size: invalid size: 'much'"},
		{"local", "max-size=1m max-file=2 compress=false labels=a", ""},
		{"local", "max-file=1", ""},
		{"local", "path=/x", "unknown log opt 'path' for log driver local"},
		{"journald", "tag=x labels=a env=b mode=non-blocking", ""},
		{"journald", "max-size=1m", "unknown log opt 'max-size' for journald log driver"},
		{"none", "", ""},
		{"none", "max-size=1m", "invalid logging opts for driver none"},
		{"paper", "", "logger: no log driver named 'paper' is registered"},
	} {
		opts := map[string]string{}
		for _, kv := range strings.Fields(c.opts) {
			key, value, _ := strings.Cut(kv, "=")
			opts[key] = value
		}
		err := Check(c.driver, opts)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s %s: error %v, want %q", c.driver, c.opts, err, c.err)
		}
	}
}

func TestFileOptions(t *testing.T) {
	for _, c := range []struct {
		defaults fileOptions
		in       map[string]string
		want     fileOptions
	}{
		{jsonDefaults(), nil, fileOptions{10 << 20, 3, false}},
		{jsonDefaults(), map[string]string{"max-size": "10m", "max-file": "5"}, fileOptions{10_000_000, 5, false}},
		{jsonDefaults(), map[string]string{"max-size": "1k", "compress": "true"}, fileOptions{1000, 3, true}},
		{jsonDefaults(), map[string]string{"max-size": "-1"}, fileOptions{-1, 3, false}},
		{localDefaults(), nil, fileOptions{20 << 20, 5, true}},
		{localDefaults(), map[string]string{"max-file": "1"}, fileOptions{20 << 20, 1, false}},
	} {
		if got, err := c.defaults.parse(c.in); err != nil || got != c.want {
			t.Errorf("%v: %+v, %v; want %+v", c.in, got, err, c.want)
		}
	}
}

func TestAttributes(t *testing.T) {
	labels, env := map[string]string{"a": "1", "b": "2", "c": "3"}, []string{"HOME=/root", "b=env", "X=1"}
	for _, c := range []struct{ name, opts, want string }{
		{"names, the variable wins", "labels=a,b,missing env=HOME,b", "HOME=/root a=1 b=env"},
		{"patterns", "labels-regex=^[ac]$ env-regex=^X", "X=1 a=1 c=3"},
		{"both", "labels=b labels-regex=c", "b=2 c=3"},
		{"none", "", ""},
	} {
		opts := map[string]string{}
		for _, kv := range strings.Fields(c.opts) {
			key, value, _ := strings.Cut(kv, "=")
			opts[key] = value
		}
		attrs, err := attributes(opts, labels, env)
		var got []string
		for _, key := range sortedKeys(attrs) {
			got = append(got, key+"="+attrs[key])
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v; want %s", c.name, got, err, c.want)
		}
	}
}

func TestTag(t *testing.T) {
	c := Container{
		ID: strings.Repeat("ab", 32), Name: "web", Image: "nginx:1", ImageID: "sha256:" + strings.Repeat("cd", 32),
		Args: []string{"sh", "-c", "x"},
	}
	for _, tt := range []struct{ text, fallback, want string }{
		{"", tagNone, ""},
		{"", tagShortID, "abababababab"},
		{"{{.ID}}", tagNone, "abababababab"},
		{"{{.ImageName}}/{{.Name}}/{{.FullID}}", tagShortID, "nginx:1/web/" + c.ID},
		{"{{upper .FullName}} {{.Command}}", tagShortID, "/WEB sh -c x"},
		{"{{.ImageID}} {{.DaemonName}}", tagNone, "cdcdcdcdcdcd docker"},
		{"plain", tagNone, "plain"},
	} {
		got, err := tag(map[string]string{"tag": tt.text}, c, tt.fallback)
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("X", 2*3600)
	now := time.Date(2026, 11, 21, 12, 0, 0, 7e8, zone)
	for _, c := range []struct{ in, want string }{
		{"10m", "2026-11-21T09:50:00Z"},
		{"1h30m", "2026-11-21T08:30:00Z"},
		{"-1s", "2026-11-21T10:00:01Z"},
		{"2026-11-20T01:02:03Z", "2026-11-20T01:02:03Z"},
		{"2026-11-20T01:02:03.123456789Z", "2026-11-20T01:02:03.123456789Z"},
		{"2026-11-20T01:02:03+01:00", "2026-11-20T00:02:03Z"},
		{"2026-11-20T01:02:03-01:00", "2026-11-20T02:02:03Z"},
		{"2026-11-20T01:02Z", "2026-11-20T01:02:00Z"},
		{"2026-11-20Z", "2026-11-20T00:00:00Z"},
		{"2026-11-20T01:02:03", "2026-11-19T23:02:03Z"},
		{"2026-11-20T01:02", "2026-11-19T23:02:00Z"},
		{"2026-11-20T01", "2026-11-19T23:00:00Z"},
		{"2026-11-20", "2026-11-19T22:00:00Z"},
		{"0", "1970-01-01T00:00:00Z"},
		{"1136073600.000000001", "2006-01-01T00:00:00.000000001Z"},
		{"1136073600.5", "2006-01-01T00:00:00.5Z"},
		{"1136073600", "2006-01-01T00:00:00Z"},
	} {
		got, err := ParseTime(c.in, now)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.in, got.UTC().Format(time.RFC3339Nano), err, c.want)
		}
	}
	for _, bad := range []string{"yesterday", "10x", "2026-13-01", "1.x", "--", "."} {
		if got, err := ParseTime(bad, now); err == nil {
			t.Errorf("%s: %v, want an error", bad, got)
		}
	}
	if got, err := ParseTime("", now); err != nil || !got.IsZero() {
		t.Errorf("empty: %v, %v", got, err)
	}
}
