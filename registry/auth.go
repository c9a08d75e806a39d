package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/registry/credentials"
)

// authorizer is what an origin's registry wants to know of the user, and what it
// was told. One goroutine at a time asks for tokens or credentials; the others
// then find what it got.
type authorizer struct {
	// turn has one element when nobody asks; waiting for it ends with the context.
	turn chan struct{}

	mu sync.Mutex
	// way is the challenge that was answered last; the zero value before that.
	way challenge
	// open: the registry lets everyone in.
	open bool
	// tokens are by their scopes, joined by spaces.
	tokens map[string]token
	// users are by repository.
	users map[string]credentials.Auth
}

// token is a bearer token, good until expiry.
type token struct {
	value  string
	expiry time.Time
}

func newAuthorizer() *authorizer {
	a := &authorizer{turn: make(chan struct{}, 1), tokens: map[string]token{}, users: map[string]credentials.Auth{}}
	a.turn <- struct{}{}
	return a
}

// take waits for the turn; give returns it.
func (a *authorizer) take(ctx context.Context) error {
	select {
	case <-a.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *authorizer) give() { a.turn <- struct{}{} }

// known returns what answers the last challenge for scopes, if it is at hand.
func (a *authorizer) known(scopes []string) (authorization string, way challenge) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t, ok := a.tokens[scopeKey(scopes)]; ok && a.way.scheme == "bearer" && time.Now().Before(t.expiry) {
		return "Bearer " + t.value, a.way
	}
	return "", a.way
}

func (a *authorizer) learn(way challenge, scopes []string, t token) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.way = way
	if t.value != "" {
		a.tokens[scopeKey(scopes)] = t
	}
}

// share lets a token that was needed for wider scopes serve for the narrow ones.
func (a *authorizer) share(wider, narrow []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t, ok := a.tokens[scopeKey(wider)]; ok {
		a.tokens[scopeKey(narrow)] = t
	}
}

func scopeKey(scopes []string) string { return strings.Join(scopes, " ") }

// authorization is what to send along before the registry has asked for it: what
// it asked for last time. fresh tells that it was fetched for this request.
func (c *Client) authorization(ctx context.Context, at *endpoint, scopes []string) (value string, fresh bool, err error) {
	value, way := at.auth.known(scopes)
	if value != "" || way.scheme == "" {
		return value, false, nil
	}
	value, err = c.answer(ctx, at, &refusal{challenges: []challenge{way}}, "", scopes)
	return value, way.scheme == "bearer", err
}

// refusal is a 401 of the registry itself, not of a host that it leads to.
type refusal struct {
	err        *Error
	challenges []challenge
}

// refusal tells whether resp, the answer to r, asks for credentials other than
// authorization, and closes it then.
func (c *Client) refusal(ctx context.Context, at *endpoint, r *request, resp *http.Response, authorization string) *refusal {
	switch {
	case !sameOrigin(resp.Request.URL, at.base):
		return nil
	case resp.StatusCode == http.StatusUnauthorized:
		return refusalOf(resp)
	case !r.hidden(resp.StatusCode), authorization != "", at.auth.isOpen():
		return nil
	}
	// Registries that let nobody in particular see a part of what they have hide
	// the rest. Whoever has a login wants to see it: docker asks for the challenge
	// before anything else.
	if user, err := c.user(ctx, at); err != nil || user == (credentials.Auth{}) {
		return nil
	}
	wanted, err := c.challengeOf(ctx, at)
	if err != nil || wanted == nil {
		at.auth.setOpen()
		return nil
	}
	discard(resp)
	return wanted
}

// hidden tells whether a status may mean that r is not for everyone. What is
// written has a challenge where that is so.
func (r *request) hidden(status int) bool {
	reads := (r.method == http.MethodGet || r.method == http.MethodHead) && len(r.scopes) > 0 && r.location == nil
	return reads && (status == http.StatusNotFound || status == http.StatusForbidden) && !slices.Contains(r.accept, status)
}

// isOpen tells that the registry was asked for a challenge and had none.
func (a *authorizer) isOpen() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}

func (a *authorizer) setOpen() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = true
}

// refusalOf reads a 401, and closes it.
func refusalOf(resp *http.Response) *refusal {
	return &refusal{challenges: parseChallenges(resp.Header.Values("WWW-Authenticate")), err: errorOf(resp)}
}

// widen adds the scopes that the registry names to those that a request knew of:
// it may name its repositories in other words than it was asked in.
func (r *refusal) widen(scopes []string) []string {
	wider := slices.Clone(scopes)
	for _, ch := range r.challenges {
		if ch.scheme != "bearer" {
			continue
		}
		for _, scope := range strings.Fields(ch.params["scope"]) {
			if !covered(wider, scope) && len(wider) < 16 {
				wider = append(wider, scope)
			}
		}
	}
	return wider
}

// covered tells whether one of scopes allows all that scope does: same type and
// name, and at least the same actions.
func covered(scopes []string, scope string) bool {
	at := strings.LastIndexByte(scope, ':')
	for _, s := range scopes {
		if s == scope {
			return true
		}
		if at < 0 || !strings.HasPrefix(s, scope[:at+1]) {
			continue
		}
		have := strings.Split(s[at+1:], ",")
		if !slices.ContainsFunc(strings.Split(scope[at+1:], ","), func(a string) bool { return !slices.Contains(have, a) }) {
			return true
		}
	}
	return false
}

// answer makes the Authorization that a refusal of the used one asks for: Bearer
// if it can be had, else Basic, as docker does.
func (c *Client) answer(ctx context.Context, at *endpoint, r *refusal, used string, scopes []string) (string, error) {
	a := at.auth
	if err := a.take(ctx); err != nil {
		return "", err
	}
	defer a.give()
	// Another request may have got a new one while this one waited.
	if known, _ := a.known(scopes); known != "" && known != used {
		return known, nil
	}
	user, err := c.user(ctx, at)
	if err != nil {
		return "", err
	}
	var failure error
	for _, scheme := range []string{"bearer", "basic"} {
		for _, ch := range r.challenges {
			if ch.scheme != scheme {
				continue
			}
			value, err := c.meet(ctx, at, ch, user, scopes)
			if err == nil && value == used {
				err = r.err
			}
			if err == nil {
				return value, nil
			}
			if failure == nil {
				failure = err
			}
		}
	}
	switch {
	case failure != nil:
		return "", failure
	case r.err != nil:
		return "", r.err
	}
	return "", &Error{Status: http.StatusUnauthorized, Code: codeUnauthorized, Message: "authentication required"}
}

// errNoBasic is docker's text for a registry that wants a password.
var errNoBasic = errors.New("no basic auth credentials")

// meet answers one challenge.
func (c *Client) meet(ctx context.Context, at *endpoint, ch challenge, user credentials.Auth, scopes []string) (string, error) {
	if ch.scheme == "basic" {
		if user.Username == "" && user.Password == "" {
			return "", fmt.Errorf("%w: %w", ErrUnauthorized, errNoBasic)
		}
		at.auth.learn(ch, nil, token{})
		return basic(user.Username, user.Password), nil
	}
	if user.RegistryToken != "" {
		at.auth.learn(ch, scopes, token{user.RegistryToken, time.Now().Add(24 * time.Hour)})
		return "Bearer " + user.RegistryToken, nil
	}
	got, err := c.fetchToken(ctx, at, tokenRequest{realm: ch.params["realm"], service: ch.params["service"], scopes: scopes, user: user})
	if err != nil {
		return "", err
	}
	at.auth.learn(ch, scopes, got.token)
	return "Bearer " + got.value, nil
}

// user looks up who the user is to the registry, once per repository: helper
// programs take their time.
func (c *Client) user(ctx context.Context, at *endpoint) (credentials.Auth, error) {
	if c.config.Credentials == nil {
		return credentials.Auth{}, nil
	}
	at.auth.mu.Lock()
	user, known := at.auth.users[at.repository]
	at.auth.mu.Unlock()
	if known {
		return user, nil
	}
	user, err := c.config.Credentials.Get(ctx, at.registry, at.repository)
	if err != nil {
		return credentials.Auth{}, fmt.Errorf("read credentials for %s: %w", at.registry, err)
	}
	at.auth.mu.Lock()
	at.auth.users[at.repository] = user
	at.auth.mu.Unlock()
	return user, nil
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// tokenServer reads a challenge's realm, and decides whether it is told who the
// user is. The registry names it, so what it gets is only what is meant for that
// registry; but neither a registry nor who sits between may have it sent without
// TLS, unless the registry itself is spoken to so.
func (o *origin) tokenServer(realm string) (*url.URL, error) {
	u, err := url.Parse(realm)
	switch {
	case err == nil && u.Host != "" && u.User != nil:
		return nil, fmt.Errorf("ask for token of %s: the registry names no usable token server: it has a password in its address", o.registry)
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "":
		return nil, fmt.Errorf("ask for token of %s: the registry names no usable token server: %q", o.registry, printable(realm))
	case u.Scheme == "https" || o.insecure:
	case place(o.place.Load()) == placeLoopback && placeOfHost(u.Hostname()) == placeLoopback:
	default:
		return nil, fmt.Errorf("ask for token of %s: refused to go to %s: the registry has TLS and its token server has not", o.registry, shown(u))
	}
	u.Fragment = ""
	return u, nil
}
