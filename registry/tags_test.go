package registry

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/registry/credentials"
	"berth/tests/faultregistry"
)

// paged is a tag list of three pages, whose links are in the form of a format.
func paged(format string) faultregistry.Behaviour {
	return func(s *faultregistry.Server, _ http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			if page < 2 {
				w.Header().Set("Link", fmt.Sprintf(strings.ReplaceAll(format, "URL", s.URL), page+1))
			}
			fmt.Fprintf(w, `{"name":"app","tags":["a%d","b%d"]}`, page, page)
		})
	}
}

func TestTagsByPage(t *testing.T) {
	for name, format := range map[string]string{
		"path":            `</v2/app/tags/list?page=%d>; rel="next"`,
		"relative":        `<list?page=%d>; rel=next`,
		"query":           `<?page=%d>;rel="next"`,
		"address":         `<URL/v2/app/tags/list?page=%d>; rel="next"`,
		"other relations": `<https://elsewhere.example/x>; rel="prev first", </v2/app/tags/list?page=%d>; title="a, b; <c>"; rel="last next"`,
	} {
		t.Run(name, func(t *testing.T) {
			s := faultregistry.New(t)
			s.WantBasic("ann", "secret")
			s.Fail(faultregistry.Fault{Path: "/tags/list", Do: paged(format)})
			c := client(t, known(s.Host, credentials.Auth{Username: "ann", Password: "secret"}), placeAt(t, s))
			got, err := c.Tags(t.Context(), named(t, s, "app"))
			if want := []string{"a0", "b0", "a1", "b1", "a2", "b2"}; err != nil || !slices.Equal(got, want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestTagsBehindTLSProxy: such a registry calls itself http, and is not asked so.
func TestTagsBehindTLSProxy(t *testing.T) {
	s := faultregistry.NewTLS(t)
	host := s.Host
	s.Fail(faultregistry.Fault{Path: "/tags/list", Do: paged(`<http://` + host + `/v2/app/tags/list?page=%d>; rel="next"`)})
	got, err := client(t, nil, placeAt(t, s)).Tags(t.Context(), named(t, s, "app"))
	if err != nil || len(got) != 6 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTagsOfARegistry(t *testing.T) {
	s := faultregistry.New(t)
	for _, tag := range []string{"v2", "v1"} {
		s.Put(t, "app", tag, noise(10))
	}
	c := client(t, nil, placeAt(t, s))
	got, err := c.Tags(t.Context(), named(t, s, "app"))
	if err != nil || !slices.Equal(slices.Sorted(slices.Values(got)), []string{"v1", "v2"}) {
		t.Errorf("%q, %v", got, err)
	}
	_, err = c.Tags(t.Context(), named(t, s, "nothing"))
	wantError(t, err, ErrNotFound, "repository "+s.Host+"/nothing not found: name unknown")
}

func TestTagsThatDoNotEnd(t *testing.T) {
	other := faultregistry.New(t)
	for name, tt := range map[string]struct {
		do   faultregistry.Behaviour
		want string
	}{
		"circle":           {faultregistry.Status(200, `{"tags":["a"]}`, "Link", `</v2/app/tags/list?n=5>; rel="next"`), "leads in a circle"},
		"another host":     {faultregistry.Status(200, `{"tags":["a"]}`, "Link", `<`+strings.Replace(other.URL, "127.0.0.1", "127.0.0.2", 1)+`/v2/>; rel="next"`), "another host"},
		"with a user":      {faultregistry.Status(200, `{"tags":["a"]}`, "Link", `<http://a:b@127.0.0.1/>; rel="next"`), "another host"},
		"no address":       {faultregistry.Status(200, `{"tags":["a"]}`, "Link", `<http://[::1>; rel="next"`), "no usable next page"},
		"no list":          {faultregistry.Status(200, `<html>`), "read tags of"},
		"of wrong things":  {faultregistry.Status(200, `{"tags":[1]}`), "read tags of"},
		"path for a tag":   {faultregistry.Status(200, `{"tags":["v1","../../etc"]}`), `lists "../../etc", which cannot be one`},
		"empty tag":        {faultregistry.Status(200, `{"tags":[""]}`), "which cannot be one"},
		"digest for a tag": {faultregistry.Status(200, `{"tags":["v1@sha256:`+strings.Repeat("0", 64)+`"]}`), "which cannot be one"},
		"screen for a tag": {faultregistry.Status(200, `{"tags":["\u001b[2J"]}`), `lists "[2J"`},
		"endless page":     {endless, "too long"},
		"endless pages": {func(*faultregistry.Server, http.Handler) http.Handler {
			n := 0
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n, _ = strconv.Atoi(r.URL.Query().Get("last"))
				w.Header().Set("Link", fmt.Sprintf(`</v2/app/tags/list?last=%d>; rel="next"`, n+1))
				fmt.Fprint(w, `{"tags":["a"]}`)
			})
		}, "more than 1000 pages"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faultregistry.New(t)
			s.Fail(faultregistry.Fault{Path: "/tags/list", Do: tt.do})
			_, err := client(t, nil, placeAt(t, s)).Tags(t.Context(), named(t, s, "app"))
			wantError(t, err, nil, tt.want)
			if other.Count("", "") != 0 {
				t.Error("the other host was asked")
			}
		})
	}
}

func TestNextLink(t *testing.T) {
	for in, want := range map[string]string{
		`</a>; rel="next"`:                           "/a",
		`</a>;rel=next`:                              "/a",
		`</a>; REL=Next`:                             "/a",
		`</a>; title="x\"y"; rel="next"`:             "/a",
		`</a>; flag; rel=next`:                       "/a",
		`</a>; rel="prev", </b>; rel="next"`:         "/b",
		`</a>; rel=prev;x=y, </b>; a=b;rel=next;c=d`: "/b",
		`< /a >; rel=next`:                           "/a",
		`</a>`:                                       "",
		`</a>; rel="prev"`:                           "",
		`</a>; rel="nextish"`:                        "",
		`/a; rel="next"`:                             "",
		`</a; rel="next"`:                            "",
		`</a>; rel="next`:                            "",
		`</a>, rel="next"`:                           "",
		``:                                           "",
	} {
		if got := nextLink([]string{in}); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if got := nextLink([]string{`</a>; rel=first`, `</b>; rel=next`}); got != "/b" {
		t.Errorf("two headers: %q", got)
	}
}

func FuzzNextLink(f *testing.F) {
	for _, s := range []string{`</a>; rel="next"`, `</a>; title="x\"y"; rel=next, <b>`, `<`, `<>;`, `<>;;=`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		link := nextLink([]string{s})
		if link != "" && !strings.Contains(s, "<"+link+">") && !strings.Contains(s, link) {
			t.Errorf("%q: %q", s, link)
		}
		// Whatever a server says, the next request goes to it.
		c := New(Config{})
		at := &endpoint{origin: &origin{base: mustURL(t, "https://registry.example")}}
		next, err := at.nextPage(document{from: mustURL(t, "https://registry.example/v2/a/tags/list"), header: http.Header{"Link": {s}}})
		if err == nil && next != nil && !sameOrigin(next, at.base) {
			t.Errorf("%q leads to %s", s, next)
		}
		c.Close()
	})
}

func TestCancelledTags(t *testing.T) {
	s := faultregistry.New(t)
	s.Fail(faultregistry.Fault{Do: faultregistry.Status(503, "")})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client(t, nil, placeAt(t, s)).Tags(ctx, named(t, s, "app"))
	wantError(t, err, context.Canceled)
}
