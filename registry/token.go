package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"berth/registry/credentials"
)

const (
	// clientID is what token servers know berth as.
	clientID = "berth"
	// maxTokenAnswer bounds what a token server may say.
	maxTokenAnswer = 1 << 20
	// defaultLife is the specification's, for tokens that do not say.
	defaultLife = 60 * time.Second
	// longestLife keeps sums of times in range.
	longestLife = 24 * time.Hour
)

// tokenRequest is what is asked of a token server.
type tokenRequest struct {
	realm, service string
	scopes         []string
	user           credentials.Auth
	// offline asks for a token to log in with later, too.
	offline bool
}

// tokenAnswer is a token server's.
type tokenAnswer struct {
	token
	// refresh is the identity token, if one was asked for and given.
	refresh string
}

// fetchToken asks the token server that a registry names: with an identity token
// by POST (OAuth 2), else by GET, which all of them know. A server that does not
// know POST is asked by GET where there is a password. What fails for now is for
// the request to repeat that needs the token.
func (c *Client) fetchToken(ctx context.Context, at *endpoint, t tokenRequest) (tokenAnswer, error) {
	server, err := at.tokenServer(t.realm)
	if err != nil {
		return tokenAnswer{}, err
	}
	if t.user.IdentityToken == "" {
		got, err := c.askByGet(ctx, at.origin, server, t)
		if t.offline && errors.Is(err, ErrUnsupported) {
			return c.askByPost(ctx, at.origin, server, t)
		}
		return got, err
	}
	got, err := c.askByPost(ctx, at.origin, server, t)
	if hasPassword := t.user.Username != "" && t.user.Password != ""; hasPassword &&
		(errors.Is(err, ErrUnsupported) || errors.Is(err, ErrNotFound)) {
		return c.askByGet(ctx, at.origin, server, t)
	}
	return got, err
}

// askByGet sends who the user is as Basic authorization, and nothing for nobody.
func (c *Client) askByGet(ctx context.Context, o *origin, server *url.URL, t tokenRequest) (tokenAnswer, error) {
	query := server.Query()
	if t.service != "" {
		query.Set("service", t.service)
	}
	for _, scope := range t.scopes {
		query.Add("scope", scope)
	}
	if t.offline {
		query.Set("offline_token", "true")
		query.Set("client_id", clientID)
	}
	authorization := ""
	if t.user.Username != "" || t.user.Password != "" {
		query.Set("account", t.user.Username)
		authorization = basic(t.user.Username, t.user.Password)
	}
	target := *server
	target.RawQuery = query.Encode()
	r := request{method: http.MethodGet, location: &target, header: http.Header{"Accept": {"application/json"}}}
	resp, err := c.exchange(ctx, o, &r, server, authorization) //nolint:bodyclose // readToken does
	return readToken(server, &r, resp, err)
}

// askByPost sends who the user is in the body. No redirect is followed: it would
// take the secret along.
func (c *Client) askByPost(ctx context.Context, o *origin, server *url.URL, t tokenRequest) (tokenAnswer, error) {
	form := url.Values{"client_id": {clientID}}
	if t.service != "" {
		form.Set("service", t.service)
	}
	if len(t.scopes) > 0 {
		form.Set("scope", scopeKey(t.scopes))
	}
	if t.user.IdentityToken != "" {
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", t.user.IdentityToken)
	} else {
		form.Set("grant_type", "password")
		form.Set("username", t.user.Username)
		form.Set("password", t.user.Password)
	}
	if t.offline {
		form.Set("access_type", "offline")
	}
	text := form.Encode()
	r := request{
		method: http.MethodPost, location: server, size: int64(len(text)),
		header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}},
		body:   func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
	resp, err := c.roundTrip(ctx, o, &r, server, "") //nolint:bodyclose // readToken does
	return readToken(server, &r, resp, err)
}

func readToken(server *url.URL, r *request, resp *http.Response, err error) (tokenAnswer, error) {
	if err == nil {
		resp, err = r.judge(resp) //nolint:bodyclose // readAll does
	}
	if err != nil {
		err = fmt.Errorf("ask for token at %s: %w", shown(server), err)
		if errors.Is(err, ErrNotFound) {
			// It says nothing of what the registry has.
			err = &noTokenServerError{err}
		}
		return tokenAnswer{}, err
	}
	body, err := readAll(resp, maxTokenAnswer)
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("read token from %s: %w", shown(server), err)
	}
	got, err := parseToken(body, time.Now())
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("read token from %s: %w", shown(server), err)
	}
	return got, nil
}

// parseToken reads a token server's answer that came at now. When the token was
// issued is not asked for: clocks differ.
func parseToken(body []byte, now time.Time) (tokenAnswer, error) {
	var said struct {
		Token        string  `json:"token"`
		AccessToken  string  `json:"access_token"`
		RefreshToken string  `json:"refresh_token"`
		ExpiresIn    float64 `json:"expires_in"`
	}
	// The decoder's error could show what is secret.
	if json.Unmarshal(body, &said) != nil {
		return tokenAnswer{}, errors.New("the answer is not in the form of a token server's")
	}
	value := firstOf(said.Token, said.AccessToken)
	if value == "" {
		return tokenAnswer{}, errors.New("the answer has no token")
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return tokenAnswer{}, errors.New("the token has characters that no header can have")
	}
	life := defaultLife
	if said.ExpiresIn > 0 {
		life = time.Duration(min(said.ExpiresIn, longestLife.Seconds()) * float64(time.Second))
	}
	// A tenth of its life is for the way to the registry.
	return tokenAnswer{token: token{value: value, expiry: now.Add(life - life/10)}, refresh: said.RefreshToken}, nil
}

// noTokenServerError is a token server's 404. It unwraps to no *Error, which would
// be taken for the registry's answer about an image.
type noTokenServerError struct{ cause error }

func (e *noTokenServerError) Error() string        { return e.cause.Error() }
func (e *noTokenServerError) Is(target error) bool { return target == ErrNotFound }
