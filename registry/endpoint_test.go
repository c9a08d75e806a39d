package registry

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"berth/image"
	"berth/registry/credentials"
	"berth/registry/hosts"
	"berth/tests/faultregistry"
)

// mirrored is a registry and a mirror of it with the same image.
func mirrored(t testing.TB) (mirror, main *faultregistry.Server, made faultregistry.Image, layer []byte) {
	mirror, main, layer = faultregistry.New(t), faultregistry.New(t), noise(200_000)
	mirror.Put(t, "app", "v1", layer)
	return mirror, main, main.Put(t, "app", "v1", layer), layer
}

func asMirror(e hosts.Endpoint) hosts.Endpoint {
	e.Mirror = true
	return e
}

func TestMirrors(t *testing.T) {
	tests := map[string]struct {
		faults []faultregistry.Fault
		setUp  func(mirror *faultregistry.Server)
		// main is how many requests the registry itself gets.
		main int
	}{
		"serves all":               {main: 0},
		"has nothing":              {faults: []faultregistry.Fault{{Do: faultregistry.Refuse(404, "MANIFEST_UNKNOWN", "unknown")}}, main: 2},
		"is broken":                {faults: []faultregistry.Fault{{Do: faultregistry.Status(500, "")}}, main: 2},
		"is overloaded":            {faults: []faultregistry.Fault{{Do: faultregistry.Status(429, "", "Retry-After", "3600")}}, main: 2},
		"wants credentials":        {setUp: func(m *faultregistry.Server) { m.Challenge(`Basic realm="x"`) }, main: 2},
		"denies":                   {faults: []faultregistry.Fault{{Do: faultregistry.Refuse(403, "DENIED", "no")}}, main: 2},
		"resets":                   {faults: []faultregistry.Fault{{Do: faultregistry.Reset()}}, main: 2},
		"is down":                  {setUp: func(m *faultregistry.Server) { m.HTTP.Close() }, main: 2},
		"lies about the manifest":  {faults: []faultregistry.Fault{{Path: "/manifests/", Do: faultregistry.Header("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))}}, main: 2},
		"has no manifest's type":   {faults: []faultregistry.Fault{{Path: "/manifests/", Do: faultregistry.Header("Content-Type", "text/html")}}, main: 2},
		"lacks the blob":           {faults: []faultregistry.Fault{{Path: "/blobs/", Do: faultregistry.Refuse(404, "BLOB_UNKNOWN", "unknown")}}, main: 1},
		"has a blob of other size": {faults: []faultregistry.Fault{{Path: "/blobs/", Do: faultregistry.Body([]byte("short"))}}, main: 1},
		"breaks off for ever":      {faults: []faultregistry.Fault{{Path: "/blobs/", Do: faultregistry.Cut(100)}}, main: 1},
		"loses the blob meanwhile": {faults: []faultregistry.Fault{{Path: "/blobs/", Do: goneAfter(100)}}, main: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mirror, main, made, layer := mirrored(t)
			for _, f := range tt.faults {
				mirror.Fail(f)
			}
			if tt.setUp != nil {
				tt.setUp(mirror)
			}
			c := client(t, nil, asMirror(placeAt(t, mirror)), placeAt(t, main))
			ref := named(t, main, "app:v1")
			found, _, err := c.Manifest(t.Context(), ref)
			if err != nil || found.Digest != made.Manifest.Digest {
				t.Fatalf("%+v, %v", found, err)
			}
			got, err := fetch(t, c, ref, made.Layers[0], 0)
			if err != nil || !bytes.Equal(got, layer) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if n := main.Count("", ""); n != tt.main {
				t.Errorf("the registry got %d requests, want %d", n, tt.main)
			}
		})
	}
}

// TestErrorOfTheRegistry: where nobody has it, the registry's word counts.
func TestErrorOfTheRegistry(t *testing.T) {
	mirror, main, _, _ := mirrored(t)
	mirror.Fail(faultregistry.Fault{Do: faultregistry.Status(500, "")})
	c := client(t, nil, asMirror(placeAt(t, mirror)), placeAt(t, main))
	_, _, err := c.Manifest(t.Context(), named(t, main, "app:v2"))
	wantError(t, err, ErrNotFound, "manifest for "+main.Host+"/app:v2 not found: manifest unknown: Unknown manifest")
}

// TestErrorsOfMirrors: where the registry itself is of no use, the user gets to
// see why the mirrors were not, unless they just do not have it.
func TestErrorsOfMirrors(t *testing.T) {
	for name, tt := range map[string]struct {
		fault faultregistry.Behaviour
		said  string
	}{
		"denies":      {faultregistry.Refuse(403, "DENIED", "not you"), " (mirror MIRROR: denied: not you)"},
		"has nothing": {faultregistry.Refuse(404, "MANIFEST_UNKNOWN", "unknown"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			mirror, main, _, _ := mirrored(t)
			mirror.Fail(faultregistry.Fault{Do: tt.fault})
			main.Fail(faultregistry.Fault{Do: faultregistry.Refuse(401, "UNAUTHORIZED", "who are you")})
			c := client(t, nil, asMirror(placeAt(t, mirror)), placeAt(t, main))
			_, _, err := c.Manifest(t.Context(), named(t, main, "app:v1"))
			wantError(t, err, ErrUnauthorized, "unauthorized: who are you"+strings.ReplaceAll(tt.said, "MIRROR", mirror.Host))
			if err != nil && tt.said == "" && strings.Contains(err.Error(), "mirror") {
				t.Errorf("the error tells of the mirror: %v", err)
			}
		})
	}
}

func TestMirrorsForSomeReferences(t *testing.T) {
	mirror, main, made, _ := mirrored(t)
	byTag := named(t, main, "app:v1")
	byDigest := byTag
	byDigest.Digest = made.Manifest.Digest
	for name, tt := range map[string]struct {
		only func(*hosts.Endpoint)
		ref  image.Reference
		used bool
	}{
		"digests only, tag":    {func(e *hosts.Endpoint) { e.ByDigestOnly = true }, byTag, false},
		"digests only, digest": {func(e *hosts.Endpoint) { e.ByDigestOnly = true }, byDigest, true},
		"tags only, tag":       {func(e *hosts.Endpoint) { e.ByTagOnly = true }, byTag, true},
		"tags only, digest":    {func(e *hosts.Endpoint) { e.ByTagOnly = true }, byDigest, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := asMirror(placeAt(t, mirror))
			tt.only(&e)
			before := mirror.Count("", "")
			if _, _, err := client(t, nil, e, placeAt(t, main)).Manifest(t.Context(), tt.ref); err != nil {
				t.Fatal(err)
			}
			if used := mirror.Count("", "") > before; used != tt.used {
				t.Errorf("mirror used: %v", used)
			}
		})
	}
	// What only the registry can tell is not asked of a mirror.
	before := mirror.Count("", "")
	c := client(t, nil, asMirror(placeAt(t, mirror)), placeAt(t, main))
	if _, err := c.Tags(t.Context(), byTag); err != nil {
		t.Error(err)
	}
	if err := c.Ping(t.Context(), main.Host); err != nil {
		t.Error(err)
	}
	if _, err := c.HasBlob(t.Context(), byTag, made.Layers[0]); err != nil {
		t.Error(err)
	}
	if mirror.Count("", "") != before {
		t.Error("the mirror was asked")
	}
	if _, _, err := client(t, nil, asMirror(placeAt(t, mirror))).Manifest(t.Context(), byTag); err != nil {
		t.Errorf("mirror alone: %v", err)
	}
	if _, err := client(t, nil, asMirror(placeAt(t, mirror))).Tags(t.Context(), byTag); err == nil {
		t.Error("tags of a mirror alone")
	}
}

// TestCredentialsOfMirrors: each server gets its own.
func TestCredentialsOfMirrors(t *testing.T) {
	mirror, main, _, _ := mirrored(t)
	mirror.Challenge(`Basic realm="x"`)
	main.WantBasic("ann", "secret")
	c := client(t, known(main.Host, credentials.Auth{Username: "ann", Password: "secret"}), asMirror(placeAt(t, mirror)), placeAt(t, main))
	if _, _, err := c.Manifest(t.Context(), named(t, main, "app:v1")); err != nil {
		t.Fatal(err)
	}
	mirror.NoSecrets(t, "secret")
}

// insecure is what the hosts make of a registry that may do without TLS.
func insecure(t testing.TB, s *faultregistry.Server) []hosts.Endpoint {
	secure, plain := placeAt(t, s), placeAt(t, s)
	secure.Base = &url.URL{Scheme: "https", Host: s.Host}
	secure.TLS = &tls.Config{InsecureSkipVerify: true}
	plain.Base, plain.TLS = &url.URL{Scheme: "http", Host: s.Host}, nil
	return []hosts.Endpoint{secure, plain}
}

func TestInsecureRegistry(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *faultregistry.Server{"http": faultregistry.New, "https": faultregistry.NewTLS} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			made := s.Put(t, "app", "v1", noise(10))
			s.Put(t, "other", "v1", noise(10))
			c := client(t, nil, insecure(t, s)...)
			for _, repository := range []string{"app:v1", "app:v1", "other:v1"} {
				if _, _, err := c.Manifest(t.Context(), named(t, s, repository)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := fetch(t, c, named(t, s, "app:v1"), made.Layers[0], 0); err != nil {
				t.Fatal(err)
			}
			// That another scheme could be tried is no reason not to try this one again.
			s.Fail(faultregistry.Fault{Do: faultregistry.Status(503, ""), Times: 2})
			if _, _, err := client(t, nil, insecure(t, s)...).Manifest(t.Context(), named(t, s, "app:v1")); err != nil {
				t.Fatal(err)
			}
			// A refusal is the registry's, whichever scheme it came by.
			_, _, err := c.Manifest(t.Context(), named(t, s, "app:v2"))
			wantError(t, err, ErrNotFound)
			if n := s.Count("", ""); n != 8 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// TestClientCertificateWanted: what a server says in TLS is not hidden behind what
// it makes of plain http.
func TestClientCertificateWanted(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	secure := hosts.Endpoint{Base: mustURL(t, s.URL), Repository: "app", TLS: &tls.Config{InsecureSkipVerify: true}}
	plain := hosts.Endpoint{Base: &url.URL{Scheme: "http", Host: secure.Base.Host}, Repository: "app"}
	_, _, err := client(t, nil, secure, plain).Manifest(t.Context(), image.Reference{Domain: secure.Base.Host, Path: "app", Tag: "v1"})
	wantError(t, err, nil, "Get \""+s.URL+"/v2/app/manifests/v1\": remote error: tls: certificate required")
}

// TestSecureRegistryStaysSecure: without being told, nothing goes without TLS.
func TestSecureRegistryStaysSecure(t *testing.T) {
	s := faultregistry.NewTLS(t)
	e := placeAt(t, s)
	e.TLS = nil
	_, _, err := client(t, known(s.Host, credentials.Auth{Username: "ann", Password: "secret"}), e).Manifest(t.Context(), named(t, s, "app:v1"))
	wantError(t, err, nil, "Get \"https://"+s.Host+"/v2/app/manifests/v1\"", "certificate signed by unknown authority")
	if s.Count("", "") != 0 {
		t.Error("a request got through")
	}
	plain := faultregistry.New(t)
	e = placeAt(t, plain)
	e.Base = &url.URL{Scheme: "https", Host: plain.Host}
	_, _, err = client(t, nil, e).Manifest(t.Context(), named(t, plain, "app:v1"))
	wantError(t, err, nil, "server gave HTTP response to HTTPS client")
	if plain.Count("", "") != 0 {
		t.Error("a request got through without TLS")
	}
}

// TestNobodyThere: a wrong port is an error at once, in Go's and docker's words.
func TestNobodyThere(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	e := hosts.Endpoint{Base: mustURL(t, gone.URL)}
	c := client(t, nil, e)
	c.config.Retry = Retry{Tries: 5, Delay: 1 << 40, Longest: 1 << 40}
	_, _, err := c.Manifest(t.Context(), image.Reference{Domain: e.Base.Host, Path: "app", Tag: "v1"})
	wantError(t, err, nil, "Get \""+gone.URL+"/v2/app/manifests/v1\": dial tcp "+e.Base.Host+": connect: connection refused")
}

func TestUnusableEndpoints(t *testing.T) {
	for _, base := range []*url.URL{nil, {}, {Scheme: "ftp", Host: "h"}, {Scheme: "https"}} {
		_, _, err := client(t, nil, hosts.Endpoint{Base: base}).Manifest(t.Context(), image.Reference{Domain: "h", Path: "app", Tag: "v1"})
		wantError(t, err, nil, "not an address of a registry")
	}
	_, _, err := client(t, nil).Manifest(t.Context(), image.Reference{Domain: "h", Path: "app", Tag: "v1"})
	wantError(t, err, nil, "no endpoint is configured")
}
