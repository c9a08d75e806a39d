package faultregistry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// refusal is an answer to who may not.
type refusal struct {
	status    int
	challenge []string
	code      string
}

func (n *refusal) write(w http.ResponseWriter) {
	for _, c := range n.challenge {
		w.Header().Add("WWW-Authenticate", c)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(n.status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"authentication required"}]}`, n.code)
}

// Challenge answers every request with 401 and these challenges.
func (s *Server) Challenge(challenges ...string) {
	s.setGate(func(*http.Request) *refusal {
		return &refusal{http.StatusUnauthorized, challenges, "UNAUTHORIZED"}
	})
}

// WantBasic lets in who knows the password.
func (s *Server) WantBasic(user, password string) {
	s.setGate(func(r *http.Request) *refusal {
		if u, p, _ := r.BasicAuth(); u == user && p == password {
			return nil
		}
		return &refusal{http.StatusUnauthorized, []string{`Basic realm="registry"`}, "UNAUTHORIZED"}
	})
}

// Hide answers with a status, and no challenge, whoever comes without credentials
// for a path with this part. It is for after the other kinds of gates.
func (s *Server) Hide(part string, status int) {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	s.setGate(func(r *http.Request) *refusal {
		if strings.Contains(r.URL.Path, part) && r.Header.Get("Authorization") == "" {
			return &refusal{status: status, code: "DENIED"}
		}
		return gate(r)
	})
}

// WantToken lets in who has a token of server's for what is asked.
func (s *Server) WantToken(server *TokenServer) { s.wantToken(server, scopeOf) }

// WantTokenFor lets in who has a token for a scope, whatever is asked.
func (s *Server) WantTokenFor(server *TokenServer, scope string) {
	s.wantToken(server, func(*http.Request) string { return scope })
}

func (s *Server) wantToken(server *TokenServer, scopeOf func(*http.Request) string) {
	s.setGate(func(r *http.Request) *refusal {
		scope := scopeOf(r)
		challenge := fmt.Sprintf(`Bearer realm="%s/token",service="registry"`, server.URL)
		if scope != "" {
			challenge += fmt.Sprintf(`,scope=%q`, scope)
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			return &refusal{http.StatusUnauthorized, []string{challenge}, "UNAUTHORIZED"}
		}
		switch server.check(token, scope) {
		case tokenUnknown:
			return &refusal{http.StatusUnauthorized, []string{challenge + `,error="invalid_token"`}, "UNAUTHORIZED"}
		case tokenNarrow:
			return &refusal{http.StatusUnauthorized, []string{challenge + `,error="insufficient_scope"`}, "DENIED"}
		}
		return nil
	})
}

func (s *Server) setGate(gate func(*http.Request) *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
}

// scopeOf is what docker's registry asks for: pull, or push with it.
func scopeOf(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	if path == "_catalog" {
		return "registry:catalog:*"
	}
	for _, kind := range []string{"/manifests/", "/blobs/", "/tags/"} {
		if repository, _, ok := strings.Cut(path, kind); ok {
			if r.Method == http.MethodGet || r.Method == http.MethodHead {
				return "repository:" + repository + ":pull"
			}
			return "repository:" + repository + ":pull,push"
		}
	}
	return ""
}

// TokenServer gives tokens as docker hub's does: by GET to who knows a password,
// by POST (OAuth 2) also for the identity tokens that it gave, and to everyone
// for repositories that are public.
type TokenServer struct {
	URL string
	// HTTP is the server.
	HTTP *httptest.Server

	mu sync.Mutex
	// users are passwords by name, public the scopes that everyone has.
	users  map[string]string
	public []string
	// life is how long tokens are good, and what they say of themselves.
	life     time.Duration
	noPost   bool
	noGet    bool
	given    int
	tokens   map[string]grant
	refresh  map[string]string
	requests []Request
	fault    http.HandlerFunc
}

type grant struct {
	scopes  []string
	expires time.Time
}

// NewTokenServer starts one that knows nobody, whose tokens last five minutes.
func NewTokenServer(t testing.TB) *TokenServer {
	s := &TokenServer{users: map[string]string{}, tokens: map[string]grant{}, refresh: map[string]string{}, life: 5 * time.Minute}
	s.HTTP = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.HTTP.URL
	t.Cleanup(s.HTTP.Close)
	return s
}

// User adds one, who may do everything.
func (s *TokenServer) User(name, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[name] = password
}

// Public lets everyone pull from a repository.
func (s *TokenServer) Public(repository string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.public = append(s.public, "repository:"+repository+":pull")
}

// Life sets how long tokens are good from now on.
func (s *TokenServer) Life(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = d
}

// NoPost makes it one that only knows GET.
func (s *TokenServer) NoPost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noPost = true
}

// NoGet makes it one that only knows POST.
func (s *TokenServer) NoGet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noGet = true
}

// Forget makes all tokens invalid that were given so far.
func (s *TokenServer) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = map[string]grant{}
}

// Answer lets a handler answer in its place; nil ends that.
func (s *TokenServer) Answer(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = h
}

// Identity makes an identity token for a user.
func (s *TokenServer) Identity(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identity(name)
}

func (s *TokenServer) identity(name string) string {
	token := fmt.Sprintf("identity-%s-%d", name, len(s.refresh))
	s.refresh[token] = name
	return token
}

// Requests returns what was sent so far.
func (s *TokenServer) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

const (
	tokenGood = iota
	tokenUnknown
	tokenNarrow
)

func (s *TokenServer) check(token, scope string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.tokens[token]
	switch {
	case !ok || time.Now().After(g.expires):
		return tokenUnknown
	case scope != "" && !allows(g.scopes, scope):
		return tokenNarrow
	}
	return tokenGood
}

// allows: pull is a part of pull,push.
func allows(scopes []string, scope string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return s == scope || s == scope+",push" })
}

func (s *TokenServer) serve(w http.ResponseWriter, r *http.Request) {
	// A body that is no form is an empty one.
	_ = r.ParseForm()
	s.mu.Lock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), r.RemoteAddr, r.PostForm.Encode()})
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	user, known := "", true
	var offline bool
	switch {
	case r.Method == http.MethodPost && s.noPost:
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
		return
	case r.Method == http.MethodGet && s.noGet:
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	case r.Method == http.MethodPost:
		user, known = s.byForm(r.PostForm)
		offline = r.PostForm.Get("access_type") == "offline"
	default:
		if name, password, given := r.BasicAuth(); given {
			user, known = name, s.users[name] != "" && s.users[name] == password
		}
		offline = r.Form.Get("offline_token") == "true"
	}
	w.Header().Set("Content-Type", "application/json")
	if !known {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"details":"incorrect username or password"}`)
		return
	}
	s.grant(w, user, strings.Fields(strings.Join(r.Form["scope"], " ")), offline)
}

func (s *TokenServer) byForm(form url.Values) (user string, known bool) {
	if form.Get("grant_type") == "refresh_token" {
		user, known = s.refresh[form.Get("refresh_token")]
		return user, known
	}
	user = form.Get("username")
	return user, s.users[user] != "" && s.users[user] == form.Get("password")
}

// grant writes a token for those of the scopes that user may have.
func (s *TokenServer) grant(w http.ResponseWriter, user string, scopes []string, offline bool) {
	s.given++
	token := fmt.Sprintf("token-%d", s.given)
	g := grant{expires: time.Now().Add(s.life)}
	for _, scope := range scopes {
		if user != "" || slices.Contains(s.public, scope) {
			g.scopes = append(g.scopes, scope)
		}
	}
	s.tokens[token] = g
	said := map[string]any{"token": token, "expires_in": s.life.Seconds()}
	if offline && user != "" {
		said["refresh_token"] = s.identity(user)
	}
	// Nothing but a client that went away can fail here.
	_ = json.NewEncoder(w).Encode(said)
}

// Open lets everyone in again.
func (s *Server) Open() { s.setGate(nil) }
