package registry

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"berth/registry/credentials"
	"berth/tests/faultregistry"
)

// TestRedirectsCarryNothing: what leads to another host (which a port makes one)
// takes no credentials and no cookies along, and what comes from there is used.
func TestRedirectsCarryNothing(t *testing.T) {
	layer := noise(100_000)
	for name, guard := range map[string]func(*faultregistry.Server, *faultregistry.TokenServer){
		"basic": func(s *faultregistry.Server, _ *faultregistry.TokenServer) { s.WantBasic("ann", "secret") },
		"token": func(s *faultregistry.Server, tokens *faultregistry.TokenServer) { s.WantToken(tokens) },
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				t.Parallel()
				s, other, tokens := faultregistry.New(t), faultregistry.New(t), faultregistry.NewTokenServer(t)
				tokens.User("ann", "secret")
				made := s.Put(t, "app", "v1", layer)
				other.Put(t, "app", "v1", layer)
				guard(s, tokens)
				s.Fail(faultregistry.Fault{Path: "/blobs/", Do: faultregistry.Redirect(status, other.URL)})
				s.Fail(faultregistry.Fault{Path: "/manifests/", Do: faultregistry.Redirect(status, other.URL)})
				other.Fail(faultregistry.Fault{Path: "/blobs/", Do: faultregistry.Cut(5000), Times: 1})
				c := client(t, known(s.Host, credentials.Auth{Username: "ann", Password: "secret"}), placeAt(t, s))
				ref := named(t, s, "app:v1")
				if _, _, err := c.Manifest(t.Context(), ref); err != nil {
					t.Fatal(err)
				}
				got, err := fetch(t, c, ref, made.Layers[0], 0)
				if err != nil || !bytes.Equal(got, layer) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				if n := other.Count("", ""); n != 3 {
					t.Errorf("%d requests to the other host", n)
				}
				other.NoSecrets(t, "secret", "token-", "YW5u")
				for _, r := range s.Requests() {
					if r.Header.Get("Cookie") != "" {
						t.Errorf("%s %s has cookies", r.Method, r.Path)
					}
				}
			})
		}
	}
}

// TestRedirectAndBack: another host may not make berth ask the registry, as the
// user, for whatever it likes.
func TestRedirectAndBack(t *testing.T) {
	s, other := faultregistry.New(t), faultregistry.New(t)
	made := s.Put(t, "app", "v1", noise(10))
	s.WantBasic("ann", "secret")
	s.Fail(faultregistry.Fault{Path: "/blobs/", Do: faultregistry.Redirect(307, other.URL)})
	other.Fail(faultregistry.Fault{Do: faultregistry.Redirect(307, s.URL+"/v2/victim/manifests/v1")})
	c := client(t, known(s.Host, credentials.Auth{Username: "ann", Password: "secret"}), placeAt(t, s))
	_, err := fetch(t, c, named(t, s, "app:v1"), made.Layers[0], 0)
	wantError(t, err, ErrUnauthorized)
	for _, r := range s.Requests() {
		if strings.Contains(r.Path, "victim") && r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s came with credentials", r.Method, r.Path)
		}
	}
}

// TestChallengeOfAnotherHost: a host that was redirected to may want to know who
// the user is. It does not learn it.
func TestChallengeOfAnotherHost(t *testing.T) {
	s, other := faultregistry.New(t), faultregistry.New(t)
	made := s.Put(t, "app", "v1", noise(10))
	s.WantBasic("ann", "secret")
	s.Fail(faultregistry.Fault{Path: "/blobs/", Do: faultregistry.Redirect(307, other.URL)})
	other.Challenge(`Basic realm="give me"`, `Bearer realm="`+other.URL+`/token"`)
	c := client(t, known(s.Host, credentials.Auth{Username: "ann", Password: "secret"}), placeAt(t, s))
	_, err := fetch(t, c, named(t, s, "app:v1"), made.Layers[0], 0)
	wantError(t, err, ErrUnauthorized)
	other.NoSecrets(t, "secret")
	if n := other.Count("", ""); n != 1 {
		t.Errorf("%d requests to the other host", n)
	}
}

func TestNoRedirectAwayFromTLS(t *testing.T) {
	s, other := faultregistry.NewTLS(t), faultregistry.New(t)
	made := s.Put(t, "app", "v1", noise(10))
	other.Put(t, "app", "v1", noise(10))
	s.Fail(faultregistry.Fault{Path: "/blobs/", Do: faultregistry.Redirect(307, other.URL)})
	_, err := fetch(t, client(t, nil, placeAt(t, s)), named(t, s, "app:v1"), made.Layers[0], 0)
	wantError(t, err, nil, "refused to go to "+other.URL, "leads away from TLS")
	if other.Count("", "") != 0 {
		t.Error("the other host was asked")
	}
	// Whom the user called insecure may.
	loose := placeAt(t, s)
	loose.TLS.InsecureSkipVerify = true
	if _, err := fetch(t, client(t, nil, loose), named(t, s, "app:v1"), made.Layers[0], 0); err != nil {
		t.Error(err)
	}
}

// TestClientCertificateStays: it says who the user is, as a password does.
func TestClientCertificateStays(t *testing.T) {
	s, other := faultregistry.NewTLS(t), faultregistry.NewTLS(t)
	e := placeAt(t, s)
	e.TLS.Certificates = s.HTTP.TLS.Certificates
	e.TLS.ServerName = "example.com"
	e.TLS.RootCAs.AddCert(other.HTTP.Certificate())
	c := client(t, nil, e)
	o, err := c.origin(e)
	if err != nil {
		t.Fatal(err)
	}
	if o.home.TLSClientConfig != e.TLS {
		t.Error("the registry does not get its own settings")
	}
	for _, away := range []*http.Transport{o.away, o.awayByProxy} {
		config := away.TLSClientConfig
		if len(config.Certificates) != 0 || config.GetClientCertificate != nil || config.ServerName != "" {
			t.Errorf("other hosts get %d certificates, name %q", len(config.Certificates), config.ServerName)
		}
	}
	made := s.Put(t, "app", "v1", noise(10))
	other.Put(t, "app", "v1", noise(10))
	s.Fail(faultregistry.Fault{Path: "/blobs/", Do: faultregistry.Redirect(307, other.URL)})
	if _, err := fetch(t, c, named(t, s, "app:v1"), made.Layers[0], 0); err != nil {
		t.Error(err)
	}
}

// TestRealms: the registry says where credentials go, but not to whom it likes.
func TestRealms(t *testing.T) {
	thief := faultregistry.New(t)
	for name, tt := range map[string]struct {
		tls, insecure bool
		place         place
		realm         string
		want          string
		// asked: the token server is told who the user is.
		asked bool
	}{
		"http realm of an http registry":         {place: placeLoopback, realm: thief.URL + "/token", asked: true},
		"http realm of a public https registry":  {tls: true, place: placePublic, realm: thief.URL + "/token", want: "its token server has not"},
		"http realm of a private https registry": {tls: true, place: placePrivate, realm: thief.URL + "/token", want: "its token server has not"},
		"http realm on loopback, registry there": {tls: true, place: placeLoopback, realm: thief.URL + "/token", asked: true},
		"http realm elsewhere, registry here":    {tls: true, place: placeLoopback, realm: "http://192.0.2.1/token", want: "its token server has not"},
		"http realm of an unverified registry":   {tls: true, insecure: true, place: placeLoopback, realm: thief.URL + "/token", asked: true},
		"realm on loopback of a public registry": {place: placePublic, realm: thief.URL + "/token", want: "has a public address and leads to a loopback one"},
		"realm on loopback by name":              {place: placePublic, realm: "http://localhost:1/token", want: "leads to a loopback one"},
		"realm of a cloud's metadata":            {place: placeLoopback, realm: "http://169.254.169.254/latest/meta-data", want: "leads to a link-local one"},
		"realm of a private host":                {place: placePublic, realm: "http://10.0.0.1/token", want: "leads to a private one"},
		"realm with a user":                      {place: placeLoopback, realm: "http://a:b@127.0.0.1/token", want: "no usable token server: it has a password in its address"},
		"realm of another scheme":                {place: placeLoopback, realm: "file:///etc/passwd", want: "no usable token server"},
		"realm without a host":                   {place: placeLoopback, realm: "https:///token", want: "no usable token server"},
		"realm that is a path":                   {place: placeLoopback, realm: "/token", want: "no usable token server"},
		"empty realm":                            {place: placeLoopback, realm: "", want: "no usable token server"},
		"realm that is a mailbox":                {place: placeLoopback, realm: "https:token", want: "no usable token server"},
	} {
		t.Run(name, func(t *testing.T) {
			s := faultregistry.New(t)
			if tt.tls {
				s = faultregistry.NewTLS(t)
			}
			s.Challenge(`Bearer realm="` + tt.realm + `",service="x"`)
			e := placeAt(t, s)
			if tt.insecure {
				e.TLS.InsecureSkipVerify = true
			}
			c := client(t, known(s.Host, credentials.Auth{Username: "ann", Password: "secret"}), e)
			o, err := c.origin(e)
			if err != nil {
				t.Fatal(err)
			}
			o.place.Store(int32(tt.place))
			before := thief.Count("", "")
			_, _, err = c.Manifest(t.Context(), named(t, s, "app:v1"))
			wantError(t, err, nil, tt.want)
			if asked := thief.Count("", "") > before; asked != tt.asked {
				t.Errorf("token server asked: %v; %v", asked, err)
			}
		})
	}
}

// TestRedirectsInside: a registry on the internet does not get berth to ask what
// only this machine or its network can reach.
func TestRedirectsInside(t *testing.T) {
	inside := faultregistry.New(t)
	port := inside.Host[strings.LastIndexByte(inside.Host, ':'):]
	for name, tt := range map[string]struct {
		from place
		to   string
	}{
		"loopback":            {placePublic, "http://127.0.0.1" + port},
		"loopback by name":    {placePublic, "http://localhost" + port},
		"this host":           {placePublic, "http://0.0.0.0" + port},
		"mapped":              {placePublic, "http://[::ffff:127.0.0.1]" + port},
		"loopback 6":          {placePublic, "http://[::1]" + port},
		"private to loopback": {placePrivate, "http://127.0.0.1" + port},
		"metadata":            {placePublic, "http://169.254.169.254"},
		"metadata, private":   {placePrivate, "http://169.254.169.254"},
		"private":             {placePublic, "http://10.1.2.3"},
		"private 6":           {placePublic, "http://[fd00::1]"},
		"translated":          {placePublic, "http://[64:ff9b::a9fe:a9fe]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := faultregistry.New(t)
			made := s.Put(t, "app", "v1", noise(10))
			s.Fail(faultregistry.Fault{Path: "/blobs/", Do: faultregistry.Redirect(307, tt.to)})
			e := placeAt(t, s)
			c := client(t, nil, e)
			o, err := c.origin(e)
			if err != nil {
				t.Fatal(err)
			}
			o.place.Store(int32(tt.from))
			_, err = fetch(t, c, named(t, s, "app:v1"), made.Layers[0], 0)
			wantError(t, err, nil, "refused to go to", "has a "+tt.from.String()+" address")
			if inside.Count("", "") != 0 {
				t.Error("it was asked")
			}
			// Through a proxy nobody knows what a name stands for, but an address does.
			o.place.Store(int32(tt.from))
			c.config.Proxy = func(u *url.URL) (*url.URL, error) {
				if sameOrigin(u, e.Base) {
					return nil, nil
				}
				return mustURL(t, inside.URL), nil
			}
			_, err = fetch(t, c, named(t, s, "app:v1"), made.Layers[0], 0)
			wantError(t, err, nil, "refused to go to")
			if inside.Count("", "") != 0 {
				t.Error("it was asked through the proxy")
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	for text, want := range map[string]place{
		"8.8.8.8": placePublic, "2001:4860::1": placePublic, "172.32.0.1": placePublic, "100.128.0.1": placePublic,
		"10.0.0.1": placePrivate, "172.16.0.1": placePrivate, "192.168.1.1": placePrivate, "fd12::1": placePrivate,
		"100.64.0.1": placePrivate, "64:ff9b::c0a8:101": placePrivate, "::ffff:10.0.0.1": placePrivate,
		"169.254.1.1": placeLinkLocal, "fe80::1": placeLinkLocal, "224.0.0.1": placeLinkLocal, "ff02::1": placeLinkLocal,
		"127.0.0.1": placeLoopback, "127.9.9.9": placeLoopback, "::1": placeLoopback, "0.0.0.0": placeLoopback, "::": placeLoopback,
		"64:ff9b::808:808": placePublic,
	} {
		if got := placeOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
	for name, want := range map[string]place{
		"localhost": placeLoopback, "LOCALHOST.": placeLoopback, "a.localhost": placeLoopback, "[::1]": placeLoopback,
		"registry.example": placePublic, "localhost.example": placePublic, "10.0.0.1": placePrivate,
	} {
		if got := placeOfHost(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, tt := range []struct {
		from, to place
		may      bool
	}{
		{placePublic, placePublic, true}, {placePublic, placePrivate, false}, {placePublic, placeLoopback, false}, {placePublic, placeLinkLocal, false},
		{placePrivate, placePublic, true}, {placePrivate, placePrivate, true}, {placePrivate, placeLoopback, false}, {placePrivate, placeLinkLocal, false},
		{placeLoopback, placePublic, true}, {placeLoopback, placePrivate, true}, {placeLoopback, placeLoopback, true}, {placeLoopback, placeLinkLocal, false},
		{placeUnknown, placePublic, true}, {placeUnknown, placePrivate, false}, {placeUnknown, placeLoopback, false},
	} {
		if tt.from.mayReach(tt.to) != tt.may {
			t.Errorf("%v to %v: %v", tt.from, tt.to, !tt.may)
		}
	}
}

func TestSameOrigin(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"https://h/a", "https://h:443/b", true}, {"http://h", "http://H:80", true}, {"https://h", "http://h", false},
		{"https://h", "https://h:444", false}, {"https://h", "https://h.evil", false}, {"http://[::1]:5", "http://[::1]:5/x", true},
		{"https://h:80", "http://h:80", false}, {"http://h@evil", "http://h", false},
	} {
		if got := sameOrigin(mustURL(t, tt.a), mustURL(t, tt.b)); got != tt.same {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}

// TestErrorsShowNoSignature: addresses that are redirected to are keys by
// themselves.
func TestErrorsShowNoSignature(t *testing.T) {
	s := faultregistry.New(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	made := s.Put(t, "app", "v1", noise(10))
	s.Fail(faultregistry.Fault{Path: "/blobs/", Do: faultregistry.Redirect(307, strings.Replace(gone.URL, "//", "//user:pass@", 1)+"/x?signature=abc")})
	_, err := fetch(t, client(t, nil, placeAt(t, s)), named(t, s, "app:v1"), made.Layers[0], 0)
	wantError(t, err, nil, "Get \""+gone.URL+"/x\"")
	for _, secret := range []string{"signature", "abc", "pass"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%v", err)
		}
	}
}
