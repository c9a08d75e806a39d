package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of making a connection. A transfer as a whole has none.
const (
	dialTimeout      = 30 * time.Second
	handshakeTimeout = 20 * time.Second
	keepAlive        = 30 * time.Second
	idleConnections  = 16
	// connectionBuffer is larger than Go's 4 KiB: headers and chunk marks apart,
	// what is read is large.
	connectionBuffer = 64 << 10
)

// connect makes o's transports.
func (c *Client) connect(o *origin, config *tls.Config) {
	plain := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	o.home = newTransport(plain, config)
	o.home.Proxy = func(r *http.Request) (*url.URL, error) { return c.config.Proxy(r.URL) }

	// Other hosts may be trusted by the same authorities, but do not get to see
	// the client certificate, and have their own name.
	if config != nil {
		config = config.Clone()
		config.Certificates, config.GetClientCertificate, config.ServerName = nil, nil, ""
	}
	guarded := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive, Control: o.guard}
	o.away = newTransport(guarded, config)
	o.awayByProxy = newTransport(plain, config)
	o.awayByProxy.Proxy = o.home.Proxy
}

func newTransport(dialer *net.Dialer, config *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: handshakeTimeout,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     keepAlive,
		ReadBufferSize:      connectionBuffer,
		WriteBufferSize:     connectionBuffer,
		// Digests and sizes are of what the registry has, not of what it inflates to.
		DisableCompression: true,
		// No HTTP/2: it is left out of the binary.
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
}

// roundTrip sends one request to one server and watches over its progress. secret
// is its Authorization, empty for none.
func (c *Client) roundTrip(ctx context.Context, o *origin, r *request, target *url.URL, secret string) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	patience := r.patience
	if patience == 0 {
		patience = c.config.Idle
	}
	w := &watch{idle: c.config.Idle, cancel: cancel}
	w.explain = func(err error) error {
		if w.expired.Load() {
			return context.Cause(ctx)
		}
		return err
	}
	// Connecting has limits of its own, and ends below this.
	w.timer = time.AfterFunc(max(patience, dialTimeout+handshakeTimeout), w.expire)
	transport, err := c.transport(o, target)
	if err != nil {
		w.close()
		return nil, fmt.Errorf("%s %s: %w", r.method, shown(target), err)
	}
	ours := transport == o.home
	trace := &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if ours {
				o.found(target, info.Conn.RemoteAddr(), c.config.Proxy)
			}
			w.await(w.idle)
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { w.await(patience) },
	}
	req, err := c.newRequest(httptrace.WithClientTrace(ctx, trace), r, target, secret, w)
	if err != nil {
		w.close()
		return nil, err
	}
	resp, err := transport.RoundTrip(req)
	w.received()
	if err != nil {
		err = w.explain(err)
		w.close()
		return nil, o.unanswered(r.method, target, err)
	}
	if ours {
		o.answered.Store(true)
		o.down.Store(0)
	}
	w.body = resp.Body
	resp.Body = w
	return resp, nil
}

// newRequest makes the request; its body counts as progress for w.
func (c *Client) newRequest(ctx context.Context, r *request, target *url.URL, secret string, w *watch) (*http.Request, error) {
	var body io.ReadCloser
	if r.body != nil {
		var err error
		if body, err = r.body(); err != nil {
			return nil, err
		}
		body = &watchedUpload{ReadCloser: body, w: w}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target.String(), http.NoBody)
	if err != nil {
		if body != nil {
			body.Close()
		}
		return nil, err
	}
	if body != nil {
		req.Body, req.ContentLength = body, r.size
		if r.size == 0 {
			body.Close()
			req.Body = http.NoBody
		}
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	req.Header.Set("User-Agent", c.config.UserAgent)
	if secret != "" {
		req.Header.Set("Authorization", secret)
	}
	return req, nil
}

// watch ends an exchange in which nothing happens, and is the body of its answer.
type watch struct {
	idle   time.Duration
	cancel context.CancelCauseFunc
	timer  *time.Timer
	// expired: it is this watch that ended the exchange.
	expired atomic.Bool
	// explain puts the silence in the place of what its end looked like.
	explain func(error) error
	body    io.ReadCloser

	mu sync.Mutex
	// answered: what is sent no longer moves the timer.
	answered bool
}

// stalledError is a server's silence.
type stalledError struct{ after time.Duration }

func (e *stalledError) Error() string { return fmt.Sprintf("nothing came for %v", e.after) }

// Timeout tells callers that it is worth another try.
func (e *stalledError) Timeout() bool { return true }

func (w *watch) expire() {
	w.expired.Store(true)
	w.cancel(&stalledError{w.idle})
}

// await gives the server d from now on. A request may still be on its way when
// the answer is there already, so this has no effect then.
func (w *watch) await(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.answered {
		w.timer.Reset(d)
	}
}

func (w *watch) received() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = true
	w.timer.Stop()
}

func (w *watch) close() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// Read is timed only while it waits: how long the reader of the body takes over
// what it got is its own affair.
func (w *watch) Read(p []byte) (int, error) {
	w.timer.Reset(w.idle)
	n, err := w.body.Read(p)
	w.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = w.explain(err)
	}
	return n, err
}

func (w *watch) Close() error {
	err := w.body.Close()
	w.close()
	return err
}

// watchedUpload counts what is sent as progress.
type watchedUpload struct {
	io.ReadCloser
	w *watch
}

func (u *watchedUpload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.w.await(u.w.idle)
	return n, err
}

// unreachableError: no connection was made.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

// unanswered says what became of a request that nothing answered, in the words of
// Go's client, which docker's users know, but without what may be secret in a URL.
func (o *origin) unanswered(method string, target *url.URL, err error) error {
	var header tls.RecordHeaderError
	if errors.As(err, &header) && string(header.RecordHeader[:]) == "HTTP/" {
		err = errors.New("http: server gave HTTP response to HTTPS client")
	}
	// Go's text has the header in it, which may be an address with a signature.
	var protocol textproto.ProtocolError
	if errors.As(err, &protocol) && strings.HasPrefix(string(protocol), "malformed MIME header") {
		err = errors.New("the answer has a malformed header")
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" && !o.answered.Load() {
		err = &unreachableError{err}
	}
	return &url.Error{Op: method[:1] + strings.ToLower(method[1:]), URL: shown(target), Err: err}
}

// shown is a URL as errors may show it: signatures travel in queries.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
