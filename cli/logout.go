package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"berth/cli/option"
	"berth/registry/credentials"
)

func logoutCommand() *command {
	return &command{
		name: "logout", category: categoryImages,
		args: "[OPTIONS] [SERVER]", short: "Log out from a registry",
		about: "Logout forgets the login that login keeps for a registry, Docker Hub without a SERVER. It says so where another file still has one, as podman's: such files are read, but not changed.",
		max:   1, mixed: true, operands: []operand{knownRegistry},
		examples: []example{
			{"Forget the login for one registry.", "berth logout registry.example.com"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f registryFlags
			return []*option.Option{
					option.Text(&f.authfile, "authfile", "file", "Remove the login from this file"),
				}, func(ctx context.Context, args []string) error {
					host, err := serverOf(args)
					if err == nil {
						err = s.logout(ctx, f, host)
					}
					return clientFault(err)
				}
		},
	}
}

func (s *session) logout(ctx context.Context, f registryFlags, host string) error {
	s.warnEnvironment(f)
	files := s.logins(f.authfile)
	found, err := files.Erase(ctx, host)
	if err != nil {
		return err
	}
	text := "Not logged in to "
	if found {
		text = "Removing login credentials for "
	}
	if _, err := fmt.Fprintln(s.out, text+credentials.Key(host)); err != nil {
		return err
	}
	if f.authfile != "" {
		return nil
	}
	where, err := files.Where(ctx, host)
	switch {
	case err != nil:
		// The login is gone; this is about other files.
		s.warn(err.Error())
	case where != "":
		s.warn(fmt.Sprintf("a login for %s is also in %s, and still used", credentials.Key(host), where))
	}
	return nil
}

// isMissing tells that a file is not there.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
