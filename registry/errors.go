package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// Sentinels of this package; match them with errors.Is. What a registry answered
// is in the *Error around them.
var (
	// ErrNotFound: no such repository, manifest or blob.
	ErrNotFound = errors.New("not found")
	// ErrUnauthorized: the registry wants other credentials, or some.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrDenied: the user may not do this, or there is nothing to do it to; many
	// registries do not tell which.
	ErrDenied = errors.New("denied")
	// ErrTooManyRequests: the registry wants to be left alone for a while.
	ErrTooManyRequests = errors.New("too many requests")
	// ErrUnsupported: the registry does not offer this.
	ErrUnsupported = errors.New("unsupported")
)

// Error is a registry's refusal: an HTTP status, and the first error of its body
// or its challenge, whose code is one of the distribution specification's.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code is like "MANIFEST_UNKNOWN"; empty when the registry gave none.
	Code string
	// Message is the registry's text, in printable characters.
	Message string
	// RetryAfter is how long the registry wants to be left alone, 0 if it did not
	// say.
	RetryAfter time.Duration
	// Attempt is "login attempt to https://HOST/v2/" where it was one: docker tells
	// the status of it, not the code.
	Attempt string
	// from is where the answer came from, without what may be secret.
	from string
}

// Codes of the distribution specification that berth acts on or makes up for
// answers without one.
const (
	codeUnauthorized    = "UNAUTHORIZED"
	codeDenied          = "DENIED"
	codeManifestUnknown = "MANIFEST_UNKNOWN"
	codeNameUnknown     = "NAME_UNKNOWN"
	codeBlobUnknown     = "BLOB_UNKNOWN"
	codeTooManyRequests = "TOOMANYREQUESTS"
	codeUnsupported     = "UNSUPPORTED"
	codeDigestInvalid   = "DIGEST_INVALID"
)

// Error is docker's form: "manifest unknown: manifest unknown".
func (e *Error) Error() string {
	status := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	text := "received unexpected HTTP status: " + status
	if e.Attempt != "" {
		text = e.Attempt + " failed with status: " + status
	} else if e.Code == "" && e.Message == "" {
		text += " from " + e.from
	} else if e.Code == "" {
		text += ": " + e.Message
	} else {
		text = strings.ToLower(strings.ReplaceAll(e.Code, "_", " ")) + ": " + e.Message
	}
	if e.RetryAfter >= time.Second {
		text += fmt.Sprintf(" (the registry asks to be left alone for %v)", e.RetryAfter.Round(time.Second))
	}
	return text
}

// Is matches the sentinels: by code, or by status where there is none.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case codeManifestUnknown, codeNameUnknown, codeBlobUnknown:
		return target == ErrNotFound
	case codeUnauthorized:
		return target == ErrUnauthorized
	case codeDenied:
		return target == ErrDenied
	case codeTooManyRequests:
		return target == ErrTooManyRequests
	case codeUnsupported:
		return target == ErrUnsupported
	}
	switch e.Status {
	case http.StatusNotFound:
		return target == ErrNotFound
	case http.StatusUnauthorized:
		return target == ErrUnauthorized
	case http.StatusForbidden:
		return target == ErrDenied
	case http.StatusTooManyRequests:
		return target == ErrTooManyRequests
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return target == ErrUnsupported
	}
	return false
}

// maxErrorBody bounds what is read of a body that only explains a failure.
const maxErrorBody = 64 << 10

// errorOf makes an error of an answer, and closes it.
func errorOf(resp *http.Response) *Error {
	e := &Error{Status: resp.StatusCode, from: shown(resp.Request.URL)}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		e.RetryAfter = retryAfter(resp.Header, time.Now())
	}
	// What cannot be read explains nothing; the status still does.
	body, _ := readAll(resp, maxErrorBody)
	if resp.StatusCode/100 == 4 && e.fromChallenge(parseChallenges(resp.Header.Values("WWW-Authenticate"))) {
		return e
	}
	e.fromBody(body)
	return e
}

// fromChallenge takes the error out of a Bearer challenge (RFC 6750 section 3),
// which says more than the body: only there "you may not" differs from "who are
// you".
func (e *Error) fromChallenge(challenges []challenge) bool {
	for _, ch := range challenges {
		if ch.scheme != "bearer" {
			continue
		}
		switch ch.params["error"] {
		case "insufficient_scope":
			e.Code = codeDenied
		case "invalid_token":
			e.Code = codeUnauthorized
		default:
			continue
		}
		e.Message = printable(ch.params["error_description"])
		e.complete()
		return true
	}
	return false
}

// fromBody takes the first error of a body: the distribution specification's,
// docker hub's "details", or a token server's (RFC 6749 section 5.2).
func (e *Error) fromBody(body []byte) {
	var said struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
		Details     string `json:"details"`
		Message     string `json:"message"`
		Description string `json:"error_description"`
	}
	// A body in another form is no error of its own: proxies answer in HTML.
	if json.Unmarshal(body, &said) == nil {
		e.Message = printable(firstOf(said.Details, said.Description, said.Message))
		if len(said.Errors) > 0 {
			e.Code, e.Message = printable(said.Errors[0].Code), printable(said.Errors[0].Message)
		}
	}
	e.complete()
}

// complete adds docker's code and text where a registry left them out.
func (e *Error) complete() {
	if e.Code == "" {
		switch e.Status {
		case http.StatusUnauthorized:
			e.Code = codeUnauthorized
		case http.StatusForbidden:
			e.Code = codeDenied
		case http.StatusTooManyRequests:
			e.Code = codeTooManyRequests
		}
	}
	if e.Message != "" {
		return
	}
	switch e.Code {
	case codeUnauthorized:
		e.Message = "authentication required"
	case codeDenied:
		e.Message = "requested access to the resource is denied"
	case codeTooManyRequests:
		e.Message = "too many requests"
	case codeNameUnknown:
		e.Message = "repository name not known to registry"
	case "":
	default:
		e.Message = strings.ToLower(strings.ReplaceAll(e.Code, "_", " "))
	}
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// printable makes a server's text fit for a terminal: one line, no escape
// sequences, of bounded length.
func printable(s string) string {
	const longest = 500
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, " "))
	if runes := []rune(s); len(runes) > longest {
		s = string(runes[:longest]) + "..."
	}
	return strings.TrimSpace(s)
}
