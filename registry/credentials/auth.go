// Package credentials owns what a user is known by to registries: the files that
// docker and podman keep logins in, and the helper programs they name.
//
// A secret is only ever read for the registry that it is to be sent to, and no
// error or log text has one in it. Not for the protocol: package registry decides
// which request carries what.
package credentials

// Auth is what a registry may be sent. The zero value is nobody.
type Auth struct {
	Username, Password string
	// IdentityToken is a refresh token that a token server gave at login.
	IdentityToken string
	// RegistryToken is a bearer token to be used as it is.
	RegistryToken string
}
