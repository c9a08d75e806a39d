package registry

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestParseChallenges(t *testing.T) {
	one := func(scheme string, pairs ...string) challenge {
		ch := challenge{scheme: scheme, params: map[string]string{}}
		for i := 0; i+1 < len(pairs); i += 2 {
			ch.params[pairs[i]] = pairs[i+1]
		}
		return ch
	}
	for _, tt := range []struct {
		in   []string
		want []challenge
	}{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{`Basic realm="x"`}, []challenge{one("basic", "realm", "x")}},
		{[]string{`Basic`}, []challenge{one("basic")}},
		{[]string{`BASIC REALM=x`}, []challenge{one("basic", "realm", "x")}},
		{[]string{`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"`},
			[]challenge{one("bearer", "realm", "https://auth.docker.io/token", "service", "registry.docker.io", "scope", "repository:a/b:pull,push")}},
		{[]string{`Bearer realm = "a" , service = "b"`}, []challenge{one("bearer", "realm", "a", "service", "b")}},
		{[]string{`Bearer realm=https://a/b?c&d,service=x`}, []challenge{one("bearer", "realm", "https://a/b?c&d", "service", "x")}},
		{[]string{`Bearer realm="a\"b\\c"`}, []challenge{one("bearer", "realm", `a"b\c`)}},
		{[]string{`Bearer realm="a",error="invalid_token", Basic realm="b"`}, []challenge{one("bearer", "realm", "a", "error", "invalid_token"), one("basic", "realm", "b")}},
		{[]string{`Basic realm="a, Bearer realm=b"`}, []challenge{one("basic", "realm", "a, Bearer realm=b")}},
		{[]string{`Negotiate, Basic realm="b"`}, []challenge{one("negotiate"), one("basic", "realm", "b")}},
		{[]string{`Negotiate`, `Basic realm="b"`}, []challenge{one("negotiate"), one("basic", "realm", "b")}},
		{[]string{`Negotiate abc==, Basic realm="b"`}, []challenge{one("negotiate", "abc", "="), one("basic", "realm", "b")}},
		{[]string{`Negotiate abc, Basic realm="b"`}, []challenge{one("negotiate"), one("basic", "realm", "b")}},
		{[]string{`, ,Basic realm="b",,`}, []challenge{one("basic", "realm", "b")}},
		{[]string{`Basic realm="a", realm="b"`}, []challenge{one("basic", "realm", "a")}},
		{[]string{`Basic realm="a`, `Bearer realm="b"`}, []challenge{one("basic"), one("bearer", "realm", "b")}},
		{[]string{`Basic realm="a\`}, []challenge{one("basic")}},
		{[]string{`Basic realm=`}, []challenge{one("basic", "realm", "")}},
		{[]string{`Basic =x`}, []challenge{one("basic")}},
		{[]string{`"x"`}, nil},
	} {
		if got := parseChallenges(tt.in); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q:\n%+v, want\n%+v", tt.in, got, tt.want)
		}
	}
}

func TestChallengesAreBounded(t *testing.T) {
	if got := len(parseChallenges([]string{strings.Repeat("Basic realm=x, ", 1000), "Bearer"})); got != maxChallenges {
		t.Errorf("%d challenges", got)
	}
	var long strings.Builder
	for i := range 1000 {
		long.WriteString(strings.Repeat("a", i+1) + "=b,")
	}
	if got := parseChallenges([]string{"Basic " + long.String()}); len(got) != 1 || len(got[0].params) != maxParams {
		t.Errorf("%d challenges", len(got))
	}
}

func FuzzParseChallenges(f *testing.F) {
	for _, s := range []string{`Basic realm="x"`, `Bearer realm="a\"",b=c, Negotiate x==`, `a b c=d, e`, `"`, `=,=`, "A\t=\tB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, ch := range parseChallenges([]string{s}) {
			if ch.scheme == "" || ch.scheme != strings.ToLower(ch.scheme) || strings.ContainsAny(ch.scheme, " ,=\"") {
				t.Errorf("%q: scheme %q", s, ch.scheme)
			}
			for name := range ch.params {
				if name == "" || name != strings.ToLower(name) {
					t.Errorf("%q: parameter %q", s, name)
				}
			}
		}
		// What an error makes of it is fit for a terminal.
		e := &Error{Status: http.StatusUnauthorized}
		e.fromChallenge(parseChallenges([]string{s}))
		e.fromBody([]byte(s))
		if text := e.Error(); strings.ContainsAny(text, "\x1b\n\r") {
			t.Errorf("%q: %q", s, text)
		}
	})
}
