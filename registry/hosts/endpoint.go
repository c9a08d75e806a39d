package hosts

import (
	"crypto/tls"
	"net/url"
)

// Endpoint is one place to ask for a repository. A reference has several when
// there are mirrors, or when a registry may be spoken to without TLS.
type Endpoint struct {
	// Base is scheme and host; "/v2/" follows.
	Base *url.URL
	// Repository is the path of the repository at this endpoint, without the host.
	Repository string
	// Registry is the name that credentials go by: host, and port if it has one.
	Registry string
	// TLS is the endpoint's own settings, nil for the system's.
	TLS *tls.Config
	// Mirror: a copy, for pulling only; what it lacks the next endpoint may have.
	Mirror bool
	// ByDigestOnly, ByTagOnly restrict a mirror (containers-registries.conf(5),
	// pull-from-mirror). Endpoints leaves out a mirror that is not for its
	// reference.
	ByDigestOnly, ByTagOnly bool
}
