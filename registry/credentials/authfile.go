package credentials

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// authFile is the part of docker's config.json, and of podman's auth.json, that
// is about logins.
type authFile struct {
	name        string
	Auths       map[string]entry  `json:"auths"`
	CredsStore  string            `json:"credsStore"`
	CredHelpers map[string]string `json:"credHelpers"`
}

// entry is what a file itself knows of a registry.
type entry struct {
	Auth          string `json:"auth,omitempty"`
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

// find asks the helpers of single registries, then the helper of all, then the
// file itself.
func (a *authFile) find(ctx context.Context, n names, stderr io.Writer) (Auth, error) {
	helper, key, named := a.helperOf(n)
	if named && helper != "" {
		servers := n.hosts
		if slices.Contains(n.parts, key) {
			servers = []string{key}
		}
		h := program{name: helper, file: a.name, setting: "credHelpers", stderr: stderr}
		if auth, err := h.getAny(ctx, servers); err != nil || auth != (Auth{}) {
			return auth, err
		}
	}
	// An empty name says that a registry is not for the helper of all.
	if a.CredsStore != "" && (!named || helper != "") {
		h := program{name: a.CredsStore, file: a.name, setting: "credsStore", stderr: stderr}
		if auth, err := h.getAny(ctx, n.hosts); err != nil || auth != (Auth{}) {
			return auth, err
		}
	}
	return a.findEntry(n)
}

// helperOf returns the helper that is named for a registry or a part of it.
func (a *authFile) helperOf(n names) (helper, key string, named bool) {
	for _, key := range slices.Concat(n.parts, n.hosts) {
		if helper, ok := a.CredHelpers[key]; ok {
			return helper, key, true
		}
	}
	return "", "", false
}

// findEntry looks in the file itself: exact names first, then old addresses.
func (a *authFile) findEntry(n names) (Auth, error) {
	for _, key := range slices.Concat(n.parts, n.hosts) {
		if e, ok := a.Auths[key]; ok && e != (entry{}) {
			return a.decode(key, e)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(a.Auths)) {
		if e := a.Auths[key]; isURLOf(key, n.hosts) && e != (entry{}) {
			return a.decode(key, e)
		}
	}
	return Auth{}, nil
}

// decode reads an entry.
func (a *authFile) decode(key string, e entry) (Auth, error) {
	auth := Auth{Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken}
	if e.Auth == "" {
		return auth, nil
	}
	user, password, err := decodePair(e.Auth)
	if err != nil {
		return Auth{}, fmt.Errorf("read credentials: %s: auth of %s: %w", a.name, key, err)
	}
	auth.Username, auth.Password = user, password
	return auth, nil
}

// decodePair reads "user:password" in base64. The password may have colons.
func decodePair(s string) (user, password string, err error) {
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		// The decoder's error has a byte's place only.
		return "", "", fmt.Errorf("not base64: %w", err)
	}
	user, password, ok := strings.Cut(string(data), ":")
	if !ok || user == "" {
		return "", "", errors.New("not a user and a password with a colon between them")
	}
	// Old versions of docker filled the bytes of base64 up.
	return user, strings.Trim(password, "\x00"), nil
}

// encodeEntry is what docker writes for a login.
func encodeEntry(a Auth) entry {
	e := entry{IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}
	if a.Username != "" || a.Password != "" {
		e.Auth = base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password))
	}
	return e
}
