package logs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestAppendString(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "héllo\n", `"héllo\n"`},
		{"html", "<a&b>", `"\u003ca\u0026b\u003e"`},
		{"quotes", `a"b\c`, `"a\"b\\c"`},
		{"controls", "\x00\t\r\x1b\x7f", "\"\\u0000\\u0009\\r\\u001b\x7f\""},
		{"invalid", "a\xff\xc3b", `"a\ufffd\ufffdb"`},
		{"line separators", "\u2028\u2029", `"\u2028\u2029"`},
		{"replacement character itself", "\ufffd", "\"\ufffd\""},
		{"empty", "", `""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(appendString(nil, []byte(c.in))); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestRecordShape(t *testing.T) {
	got := appendRecord(nil, []byte("hi\n"), suffix("stderr", nil), []byte("2026-11-21T10:00:00.5Z"))
	const want = `{"log":"hi\n","stream":"stderr","time":"2026-11-21T10:00:00.5Z"}` + "\n"
	if string(got) != want {
		t.Errorf("got  %swant %s", got, want)
	}
	got = appendRecord(nil, []byte("x"), suffix("stdout", map[string]string{"b": "<2>", "a": "1"}), []byte("T"))
	const attrs = `{"log":"x","stream":"stdout","attrs":{"a":"1","b":"\u003c2\u003e"},"time":"T"}` + "\n"
	if string(got) != attrs {
		t.Errorf("got  %swant %s", got, attrs)
	}
}

// FuzzEncode holds that every text is valid JSON and reads back as the text
// with bytes that are no UTF-8 replaced, by both of our decoders.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "a\n", "\xff\xfe", "\u2028<>&\"\\\r\n\t", "日本\xe6\x97"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 {
			return
		}
		stamp := []byte("2026-11-21T10:00:00.123456789Z")
		line := appendRecord(nil, text, suffix("stdout", nil), stamp)
		if n := bytes.IndexByte(line, '\n'); n != len(line)-1 {
			t.Fatalf("newline within %q", line)
		}
		var std struct{ Log string }
		if err := json.Unmarshal(line, &std); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		var d decoder
		r, ok := d.usual(line[:len(line)-1])
		if !ok {
			t.Fatalf("the fast decoder refuses %q", line)
		}
		if string(r.Line) != std.Log || string(r.Line) != string([]rune(string(text))) {
			t.Fatalf("%q reads back as %q", text, r.Line)
		}
	})
}

// FuzzDecode holds that the fast decoder never disagrees with encoding/json.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"log":"a\n","stream":"stdout","time":"2026-11-21T10:00:00Z"}`,
		`{"log":"\ud83d\ude00\u00e9\/","stream":"stderr","time":"2026-11-21T10:00:00Z"}`,
		`{"log":"a","stream":"stdout","attrs":{"k":"v"},"time":"2026-11-21T10:00:00Z"}`,
		`{"log":"` + strings.Repeat("\x00", 8), `{}`, ``, `null`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var d decoder
		fast, ok := d.usual(line)
		if !ok {
			_, _ = d.decode(line)
			return
		}
		var std struct {
			Log, Stream string
			Time        time.Time
		}
		if err := json.Unmarshal(line, &std); err != nil {
			t.Fatalf("the fast decoder takes %q: %v", line, err)
		}
		if string(fast.Line) != std.Log || fast.Stream != std.Stream || !fast.Time.Equal(std.Time) {
			t.Fatalf("%q: %+v, want %+v", line, fast, std)
		}
	})
}

func TestAppendFormat(t *testing.T) {
	r := Record{
		Time: time.Date(2026, 11, 21, 10, 0, 0, 5e8, time.UTC), Line: []byte("line\n"),
		Attrs: map[string]string{"b": "x y", "a": "1&2"},
	}
	for _, c := range []struct {
		o    FormatOptions
		want string
	}{
		{FormatOptions{}, "line\n"},
		{FormatOptions{Timestamps: true}, "2026-11-21T10:00:00.500000000Z line\n"},
		{FormatOptions{Details: true}, "a=1%262,b=x+y line\n"},
		{FormatOptions{Timestamps: true, Details: true}, "2026-11-21T10:00:00.500000000Z a=1%262,b=x+y line\n"},
	} {
		if got := string(AppendFormat(nil, r, c.o)); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.o, got, c.want)
		}
	}
}
