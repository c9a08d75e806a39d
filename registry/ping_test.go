package registry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth/registry/credentials"
	"berth/tests/faultregistry"
)

func TestLogin(t *testing.T) {
	ann := credentials.Auth{Username: "ann", Password: "secret"}
	wrong := credentials.Auth{Username: "ann", Password: "wrong"}
	token := func(s *faultregistry.Server, tokens *faultregistry.TokenServer) { s.WantToken(tokens) }
	password := func(s *faultregistry.Server, _ *faultregistry.TokenServer) { s.WantBasic("ann", "secret") }
	for name, tt := range map[string]struct {
		guard    func(*faultregistry.Server, *faultregistry.TokenServer)
		auth     credentials.Auth
		identity string
		is       error
		want     string
	}{
		"password":              {guard: password, auth: ann},
		"wrong password":        {guard: password, auth: wrong, is: ErrUnauthorized, want: "login attempt to http://HOST/v2/ failed with status: 401 Unauthorized"},
		"no password":           {guard: password, is: ErrUnauthorized, want: "unauthorized: authentication required"},
		"token":                 {guard: token, auth: ann, identity: "identity-ann-0"},
		"token, wrong password": {guard: token, auth: wrong, is: ErrUnauthorized, want: "unauthorized: incorrect username or password"},
		"open registry":         {guard: func(*faultregistry.Server, *faultregistry.TokenServer) {}, auth: wrong},
		"registry token": {guard: func(s *faultregistry.Server, _ *faultregistry.TokenServer) {
			s.Challenge(`Bearer realm="http://127.0.0.1:1/"`)
		}, auth: credentials.Auth{RegistryToken: "x"}, is: ErrUnauthorized, want: "login attempt to"},
		"token server that only knows POST": {guard: func(s *faultregistry.Server, tokens *faultregistry.TokenServer) {
			s.WantToken(tokens)
			tokens.NoGet()
		}, auth: ann, identity: "identity-ann-0"},
		"either, token refused": {guard: func(s *faultregistry.Server, _ *faultregistry.TokenServer) {
			s.Fail(faultregistry.Fault{Do: faultregistry.Status(401, "", "WWW-Authenticate", `Bearer realm="nowhere", Basic realm="x"`), Times: 1})
		}, auth: ann},
		"no registry":         {guard: failing(faultregistry.Status(404, "")), auth: ann, is: ErrNotFound, want: "404 Not Found"},
		"broken":              {guard: failing(faultregistry.Status(500, "")), auth: ann, want: "500 Internal Server Error"},
		"challenge of no use": {guard: func(s *faultregistry.Server, _ *faultregistry.TokenServer) { s.Challenge("Negotiate") }, auth: ann, is: ErrUnauthorized, want: "authentication required"},
	} {
		t.Run(name, func(t *testing.T) {
			s, tokens := faultregistry.New(t), faultregistry.NewTokenServer(t)
			tokens.User("ann", "secret")
			tt.guard(s, tokens)
			// What is stored from before plays no part.
			c := client(t, known(s.Host, credentials.Auth{Username: "old", Password: "old"}), placeAt(t, s))
			identity, err := c.Login(t.Context(), s.Host, tt.auth)
			if identity != tt.identity {
				t.Errorf("identity token %q, want %q", identity, tt.identity)
			}
			if tt.want == "" && err != nil {
				t.Fatal(err)
			}
			if tt.want != "" {
				wantError(t, err, tt.is, strings.ReplaceAll(tt.want, "HOST", s.Host))
				for _, secret := range []string{"wrong", "secret"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%v", err)
					}
				}
			}
			// The new identity is what the next client logs in with.
			if identity != "" {
				again := client(t, known(s.Host, credentials.Auth{IdentityToken: identity}), placeAt(t, s))
				if err := again.Ping(t.Context(), s.Host); err != nil {
					t.Errorf("with the identity token: %v", err)
				}
			}
		})
	}
}

func failing(do faultregistry.Behaviour) func(*faultregistry.Server, *faultregistry.TokenServer) {
	return func(s *faultregistry.Server, _ *faultregistry.TokenServer) { s.Fail(faultregistry.Fault{Do: do}) }
}

// TestLoginRedirects: nor does a login follow to another host.
func TestLoginRedirects(t *testing.T) {
	s, thief := faultregistry.New(t), faultregistry.New(t)
	s.Fail(faultregistry.Fault{Do: faultregistry.Redirect(307, thief.URL)})
	for _, challenge := range []string{`Basic realm="x"`, `Bearer realm="` + thief.URL + `/token"`} {
		thief.Challenge(challenge)
		_, err := client(t, nil, placeAt(t, s)).Login(t.Context(), s.Host, credentials.Auth{Username: "ann", Password: "secret"})
		wantError(t, err, ErrUnauthorized)
	}
	thief.NoSecrets(t, "secret")
	if n := thief.Count("", "/token"); n != 0 {
		t.Errorf("%d requests for tokens", n)
	}
}

func TestPing(t *testing.T) {
	s := faultregistry.New(t)
	s.WantBasic("ann", "secret")
	if err := client(t, known(s.Host, credentials.Auth{Username: "ann", Password: "secret"}), placeAt(t, s)).Ping(t.Context(), s.Host); err != nil {
		t.Error(err)
	}
	wantError(t, client(t, nil, placeAt(t, s)).Ping(t.Context(), s.Host), ErrUnauthorized, "no basic auth credentials")
	s.Open()
	s.Fail(faultregistry.Fault{Do: faultregistry.Silent(time.Minute)})
	wantError(t, client(t, nil, placeAt(t, s)).Ping(t.Context(), s.Host), nil, "nothing came for")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, client(t, nil, placeAt(t, s)).Ping(ctx, s.Host), context.Canceled)
}

// index is a docker index with n repositories.
func index(n int) faultregistry.Behaviour {
	return func(*faultregistry.Server, http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var rows []string
			for i := range n {
				rows = append(rows, fmt.Sprintf(`{"name":"%s-%d","description":"no. %d\n\u001b[31m","star_count":%d,"is_official":%v,"is_automated":true}`,
					r.URL.Query().Get("q"), i, i, 10-i, i == 0))
			}
			fmt.Fprintf(w, `{"num_results":%d,"results":[%s]}`, n, strings.Join(rows, ","))
		})
	}
}

func TestSearch(t *testing.T) {
	s := faultregistry.New(t)
	s.Fail(faultregistry.Fault{Path: "/v1/search", Do: index(3)})
	got, err := client(t, nil, placeAt(t, s)).Search(t.Context(), s.Host, "a b&c", 2)
	want := SearchResult{Name: "a b&c-0", Description: "no. 0  [31m", Stars: 10, Official: true, Automated: true}
	if err != nil || len(got) != 2 || got[0] != want || got[1].Official {
		t.Errorf("%+v, %v", got, err)
	}
	if r := s.Requests()[0]; r.Query != "n=2&q=a+b%26c" {
		t.Errorf("asked for %q", r.Query)
	}
}

func TestSearchInCatalog(t *testing.T) {
	s := faultregistry.New(t)
	for _, name := range []string{"team/app", "team/apple", "other"} {
		s.Put(t, name, "v1", noise(10))
	}
	s.Fail(faultregistry.Fault{Path: "/v1/", Do: faultregistry.Status(404, "404 page not found")})
	c := client(t, nil, placeAt(t, s))
	got, err := c.Search(t.Context(), s.Host, "APP", 25)
	if err != nil || len(got) != 2 || !strings.HasPrefix(got[0].Name, "team/app") {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = c.Search(t.Context(), s.Host, "app", 1); err != nil || len(got) != 1 {
		t.Errorf("limit 1: %+v, %v", got, err)
	}
	if got, err = c.Search(t.Context(), s.Host, "nothing", 1); err != nil || len(got) != 0 {
		t.Errorf("no match: %+v, %v", got, err)
	}
}

func TestSearchWithCredentials(t *testing.T) {
	s, tokens := faultregistry.New(t), faultregistry.NewTokenServer(t)
	tokens.User("ann", "secret")
	s.Put(t, "app", "v1", noise(10))
	s.WantToken(tokens)
	s.Fail(faultregistry.Fault{Path: "/v1/", Do: faultregistry.Status(404, "")})
	c := client(t, known(s.Host, credentials.Auth{Username: "ann", Password: "secret"}), placeAt(t, s))
	if got, err := c.Search(t.Context(), s.Host, "app", 5); err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err := client(t, nil, placeAt(t, s)).Search(t.Context(), s.Host, "app", 5)
	wantError(t, err, nil, "search "+s.Host)
}

func TestSearchThatIsNotOffered(t *testing.T) {
	for name, do := range map[string]faultregistry.Behaviour{
		"not known":   faultregistry.Status(404, "404 page not found"),
		"not allowed": faultregistry.Refuse(405, "UNSUPPORTED", "The operation is unsupported."),
		"not for you": faultregistry.Refuse(403, "DENIED", "no"),
		"web page":    faultregistry.Status(200, "<html>hello</html>"),
		"other JSON":  faultregistry.Status(200, `{"hello": 1}`),
	} {
		t.Run(name, func(t *testing.T) {
			s := faultregistry.New(t)
			s.Fail(faultregistry.Fault{Do: do})
			_, err := client(t, nil, placeAt(t, s)).Search(t.Context(), s.Host, "app", 5)
			wantError(t, err, ErrUnsupported, "search "+s.Host, "offers neither a search nor a list of its repositories")
		})
	}
	s := faultregistry.New(t)
	s.Fail(faultregistry.Fault{Do: faultregistry.Status(500, "")})
	_, err := client(t, nil, placeAt(t, s)).Search(t.Context(), s.Host, "app", 5)
	wantError(t, err, nil, "500 Internal Server Error")
	_, err = client(t, nil, placeAt(t, s)).Search(t.Context(), s.Host, "app", 0)
	wantError(t, err, nil, "limit 0")
}
