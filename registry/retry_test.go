package registry

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"time"
)

func TestTemporary(t *testing.T) {
	get := func(err error) error { return &url.Error{Op: "Get", URL: "https://h/", Err: err} }
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"429":                 {&Error{Status: 429}, true},
		"500":                 {&Error{Status: 500}, true},
		"502":                 {fmt.Errorf("push: %w", &Error{Status: 502}), true},
		"503":                 {&Error{Status: 503}, true},
		"504":                 {&Error{Status: 504}, true},
		"408":                 {&Error{Status: 408}, true},
		"400":                 {&Error{Status: 400}, false},
		"401":                 {&Error{Status: 401}, false},
		"403":                 {&Error{Status: 403}, false},
		"404":                 {&Error{Status: 404}, false},
		"501":                 {&Error{Status: 501}, false},
		"reset":               {get(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), true},
		"broken pipe":         {get(&net.OpError{Op: "write", Err: syscall.EPIPE}), true},
		"reset while sending": {get(&net.OpError{Op: "readfrom", Err: &net.OpError{Op: "write", Err: syscall.ECONNRESET}}), true},
		"file while sending":  {get(&net.OpError{Op: "readfrom", Err: &fs.PathError{Op: "read", Path: "blob", Err: syscall.EIO}}), false},
		"end":                 {get(io.EOF), true},
		"early end":           {io.ErrUnexpectedEOF, true},
		"silence":             {get(&stalledError{time.Second}), true},
		"restart":             {get(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), true},
		"never there":         {get(&unreachableError{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}), false},
		"unknown host":        {get(&unreachableError{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}}), false},
		"cancelled":           {get(context.Canceled), false},
		"deadline":            {get(context.DeadlineExceeded), false},
		"unknown authority":   {get(x509.UnknownAuthorityError{}), false},
		"anything else":       {errors.New("refused to go there"), false},
		"too long":            {errTooLong, false},
		"closed while reused": {get(errors.New("http: server closed idle connection")), true},
	} {
		if got := temporary(tt.err); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for name, tt := range map[string]struct {
		after, date string
		want        time.Duration
	}{
		"nothing":                    {"", "", 0},
		"seconds":                    {"7", "", 7 * time.Second},
		"seconds with blanks":        {" 7 ", "", 7 * time.Second},
		"none":                       {"0", "", 0},
		"negative":                   {"-5", "", 0},
		"many":                       {"999999999999", "", 24 * time.Hour},
		"too many to count":          {"99999999999999999999999", "", 0},
		"date":                       {date(90 * time.Second), "", 90 * time.Second},
		"date that is over":          {date(-time.Hour), "", 0},
		"date by the server's clock": {date(time.Hour + 5*time.Second), date(time.Hour), 5 * time.Second},
		"no date":                    {"soon", "", 0},
	} {
		h := http.Header{}
		h.Set("Retry-After", tt.after)
		h.Set("Date", tt.date)
		if got := retryAfter(h, now); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestPause(t *testing.T) {
	c := New(Config{Retry: Retry{Tries: 3, Delay: 20 * time.Millisecond, Longest: 100 * time.Millisecond}})
	for try, bounds := range map[int][2]time.Duration{
		1:   {10 * time.Millisecond, 30 * time.Millisecond},
		2:   {20 * time.Millisecond, 60 * time.Millisecond},
		900: {50 * time.Millisecond, 150 * time.Millisecond},
	} {
		start := time.Now()
		if !c.pause(t.Context(), try, io.EOF) {
			t.Errorf("try %d: no further try", try)
		}
		// A busy machine may take longer, but not be faster.
		if took := time.Since(start); took < bounds[0] || took > bounds[1]+time.Second {
			t.Errorf("try %d: waited %v, want %v", try, took, bounds)
		}
	}
	start := time.Now()
	if c.pause(t.Context(), 1, &Error{Status: 429, RetryAfter: time.Second}) || time.Since(start) > 500*time.Millisecond {
		t.Error("waited for longer than allowed")
	}
	if !c.pause(t.Context(), 1, &Error{Status: 429, RetryAfter: 80 * time.Millisecond}) || time.Since(start) < 80*time.Millisecond {
		t.Error("did not wait for as long as the server asked")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c.pause(ctx, 900, io.EOF) {
		t.Error("another try for a request that nobody wants")
	}
}
