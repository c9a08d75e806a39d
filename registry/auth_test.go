package registry

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/registry/credentials"
	"berth/tests/faultregistry"
)

// guarded is a registry that wants tokens, with a private image and a public one.
func guarded(t testing.TB) (*faultregistry.Server, *faultregistry.TokenServer) {
	s, tokens := faultregistry.New(t), faultregistry.NewTokenServer(t)
	s.Put(t, "private", "v1", noise(10))
	s.Put(t, "public", "v1", noise(10))
	s.WantToken(tokens)
	tokens.User("ann", "secret")
	tokens.Public("public")
	return s, tokens
}

func TestTokens(t *testing.T) {
	ann := credentials.Auth{Username: "ann", Password: "secret"}
	tests := map[string]struct {
		auth   func(*faultregistry.TokenServer) credentials.Auth
		image  string
		setUp  func(*faultregistry.TokenServer)
		method string
		// sent must be in the token request, not must not.
		sent, not []string
	}{
		"password": {
			auth: func(*faultregistry.TokenServer) credentials.Auth { return ann }, image: "private:v1", method: "GET",
			sent: []string{"account=ann", "service=registry", "scope=repository%3Aprivate%3Apull", "Basic YW5uOnNlY3JldA=="},
		},
		"nobody": {
			auth: func(*faultregistry.TokenServer) credentials.Auth { return credentials.Auth{} }, image: "public:v1", method: "GET",
			sent: []string{"scope=repository%3Apublic%3Apull"}, not: []string{"account", "Basic", "offline_token"},
		},
		"identity token": {
			auth: func(s *faultregistry.TokenServer) credentials.Auth {
				return credentials.Auth{IdentityToken: s.Identity("ann")}
			},
			image: "private:v1", method: "POST",
			sent: []string{"grant_type=refresh_token", "refresh_token=identity-ann-0", "client_id=berth", "service=registry", "scope=repository%3Aprivate%3Apull"},
			not:  []string{"Basic", "password"},
		},
		"identity token where POST is not known": {
			auth: func(s *faultregistry.TokenServer) credentials.Auth {
				return credentials.Auth{Username: "ann", Password: "secret", IdentityToken: "x"}
			},
			image: "private:v1", method: "GET", setUp: (*faultregistry.TokenServer).NoPost,
			sent: []string{"account=ann"}, not: []string{"refresh_token"},
		},
		"token server that fails for now": {
			auth: func(*faultregistry.TokenServer) credentials.Auth { return ann }, image: "private:v1", method: "GET",
			setUp: func(s *faultregistry.TokenServer) { s.Answer(faultTimes(s, 2, 503)) },
			sent:  []string{"account=ann"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, tokens := guarded(t)
			if tt.setUp != nil {
				tt.setUp(tokens)
			}
			c := client(t, known(s.Host, tt.auth(tokens)), placeAt(t, s))
			ref := named(t, s, tt.image)
			// Several at once need one token.
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					if _, _, err := c.Manifest(t.Context(), ref); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			all := tokens.Requests()
			last := all[len(all)-1]
			text := last.Query + "\n" + last.Form + "\n" + last.Header.Get("Authorization")
			for _, part := range tt.sent {
				if !strings.Contains(text, part) {
					t.Errorf("token request %q has no %q", text, part)
				}
			}
			for _, part := range tt.not {
				if strings.Contains(text, part) {
					t.Errorf("token request %q has %q", text, part)
				}
			}
			good := 0
			for _, r := range all {
				if r.Method == tt.method {
					good++
				}
			}
			if tt.setUp == nil && (good != 1 || len(all) != 1) {
				t.Errorf("%d token requests, %d by %s", len(all), good, tt.method)
			}
		})
	}
}

// faultTimes fails n times with a status, then never again.
func faultTimes(s *faultregistry.TokenServer, n, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if n--; n == 0 {
			s.Answer(nil)
		}
		w.WriteHeader(status)
	}
}

func TestTokenIsUsedUntilItExpires(t *testing.T) {
	s, tokens := guarded(t)
	tokens.Life(400 * time.Millisecond)
	c, ref := client(t, nil, placeAt(t, s)), named(t, s, "public:v1")
	pull := func() {
		t.Helper()
		if _, _, err := c.Manifest(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	pull()
	pull()
	if n := len(tokens.Requests()); n != 1 {
		t.Errorf("%d tokens for two requests", n)
	}
	time.Sleep(420 * time.Millisecond)
	pull()
	// The refusal at the very start, and then none: the new token was fetched first.
	if n, asked := len(tokens.Requests()), s.Count("GET", "/manifests/"); n != 2 || asked != 4 {
		t.Errorf("%d tokens, %d requests", n, asked)
	}
}

// TestRevokedToken: a token may end before its time.
func TestRevokedToken(t *testing.T) {
	s, tokens := guarded(t)
	c, ref := client(t, nil, placeAt(t, s)), named(t, s, "public:v1")
	for range 2 {
		if _, _, err := c.Manifest(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		tokens.Forget()
	}
	if n, asked := len(tokens.Requests()), s.Count("GET", "/manifests/"); n != 2 || asked != 4 {
		t.Errorf("%d tokens, %d requests", n, asked)
	}
}

func TestRefusedCredentials(t *testing.T) {
	tests := map[string]struct {
		auth  credentials.Auth
		setUp func(*faultregistry.Server, *faultregistry.TokenServer)
		is    error
		want  []string
		// most bounds the requests to the registry.
		most int
	}{
		"nobody": {
			is: ErrDenied, most: 2,
			want: []string{"pull access denied for HOST/private, repository does not exist or may require 'berth login': denied: requested access to the resource is denied"},
		},
		"wrong password": {
			auth: credentials.Auth{Username: "ann", Password: "wrong"}, is: ErrUnauthorized, most: 1,
			want: []string{"ask for token at ", "unauthorized: incorrect username or password"},
		},
		"wrong identity token": {auth: credentials.Auth{IdentityToken: "wrong"}, is: ErrUnauthorized, most: 1, want: []string{"incorrect username or password"}},
		"wrong registry token": {auth: credentials.Auth{RegistryToken: "wrong"}, is: ErrUnauthorized, most: 2, want: []string{"unauthorized: authentication required"}},
		"basic, nobody": {
			setUp: func(s *faultregistry.Server, _ *faultregistry.TokenServer) { s.WantBasic("ann", "secret") },
			is:    ErrUnauthorized, most: 1, want: []string{"no basic auth credentials"},
		},
		"basic, wrong": {
			auth:  credentials.Auth{Username: "ann", Password: "wrong"},
			setUp: func(s *faultregistry.Server, _ *faultregistry.TokenServer) { s.WantBasic("ann", "secret") },
			is:    ErrUnauthorized, most: 2, want: []string{"unauthorized: authentication required"},
		},
		"401 without end, basic": {
			auth:  credentials.Auth{Username: "ann", Password: "secret"},
			setUp: func(s *faultregistry.Server, _ *faultregistry.TokenServer) { s.Challenge(`Basic realm="x"`) },
			is:    ErrUnauthorized, most: 2, want: []string{"authentication required"},
		},
		"401 without end, tokens": {
			auth: credentials.Auth{Username: "ann", Password: "secret"},
			setUp: func(s *faultregistry.Server, tokens *faultregistry.TokenServer) {
				s.Challenge(`Bearer realm="` + tokens.URL + `/token",service="x"`)
			},
			is: ErrUnauthorized, most: 2, want: []string{"authentication required"},
		},
		"401 without end, always for another scope": {
			setUp: func(s *faultregistry.Server, tokens *faultregistry.TokenServer) {
				n := 0
				s.Fail(faultregistry.Fault{Do: func(*faultregistry.Server, http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						n++
						w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",scope="repository:r%d:pull"`, tokens.URL, n))
						w.WriteHeader(401)
					})
				}})
				s.Open()
			},
			is: ErrUnauthorized, most: 4, want: []string{"authentication required"},
		},
		"401 that asks for nothing":     {setUp: challenging(), is: ErrUnauthorized, most: 1, want: []string{"authentication required"}},
		"401 that asks for the unknown": {setUp: challenging("Negotiate", `Digest realm="x", nonce="y"`), is: ErrUnauthorized, most: 1, want: []string{"authentication required"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, tokens := guarded(t)
			if tt.setUp != nil {
				tt.setUp(s, tokens)
			}
			_, _, err := client(t, known(s.Host, tt.auth), placeAt(t, s)).Manifest(t.Context(), named(t, s, "private:v1"))
			for i := range tt.want {
				tt.want[i] = strings.ReplaceAll(tt.want[i], "HOST", s.Host)
			}
			wantError(t, err, tt.is, tt.want...)
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "wrong") {
				t.Errorf("%v shows what is secret", err)
			}
			if n := s.Count("", ""); n > tt.most {
				t.Errorf("%d requests, want at most %d", n, tt.most)
			}
		})
	}
}

func challenging(challenges ...string) func(*faultregistry.Server, *faultregistry.TokenServer) {
	return func(s *faultregistry.Server, _ *faultregistry.TokenServer) { s.Challenge(challenges...) }
}

func TestBasic(t *testing.T) {
	for name, challenges := range map[string][]string{
		"alone":                        {`Basic realm="x"`},
		"after another, in one header": {`Negotiate, Basic realm="x"`},
		"after another, in two":        {"Negotiate", `basic Realm=x`},
		"where the other is unusable":  {`Bearer realm="nowhere"`, `Basic realm="x"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := faultregistry.New(t)
			s.Put(t, "app", "v1", noise(10))
			s.WantBasic("ann", "secret")
			s.Fail(faultregistry.Fault{Do: faultregistry.Status(401, "", headers("WWW-Authenticate", challenges)...), Times: 1})
			s.Open()
			k := known(s.Host, credentials.Auth{Username: "ann", Password: "secret"})
			c := client(t, k, placeAt(t, s))
			for range 3 {
				if _, _, err := c.Manifest(t.Context(), named(t, s, "app:v1")); err != nil {
					t.Fatal(err)
				}
			}
			// Later requests bring along what the first was asked for.
			if n := s.Count("", ""); n != 4 {
				t.Errorf("%d requests", n)
			}
			if len(k.asked) != 1 || k.asked[0] != s.Host+"/app" {
				t.Errorf("credentials were asked for %q", k.asked)
			}
		})
	}
}

func headers(name string, values []string) []string {
	var list []string
	for _, v := range values {
		list = append(list, name, v)
	}
	return list
}

// TestTokenServerThatMisbehaves: what it answers is an error in words, and none of
// it ends up in a header.
func TestTokenServerThatMisbehaves(t *testing.T) {
	for name, tt := range map[string]struct{ body, want string }{
		"no JSON":          {"<html>", "not in the form of a token server's"},
		"no token":         {`{"expires_in": 5}`, "has no token"},
		"token with lines": {`{"token": "a\r\nX-Evil: 1"}`, "characters that no header can have"},
		"endless":          {`{"token": "` + strings.Repeat("a", 2<<20) + `"}`, "too long"},
		"wrong types":      {`{"token": 5}`, "not in the form"},
	} {
		t.Run(name, func(t *testing.T) {
			s, tokens := guarded(t)
			tokens.Answer(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, tt.body) })
			_, _, err := client(t, nil, placeAt(t, s)).Manifest(t.Context(), named(t, s, "public:v1"))
			wantError(t, err, nil, tt.want)
			if n := len(tokens.Requests()); n != 1 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}

// TestTokenServerRedirects: whoever it sends on to gets neither the password nor
// an identity token.
func TestTokenServerRedirects(t *testing.T) {
	for name, auth := range map[string]credentials.Auth{
		"password":       {Username: "ann", Password: "secret"},
		"identity token": {IdentityToken: "secret"},
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				s, tokens := guarded(t)
				thief := faultregistry.New(t)
				tokens.Answer(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief.URL+"/token", status) })
				_, _, err := client(t, known(s.Host, auth), placeAt(t, s)).Manifest(t.Context(), named(t, s, "private:v1"))
				wantError(t, err, nil)
				thief.NoSecrets(t, "secret")
			})
		}
	}
}

func TestParseToken(t *testing.T) {
	now := time.Unix(1000, 0)
	for body, life := range map[string]time.Duration{
		`{"token":"t"}`:                                                    54 * time.Second,
		`{"access_token":"t","expires_in":100}`:                            90 * time.Second,
		`{"token":"t","expires_in":0}`:                                     54 * time.Second,
		`{"token":"t","expires_in":-7}`:                                    54 * time.Second,
		`{"token":"t","expires_in":1e300}`:                                 24 * 54 * time.Minute,
		`{"token":"t","issued_at":"1970-01-01T00:00:00Z","expires_in":10}`: 9 * time.Second,
	} {
		got, err := parseToken([]byte(body), now)
		if err != nil || got.value != "t" || got.expiry.Sub(now) != life {
			t.Errorf("%s: %+v (%v), %v", body, got, got.expiry.Sub(now), err)
		}
	}
}

func TestCoveredScopes(t *testing.T) {
	for _, tt := range []struct {
		have string
		want string
		ok   bool
	}{
		{"repository:a:pull,push", "repository:a:pull", true},
		{"repository:a:pull,push", "repository:a:push,pull", true},
		{"repository:a:pull", "repository:a:pull,push", false},
		{"repository:a:pull", "repository:b:pull", false},
		{"repository:host:5000/a:pull", "repository:host:5000/a:pull", true},
		{"", "registry:catalog:*", false},
		{"x", "x", true},
	} {
		if got := covered(strings.Fields(tt.have), tt.want); got != tt.ok {
			t.Errorf("%q covers %q: %v", tt.have, tt.want, got)
		}
	}
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
