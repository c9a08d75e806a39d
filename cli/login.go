package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"berth/cli/option"
	"berth/image"
	"berth/registry"
	"berth/registry/credentials"
)

// maxPassword bounds what --password-stdin reads, in bytes. Tokens have a few
// thousand.
const maxPassword = 1 << 20

// loginFlags are the flags of login. A nil user or password was not given.
type loginFlags struct {
	registry       registryFlags
	user, password *string
	fromStdin      bool
}

func loginCommand() *command {
	return &command{
		name: "login", category: categoryImages,
		args: "[OPTIONS] [SERVER]", short: "Authenticate to a registry",
		about: `Login asks a registry, Docker Hub without a SERVER, whether it takes a user name and password, and keeps them for later commands if it does. What was not given with flags is asked for on the terminal. Without flags, what is kept already is tried first.

The login is kept in ~/.docker/config.json, where docker finds it too, or in the file that --authfile or REGISTRY_AUTH_FILE names, or in the folder that DOCKER_CONFIG names. If that file names a helper program (credsStore, credHelpers), the helper keeps it; else it is in the file as it is, readable by its owner only. All other contents of the file stay as they were.`,
		max: 1, mixed: true, operands: []operand{knownRegistry},
		examples: []example{
			{"Log in to Docker Hub.", "berth login"},
			{"Log in from a script.", "printenv TOKEN | berth login -u robot --password-stdin registry.example.com"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f loginFlags
			text := func(s string) (*string, error) { return &s, nil }
			return sortOptions(append(f.registry.connection(),
				option.Parsed(&f.user, text, "u,username", "string", "Username"),
				option.Parsed(&f.password, text, "p,password", "string", "Password or Personal Access Token (PAT)"),
				option.Switch(&f.fromStdin, "password-stdin", "Take the Password or Personal Access Token (PAT) from stdin"),
				option.Text(&f.registry.authfile, "authfile", "file", "Keep the login in this file"),
			)), func(ctx context.Context, args []string) error { return s.login(ctx, &f, args) }
		},
	}
}

func (s *session) login(ctx context.Context, f *loginFlags, args []string) error {
	if err := f.check(); err != nil {
		return clientFault(err)
	}
	host, err := serverOf(args)
	if err != nil {
		return clientFault(err)
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	auth, err := s.givenAuth(f)
	if err != nil {
		return clientFault(err)
	}
	s.warnEnvironment(f.registry)
	l := &loginAttempt{session: s, flags: f.registry, host: host, files: s.logins(f.registry.authfile)}
	return interrupted(ctx, l.run(ctx, auth))
}

// check refuses what docker refuses.
func (f *loginFlags) check() error {
	switch {
	case f.fromStdin && f.password != nil:
		return verbatim("conflicting options: cannot specify both --password and --password-stdin")
	case f.fromStdin && f.user == nil:
		return verbatim("the --password-stdin option requires --username to be set")
	case f.user != nil && strings.TrimSpace(*f.user) == "":
		return verbatim("username is empty")
	case f.password != nil && *f.password == "":
		return verbatim("password is empty")
	}
	return nil
}

// serverOf returns the registry that SERVER means, in the form that logins are
// kept under.
func serverOf(args []string) (string, error) {
	server := ""
	if len(args) > 0 {
		server = args[0]
	}
	host := credentials.Registry(server)
	probe := host
	if !strings.Contains(host, ":") {
		// In a reference, a word alone would be a namespace of Docker Hub.
		probe += ":1"
	}
	if ref, err := image.ParseNamed(probe + "/x"); err != nil || ref.Domain != probe {
		return "", fmt.Errorf("invalid registry %q: want HOST or HOST:PORT", server)
	}
	return host, nil
}

// givenAuth is what the flags and stdin say.
func (s *session) givenAuth(f *loginFlags) (credentials.Auth, error) {
	var auth credentials.Auth
	if f.user != nil {
		auth.Username = strings.TrimSpace(*f.user)
	}
	if f.password != nil {
		auth.Password = *f.password
		fmt.Fprintln(s.err, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
	}
	if f.fromStdin && s.stdio.In != nil {
		data, err := io.ReadAll(io.LimitReader(s.stdio.In, maxPassword+1))
		if err != nil {
			return auth, fmt.Errorf("read password: %w", err)
		}
		if len(data) > maxPassword {
			return auth, fmt.Errorf("read password: more than %d bytes", maxPassword)
		}
		auth.Password = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	}
	return auth, nil
}

// warnEnvironment tells of a variable that hides what login and logout change.
func (s *session) warnEnvironment(f registryFlags) {
	const name = "DOCKER_AUTH_CONFIG"
	if s.getenv(name) != "" && f.authfile == "" && s.getenv("REGISTRY_AUTH_FILE") == "" {
		s.warn(name + " is set and takes precedence. Unset " + name + " to restore the CLI auth behaviour.")
	}
}

// loginAttempt is one login.
type loginAttempt struct {
	*session
	flags registryFlags
	host  string
	files *credentials.Files
}

// run logs in with what is given, else with what is on file, else with what the
// user types.
func (l *loginAttempt) run(ctx context.Context, given credentials.Auth) error {
	if given == (credentials.Auth{}) {
		known, err := l.known(ctx)
		if err != nil {
			return clientFault(err)
		}
		if known.Username != "" && known.Password != "" {
			if l.renew(ctx, known) {
				return l.succeeded()
			}
			if err := context.Cause(ctx); err != nil {
				return err
			}
		}
		if given, err = l.ask(ctx, credentials.Auth{}, known.Username); err != nil {
			return err
		}
	} else if given.Username == "" || given.Password == "" {
		var err error
		if given, err = l.ask(ctx, given, ""); err != nil {
			return err
		}
	}
	token, err := l.try(ctx, given)
	if err != nil {
		return err
	}
	if err := l.keep(ctx, given, token); err != nil {
		return clientFault(err)
	}
	return l.succeeded()
}

func (l *loginAttempt) succeeded() error {
	_, err := fmt.Fprintln(l.out, "Login Succeeded")
	return err
}

// known is the login on file. That the file is not there yet is no failure of a
// command that makes it.
func (l *loginAttempt) known(ctx context.Context) (credentials.Auth, error) {
	auth, err := l.files.Get(ctx, l.host, "")
	if l.flags.authfile != "" && isMissing(err) {
		return auth, nil
	}
	return auth, err
}

// try asks the registry. The token is to be kept in the password's place, if
// there is one.
func (l *loginAttempt) try(ctx context.Context, auth credentials.Auth) (token string, err error) {
	client := l.connect(l.flags, image.Reference{Domain: l.host})
	defer client.Close()
	return client.Login(ctx, l.host, auth)
}

// renew tries what is on file, and says why it is of no use.
func (l *loginAttempt) renew(ctx context.Context, known credentials.Auth) bool {
	fmt.Fprintf(l.err, "Authenticating with existing credentials... [Username: %s]\n", plain(known.Username))
	token, err := l.try(ctx, known)
	if err == nil && token != "" {
		err = l.keep(ctx, known, token)
	}
	switch {
	case err == nil:
		fmt.Fprintf(l.err, "To login with a different account, run '%[1]s logout' followed by '%[1]s login'\n", l.program)
	case context.Cause(ctx) != nil:
	case errors.Is(err, registry.ErrUnauthorized):
		fmt.Fprintln(l.err, "Stored credentials invalid or expired")
	default:
		l.complain("Login did not succeed, error: ", err.Error())
	}
	return err == nil
}

// keep stores a login, with the token in the place of its password if there is
// one.
func (l *loginAttempt) keep(ctx context.Context, auth credentials.Auth, token string) error {
	if token != "" {
		auth.Password, auth.IdentityToken = "", token
	}
	saved, err := l.files.Store(ctx, l.host, auth)
	if err != nil {
		return err
	}
	if saved.Plain {
		fmt.Fprintf(l.err, "\nWARNING! Your credentials are stored unencrypted in '%s'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n", plain(saved.Path))
	}
	return nil
}
