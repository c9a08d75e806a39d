package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Record is one record of a log.
type Record struct {
	Time   time.Time
	Stream string            // "stdout" or "stderr"
	Line   []byte            // with its newline, if it had one; valid until the callback returns
	Attrs  map[string]string // labels and environment variables, nil without
}

// FormatOptions says how a record is shown.
type FormatOptions struct {
	Timestamps bool // docker logs --timestamps
	Details    bool // docker logs --details
}

// fixedNano is RFC 3339 with all nine digits, so that columns line up.
const fixedNano = "2006-01-02T15:04:05.000000000Z07:00"

// AppendFormat appends r to dst as `docker logs` prints it: time and
// attributes, each followed by a space and only if asked for, then the line.
// Attributes are k=v, URL-encoded, sorted, separated by commas.
func AppendFormat(dst []byte, r Record, o FormatOptions) []byte {
	if o.Timestamps {
		dst = append(r.Time.AppendFormat(dst, fixedNano), ' ')
	}
	if o.Details {
		keys := make([]string, 0, len(r.Attrs))
		for key := range r.Attrs {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for i, key := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendQuery(dst, key)
			dst = append(dst, '=')
			dst = appendQuery(dst, r.Attrs[key])
		}
		dst = append(dst, ' ')
	}
	return append(dst, r.Line...)
}

// appendQuery appends s in the encoding of HTML forms (RFC 3986 section 2.3
// with + for a space).
func appendQuery(dst []byte, s string) []byte {
	const upper = "0123456789ABCDEF"
	for _, b := range []byte(s) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9',
			b == '-', b == '_', b == '.', b == '~':
			dst = append(dst, b)
		case b == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', upper[b>>4], upper[b&0xf])
		}
	}
	return dst
}

// decoder turns lines into records and reuses its memory.
type decoder struct {
	text []byte
}

// decode reads one line, without its newline. The usual shape is read by
// hand, some ten times faster than encoding/json, which takes everything else.
func (d *decoder) decode(line []byte) (Record, error) {
	if r, ok := d.usual(line); ok {
		return r, nil
	}
	var raw struct {
		Log    string            `json:"log"`
		Stream string            `json:"stream"`
		Time   *time.Time        `json:"time"`
		Attrs  map[string]string `json:"attrs"`
	}
	if err := json.Unmarshal(line, &raw); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if raw.Time == nil {
		return Record{}, fmt.Errorf("%w: no time", ErrDamaged)
	}
	d.text = append(d.text[:0], raw.Log...)
	return Record{Time: *raw.Time, Stream: raw.Stream, Line: d.text, Attrs: raw.Attrs}, nil
}

// usual reads a record without attributes as a Writer encodes it.
func (d *decoder) usual(line []byte) (Record, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"log":"`))
	if !ok {
		return Record{}, false
	}
	if rest, ok = d.unescape(rest); !ok {
		return Record{}, false
	}
	r := Record{Line: d.text}
	const out, err = `,"stream":"stdout","time":"`, `,"stream":"stderr","time":"`
	if len(rest) < len(out) {
		return Record{}, false
	}
	switch string(rest[:len(out)]) {
	case out:
		r.Stream = "stdout"
	case err:
		r.Stream = "stderr"
	default:
		return Record{}, false
	}
	stamp, ok := bytes.CutSuffix(rest[len(out):], []byte(`"}`))
	if !ok {
		return Record{}, false
	}
	return r, r.Time.UnmarshalText(stamp) == nil
}

// unescape decodes a JSON string up to its closing quote into d.text and
// returns what follows.
func (d *decoder) unescape(s []byte) ([]byte, bool) {
	d.text = d.text[:0]
	for {
		i := 0
		for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= ' ' && s[i] < 0x80 {
			i++
		}
		d.text = append(d.text, s[:i]...)
		if i == len(s) {
			return nil, false
		}
		s = s[i:]
		switch {
		case s[0] == '"':
			return s[1:], true
		case s[0] != '\\':
			n := d.character(s)
			if n == 0 {
				return nil, false
			}
			s = s[n:]
		default:
			n := d.escape(s)
			if n == 0 {
				return nil, false
			}
			s = s[n:]
		}
	}
}
