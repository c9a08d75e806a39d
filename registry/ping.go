package registry

import (
	"context"
	"errors"
	"net/http"

	"berth/image"
	"berth/registry/credentials"
)

// Ping asks whether host is a registry that the user may speak to.
func (c *Client) Ping(ctx context.Context, host string) error {
	return c.each(ctx, image.Reference{Domain: host}, direct, func(at *endpoint) error {
		resp, err := c.send(ctx, at, pingRequest())
		if err == nil {
			discard(resp)
		}
		return err
	})
}

func pingRequest() request { return request{method: http.MethodGet, path: "/v2/"} }

// Login asks registry host whether it takes auth, and returns the identity token
// that its token server gives for it, if it gives one: to be stored in the place of
// the password. A registry that lets everyone in takes anything, as with docker.
// The error matches ErrUnauthorized when it does not take it.
func (c *Client) Login(ctx context.Context, host string, auth credentials.Auth) (identityToken string, err error) {
	err = c.each(ctx, image.Reference{Domain: host}, direct, func(at *endpoint) error {
		r := pingRequest()
		return c.retry(ctx, c.triesOf(at, &r), func() error {
			identityToken, err = c.loginAt(ctx, at, auth)
			return err
		})
	})
	return identityToken, err
}

// loginAt asks without credentials first, to learn which ones are wanted, and
// keeps nothing of what it learns.
func (c *Client) loginAt(ctx context.Context, at *endpoint, auth credentials.Auth) (identityToken string, err error) {
	wanted, err := c.challengeOf(ctx, at)
	if err != nil || wanted == nil {
		return "", err
	}
	authorization, identity, err := c.credential(ctx, at, wanted, auth)
	if err != nil {
		return "", err
	}
	r := pingRequest()
	resp, err := c.exchange(ctx, at.origin, &r, at.base, authorization) //nolint:bodyclose // discard does
	if err == nil {
		resp, err = r.judge(resp) //nolint:bodyclose // discard does
	}
	var refused *Error
	if errors.As(err, &refused) {
		refused.Attempt = "login attempt to " + shown(at.base) + "/v2/"
		return "", refused
	}
	if err != nil {
		return "", err
	}
	discard(resp)
	return identity, nil
}

// challengeOf is what a registry says to nobody, nil when it lets everyone in.
func (c *Client) challengeOf(ctx context.Context, at *endpoint) (*refusal, error) {
	r := pingRequest()
	r.accept = []int{http.StatusUnauthorized}
	resp, err := c.exchange(ctx, at.origin, &r, at.base, "") //nolint:bodyclose // discard and refusalOf do
	if err == nil {
		resp, err = r.judge(resp) //nolint:bodyclose // discard and refusalOf do
	}
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode != http.StatusUnauthorized:
		discard(resp)
		return nil, nil
	case !sameOrigin(resp.Request.URL, at.base):
		// Another host was led to, and would get the credentials by its challenge.
		return nil, errorOf(resp)
	}
	return refusalOf(resp), nil
}

// credential makes the Authorization that a refusal asks for out of auth.
func (c *Client) credential(ctx context.Context, at *endpoint, r *refusal, auth credentials.Auth) (authorization, identity string, err error) {
	err = r.err
	for _, ch := range r.challenges {
		switch {
		case ch.scheme == "basic" && (auth.Username != "" || auth.Password != ""):
			return basic(auth.Username, auth.Password), "", nil
		case ch.scheme == "bearer" && auth.RegistryToken != "":
			return "Bearer " + auth.RegistryToken, "", nil
		case ch.scheme == "bearer":
			var got tokenAnswer
			got, err = c.fetchToken(ctx, at, tokenRequest{
				realm: ch.params["realm"], service: ch.params["service"], user: auth, offline: true,
			})
			if err == nil {
				return "Bearer " + got.value, got.refresh, nil
			}
		}
	}
	return "", "", err
}
