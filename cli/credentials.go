package cli

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"strings"

	"berth/image"
	"berth/registry"
	"berth/registry/credentials"
)

// runtimeAuthDir is where podman keeps logins of users without a runtime folder.
const runtimeAuthDir = "/run/containers"

// logins are the files with the user's logins.
func (s *session) logins(authfile string) *credentials.Files {
	return credentials.New(credentials.Options{
		AuthFile: authfile, LookupEnv: s.userEnv, RuntimeDir: runtimeAuthDir, UID: os.Getuid(), Stderr: s.err,
	})
}

// credentials says who the user is: to the registry of ref what the flags say, if
// anything, to others what the files say.
func (s *session) credentials(f registryFlags, ref image.Reference) registry.Credentials {
	files := s.logins(f.authfile)
	if f.creds == "" {
		return files
	}
	name, password, _ := strings.Cut(f.creds, ":")
	return &givenLogin{registry: ref.Domain, auth: credentials.Auth{Username: name, Password: password}, others: files}
}

// givenLogin is a login of the command line, for one registry only.
type givenLogin struct {
	registry string
	auth     credentials.Auth
	others   registry.Credentials
}

// Get returns the login for its registry, and what is on file for others.
func (g *givenLogin) Get(ctx context.Context, name, repository string) (credentials.Auth, error) {
	if name == g.registry {
		return g.auth, nil
	}
	return g.others.Get(ctx, name, repository)
}

// userEnv is the environment, with the home of /etc/passwd where it has none: the
// services of systemd start without.
func (s *session) userEnv(key string) (string, bool) {
	value, ok := s.env(key)
	if key != "HOME" || value != "" {
		return value, ok
	}
	u, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil || u.HomeDir == "" {
		return "", false
	}
	return u.HomeDir, true
}

// resolveHost asks for a host's addresses, which docker compares with the address
// ranges of its insecure registries.
func resolveHost(host string) ([]netip.Addr, error) {
	found, err := net.LookupIP(host) //nolint:noctx // the resolver has time limits of its own
	var addrs []netip.Addr
	for _, ip := range found {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			addrs = append(addrs, addr)
		}
	}
	return addrs, err
}
