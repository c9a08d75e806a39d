package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"berth/image"
	"berth/registry/hosts"
)

// downTime is how long a server that could not be reached is asked last.
const downTime = time.Minute

// origin is one server (scheme, host and port), and what the client learned of
// it. Credentials for it never go to another one.
type origin struct {
	base *url.URL
	// registry is the name that its credentials go by.
	registry string
	// insecure: plain http, or TLS whose certificates are not verified.
	insecure bool
	// home connects to this server; away to others that it names, within the
	// bounds of place; awayByProxy does so through a proxy.
	home, away, awayByProxy *http.Transport
	// place is where the server was found, the most public one if several.
	place atomic.Int32
	// answered: something that speaks HTTP is there.
	answered atomic.Bool
	// down is when it could not be reached, in Unix nanoseconds.
	down atomic.Int64

	auth *authorizer
}

// endpoint is one repository at one server.
type endpoint struct {
	*origin
	repository string
	mirror     bool
	// last: there is no other place to ask, so waiting for this one is worth it.
	last bool
}

// path is the path of something in the repository: path("blobs", "sha256:...").
func (at *endpoint) path(kind, name string) string {
	return "/v2/" + at.repository + "/" + kind + "/" + name
}

// scope is the token scope for actions ("pull", "pull,push") on the repository.
func (at *endpoint) scope(actions string) string {
	return "repository:" + at.repository + ":" + actions
}

// purpose tells which endpoints may serve a request.
type purpose int

const (
	// forTag looks a tag up, which mirrors come first for each time.
	forTag purpose = iota
	// forTagged reads what belongs to it then, forDigest what a digest names.
	forTagged
	forDigest
	// forRegistry reads what only the registry itself can say.
	forRegistry
	// direct is for what is written, and for logins.
	direct
)

// manifestPurpose and blobPurpose are what ref's manifest and blobs are read for.
func manifestPurpose(ref image.Reference) purpose {
	if ref.Digest != "" {
		return forDigest
	}
	return forTag
}

func blobPurpose(ref image.Reference) purpose {
	if ref.Digest != "" {
		return forDigest
	}
	return forTagged
}

func (p purpose) allows(e hosts.Endpoint) bool {
	switch {
	case !e.Mirror:
		return true
	case p == forRegistry || p == direct:
		return false
	case p == forDigest:
		return !e.ByTagOnly
	}
	return !e.ByDigestOnly
}

// endpoints lists where to ask for ref: as the hosts say, but what served this
// repository before comes first, and what cannot be reached last.
func (c *Client) endpoints(ref image.Reference, why purpose) ([]*endpoint, error) {
	ask := c.config.Hosts.Endpoints
	if why == direct {
		ask = c.config.Hosts.Direct
	}
	all, err := ask(ref)
	if err != nil {
		return nil, err
	}
	var list []*endpoint
	for _, e := range all {
		if !why.allows(e) {
			continue
		}
		o, err := c.origin(e)
		if err != nil {
			return nil, err
		}
		list = append(list, &endpoint{origin: o, repository: e.Repository, mirror: e.Mirror})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("find registry of %s: no endpoint is configured for it", ref.Familiar())
	}
	c.mu.Lock()
	served := c.served[ref.Name()]
	c.mu.Unlock()
	rank := func(at *endpoint) int {
		switch {
		case why != forTag && at.origin == served:
			return 0
		case time.Since(time.Unix(0, at.down.Load())) < downTime:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b *endpoint) int { return rank(a) - rank(b) })
	list[len(list)-1].last = true
	return list, nil
}

// origin returns the one record of e's server.
func (c *Client) origin(e hosts.Endpoint) (*origin, error) {
	if e.Base == nil || e.Base.Host == "" || e.Base.Scheme != "http" && e.Base.Scheme != "https" {
		return nil, fmt.Errorf("use endpoint %v: not an address of a registry", e.Base)
	}
	unverified := e.TLS != nil && e.TLS.InsecureSkipVerify
	key := e.Base.Scheme + "://" + hostPort(e.Base) + " " + e.Registry + " " + strconv.FormatBool(unverified)
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.origins[key]; o != nil {
		return o, nil
	}
	o := &origin{
		base:     &url.URL{Scheme: e.Base.Scheme, Host: e.Base.Host},
		registry: e.Registry,
		insecure: unverified || e.Base.Scheme == "http",
		auth:     newAuthorizer(),
	}
	o.place.Store(int32(placeUnknown))
	c.connect(o, e.TLS)
	c.origins[key] = o
	return o, nil
}

// each asks one endpoint of ref after the other until one has what is wanted. A
// mirror that fails, in whatever way, is passed over; the registry itself only
// where nothing answers, as where https is tried before http. The error is the
// registry's; what kept mirrors from answering is beside it.
func (c *Client) each(ctx context.Context, ref image.Reference, why purpose, ask func(at *endpoint) error) error {
	list, err := c.endpoints(ref, why)
	if err != nil {
		return err
	}
	var last error
	var mirrors []mirrorError
	for _, at := range list {
		err := ask(at)
		if err == nil {
			c.mu.Lock()
			c.served[ref.Name()] = at.origin
			c.mu.Unlock()
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		if !at.answered.Load() && !isAlert(err) {
			at.down.Store(time.Now().UnixNano())
		} else if !at.mirror {
			return withMirrors(err, mirrors)
		}
		if at.mirror && !errors.Is(err, ErrNotFound) {
			mirrors = append(mirrors, mirrorError{at.base.Host, err})
		}
		// A mirror may come last, when what cannot be reached comes after the rest.
		if last == nil || !at.mirror {
			last = err
		}
	}
	return withMirrors(last, mirrors)
}

// isAlert tells of a server that speaks TLS and refuses a connection, as without
// a client certificate: it has answered, and plain http is not for it.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// mirrorError is why a mirror was passed over.
type mirrorError struct {
	host string
	err  error
}

// withMirrors adds what became of the mirrors, but not where the registry knows
// that there is no such thing.
func withMirrors(err error, mirrors []mirrorError) error {
	if len(mirrors) == 0 || errors.Is(err, ErrNotFound) {
		return err
	}
	var texts []string
	for i, m := range mirrors {
		// Of https and http at one host, the latter was tried last.
		if i+1 == len(mirrors) || mirrors[i+1].host != m.host {
			texts = append(texts, fmt.Sprintf("mirror %s: %v", m.host, m.err))
		}
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(texts, "; "))
}
