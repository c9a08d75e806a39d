package registry

import (
	"context"
	"net/url"
	"sync"
	"time"

	"berth/image"
	"berth/registry/credentials"
	"berth/registry/hosts"
)

// Hosts says where the requests for a reference go, in the order in which the
// places are to be asked. A reference without a path stands for the registry.
type Hosts interface {
	// Endpoints is for what is read.
	Endpoints(ref image.Reference) ([]hosts.Endpoint, error)
	// Direct is for what goes to the registry that ref names and to no other.
	Direct(ref image.Reference) ([]hosts.Endpoint, error)
}

// Credentials says who the user is to a registry; the zero Auth is nobody.
type Credentials interface {
	Get(ctx context.Context, registry, repository string) (credentials.Auth, error)
}

// Config is what a Client works with. The zero values of everything but Hosts
// mean the defaults that are named here.
type Config struct {
	Hosts Hosts
	// Credentials may be nil: everything is asked for as nobody.
	Credentials Credentials
	// UserAgent is what berth calls itself to servers; "berth" by default.
	UserAgent string
	// Proxy says which proxy to reach a server by, nil for none; by default what
	// HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say.
	Proxy func(server *url.URL) (*url.URL, error)
	// Retry is how requests are repeated that failed for now.
	Retry Retry
	// Idle is how long a server may say nothing where an answer or more of it is
	// due; a minute by default.
	Idle time.Duration
}

// Retry limits the repetition of requests.
type Retry struct {
	// Tries is how often a request is made in all, and how often in a row a blob
	// that broke may bring nothing new; 5 by default.
	Tries int
	// Delay is the mean wait before the second try, 400 ms by default. It doubles
	// with every further one.
	Delay time.Duration
	// Longest bounds each wait, also one that the server asks for: when it asks
	// for more, the request has failed. A minute by default.
	Longest time.Duration
}

const (
	defaultAgent   = "berth"
	defaultIdle    = time.Minute
	defaultTries   = 5
	defaultDelay   = 400 * time.Millisecond
	defaultLongest = time.Minute
)

// Client speaks to registries. It is an image.Source and an image.Target, keeps
// connections and tokens while it lives, and may be used by several goroutines.
type Client struct {
	config Config

	mu      sync.Mutex
	origins map[string]*origin
	// served names the origin that answered last for a repository.
	served map[string]*origin
	// sessions are uploads that were opened where a blob could not be mounted.
	sessions map[string]*session
}

// New makes a Client; no file is read and no connection is made yet.
func New(config Config) *Client {
	if config.UserAgent == "" {
		config.UserAgent = defaultAgent
	}
	if config.Proxy == nil {
		config.Proxy = environmentProxy
	}
	if config.Idle == 0 {
		config.Idle = defaultIdle
	}
	if config.Retry.Tries == 0 {
		config.Retry.Tries = defaultTries
	}
	if config.Retry.Delay == 0 {
		config.Retry.Delay = defaultDelay
	}
	if config.Retry.Longest == 0 {
		config.Retry.Longest = defaultLongest
	}
	return &Client{config: config, origins: map[string]*origin{}, served: map[string]*origin{}, sessions: map[string]*session{}}
}

// Close lets go of connections that wait for further requests.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.origins {
		o.home.CloseIdleConnections()
		o.away.CloseIdleConnections()
		o.awayByProxy.CloseIdleConnections()
	}
}
