package registry

import (
	"testing"

	"berth/registry/credentials"
	"berth/tests/faultregistry"
)

// TestHiddenFromStrangers: some registries have no challenge for what they hide.
func TestHiddenFromStrangers(t *testing.T) {
	ann := credentials.Auth{Username: "ann", Password: "secret"}
	for _, status := range []int{403, 404} {
		s := faultregistry.New(t)
		s.Put(t, "app", "v1", noise(10))
		s.WantBasic("ann", "secret")
		s.Hide("/manifests/", status)
		c := client(t, known(s.Host, ann), placeAt(t, s))
		for range 2 {
			if _, _, err := c.Manifest(t.Context(), named(t, s, "app:v1")); err != nil {
				t.Fatalf("%d: %v", status, err)
			}
		}
		if n := s.Count("", ""); n != 4 {
			t.Errorf("%d: %d requests", status, n)
		}
		// As nobody there is nothing to ask for.
		before := s.Count("", "")
		_, _, err := client(t, nil, placeAt(t, s)).Manifest(t.Context(), named(t, s, "app:v1"))
		wantError(t, err, nil)
		if n := s.Count("", "") - before; n != 1 {
			t.Errorf("%d: %d requests as nobody", status, n)
		}
	}
	// A registry that has nothing to hide is asked once.
	s := faultregistry.New(t)
	c := client(t, known(s.Host, ann), placeAt(t, s))
	for range 3 {
		_, _, err := c.Manifest(t.Context(), named(t, s, "app:v1"))
		wantError(t, err, ErrNotFound)
	}
	if n := s.Count("", ""); n != 4 {
		t.Errorf("%d requests to an open registry", n)
	}
	s.NoSecrets(t, "secret")
}

// TestScopeInOtherWords: a registry may call its repositories something else in
// its tokens. It is asked for such a token once.
func TestScopeInOtherWords(t *testing.T) {
	s, tokens := faultregistry.New(t), faultregistry.NewTokenServer(t)
	s.Put(t, "app", "v1", noise(10))
	tokens.Public("renamed")
	s.WantTokenFor(tokens, "repository:renamed:pull")
	c := client(t, nil, placeAt(t, s))
	for range 3 {
		if _, _, err := c.Manifest(t.Context(), named(t, s, "app:v1")); err != nil {
			t.Fatal(err)
		}
	}
	if n, asked := len(tokens.Requests()), s.Count("", ""); n != 1 || asked != 4 {
		t.Errorf("%d tokens, %d requests", n, asked)
	}
}
