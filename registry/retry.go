package registry

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// retry calls do as long as it fails for now only, up to as many times as tries
// says after a failure.
func (c *Client) retry(ctx context.Context, tries func() int, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || try >= tries() || !temporary(err) {
			return err
		}
		if !c.pause(ctx, try, err) {
			return err
		}
	}
}

// pause waits before what failed with err is tried again: as long as the server
// asked for, else twice as long as after the try before, give or take half. It
// reports false at once when the server asks for too much, and when ctx ends.
func (c *Client) pause(ctx context.Context, try int, err error) bool {
	// More doublings than this are beyond any limit, and would overflow.
	wait := min(c.config.Retry.Delay<<min(try-1, 16), c.config.Retry.Longest)
	wait = wait/2 + rand.N(wait+1) //nolint:gosec // spreads load, hides nothing
	var answer *Error
	if errors.As(err, &answer) && answer.RetryAfter > 0 {
		if answer.RetryAfter > c.config.Retry.Longest {
			return false
		}
		wait = answer.RetryAfter
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// temporary tells whether the same request may succeed a little later: the server
// was overloaded or broken, or the connection did not last. That no connection
// can be made, or that it is not trusted, is for a person to change.
func temporary(err error) bool {
	var answer *Error
	if errors.As(err, &answer) {
		return answer.temporary()
	}
	var unreachable *unreachableError
	if errors.As(err, &unreachable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var silence *stalledError
	var timeout net.Error
	var operation *net.OpError
	switch {
	case errors.As(err, &silence), errors.As(err, &timeout) && timeout.Timeout():
		return true
	case errors.As(err, &operation):
		return brokenOff(operation)
	}
	for _, broken := range []error{io.ErrUnexpectedEOF, io.EOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, broken) {
			return true
		}
	}
	// Not exported by net/http: the server closed while this was on its way.
	return strings.Contains(err.Error(), "server closed idle connection")
}

// temporary is that of an answer: the server says so itself.
func (e *Error) temporary() bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// brokenOff tells whether a connection that was made did not last, or one that
// had been made before cannot be made now.
func brokenOff(operation *net.OpError) bool {
	switch operation.Op {
	case "read", "write":
		return true
	case "readfrom":
		// A body that is sent: what broke, the file or the connection, is in it.
		return temporary(operation.Err)
	}
	return errors.Is(operation, syscall.ECONNREFUSED)
}

// retryAfter reads the header of that name: seconds, or a date to be compared
// with the server's own Date, because clocks differ. 0 when there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		const day = 24 * 60 * 60
		return time.Duration(max(0, min(seconds, day))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return max(0, at.Sub(now))
}
