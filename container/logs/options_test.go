package logs

import (
	"maps"
	"strings"
	"testing"
	"time"
)

func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		in    map[string]string
		size  int64
		files int
		err   string
	}{
		{nil, 10 << 20, 3, ""},
		{map[string]string{"max-size": "10m", "max-file": "5"}, 10_000_000, 5, ""},
		{map[string]string{"max-size": "1k"}, 1000, 3, ""},
		{map[string]string{"max-size": "-1"}, -1, 3, ""},
		{map[string]string{"labels": "a", "env": "B", "mode": "blocking", "compress": "false"}, 10 << 20, 3, ""},
		{map[string]string{"x": "1"}, 0, 0, "unknown log opt 'x' for json-file log driver"},
		{map[string]string{"max-size": "0"}, 0, 0, "max-size must be a positive number"},
		{map[string]string{"max-size": "ten"}, 0, 0, "invalid size: 'ten'"},
		{map[string]string{"max-file": "0"}, 0, 0, "max-file cannot be less than 1"},
		{map[string]string{"max-file": "9999"}, 0, 0, "max-file cannot be more than"},
		{map[string]string{"max-file": "x"}, 0, 0, "log opt 'max-file=x'"},
		{map[string]string{"compress": "true"}, 0, 0, "'compress' is not supported"},
		{map[string]string{"tag": "x"}, 0, 0, "'tag' is not supported"},
		{map[string]string{"mode": "non-blocking"}, 0, 0, "logging mode not supported"},
	} {
		o, err := ParseOptions(c.in)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v: error %v, want %q", c.in, err, c.err)
			}
			continue
		}
		if err != nil || o.MaxSize != c.size || o.MaxFiles != c.files {
			t.Errorf("%v: %+v, %v", c.in, o, err)
		}
	}
}

func TestAttributes(t *testing.T) {
	opts := map[string]string{"labels": "a,b,missing", "env": "HOME,b"}
	got := Attributes(opts, map[string]string{"a": "1", "b": "2", "c": "3"}, []string{"HOME=/root", "b=env", "X=1"})
	want := map[string]string{"a": "1", "b": "env", "HOME": "/root"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Attributes(nil, map[string]string{"a": "1"}, []string{"A=1"}); got != nil {
		t.Errorf("got %v without options", got)
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
