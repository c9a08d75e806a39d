package faultregistry

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// Fault says which requests go wrong, and how.
type Fault struct {
	// Method and Path choose requests: the whole method, a part of the path. Empty
	// ones match all.
	Method, Path string
	// Skip lets so many of them pass first; then Times of them fail, all if it is 0.
	Skip, Times int
	// Do is what happens to them.
	Do Behaviour
}

// Behaviour answers requests in the place of next, the registry itself.
type Behaviour func(s *Server, next http.Handler) http.Handler

// Fail adds a fault. Of several that match a request, the first one acts.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	s.faults = append(s.faults, &f)
}

// Mend ends all faults.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// next picks the fault for r, and counts it. s.mu is held.
func (s *Server) next(r *http.Request) *Fault {
	for _, f := range s.faults {
		if f.Times == 0 || f.Method != "" && f.Method != r.Method || !strings.Contains(r.URL.Path, f.Path) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		return f
	}
	return nil
}

// Status answers with a status, a body, and headers given as name, value pairs.
func Status(status int, body string, headers ...string) Behaviour {
	return func(*Server, http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Add(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
}

// Refuse answers with an error in the specification's form.
func Refuse(status int, code, message string, headers ...string) Behaviour {
	body := fmt.Sprintf(`{"errors":[{"code":%q,"message":%q}]}`, code, message)
	return Status(status, body, append(headers, "Content-Type", "application/json")...)
}

// Redirect sends the request to another address, with the same path and query if
// to ends at the host.
func Redirect(status int, to string) Behaviour {
	return func(*Server, http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			target := to
			if strings.Count(to, "/") == 2 {
				target += r.URL.RequestURI()
			}
			w.Header().Set("Location", target)
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "cookie"})
			w.WriteHeader(status)
		})
	}
}

// Reset closes the connection without an answer.
func Reset() Behaviour {
	return func(*Server, http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	}
}

// Cut answers as the registry does, but closes the connection after n bytes of
// the body.
func Cut(n int) Behaviour {
	return altered(func(_ *Server, w http.ResponseWriter, _ *http.Request, a *answer) {
		a.head(w)
		a.send(w, a.body[:min(n, len(a.body))])
		panic(http.ErrAbortHandler)
	})
}

// Stall sends n bytes of the body and then nothing, until d is over.
func Stall(n int, d time.Duration) Behaviour {
	return altered(func(s *Server, w http.ResponseWriter, r *http.Request, a *answer) {
		a.head(w)
		n := min(n, len(a.body))
		a.send(w, a.body[:n])
		s.wait(r, d)
		a.send(w, a.body[n:])
	})
}

// Silent waits for d before it says anything.
func Silent(d time.Duration) Behaviour {
	return altered(func(s *Server, w http.ResponseWriter, r *http.Request, a *answer) {
		s.wait(r, d)
		a.head(w)
		a.send(w, a.body)
	})
}

// Drip sends n bytes at a time, with d in between.
func Drip(n int, d time.Duration) Behaviour {
	return altered(func(s *Server, w http.ResponseWriter, r *http.Request, a *answer) {
		a.head(w)
		for at := 0; at < len(a.body) && r.Context().Err() == nil; at += n {
			a.send(w, a.body[at:min(at+n, len(a.body))])
			s.wait(r, d)
		}
	})
}

// Flip changes the byte at an offset of the body.
func Flip(at int) Behaviour {
	return altered(func(_ *Server, w http.ResponseWriter, _ *http.Request, a *answer) {
		if at < len(a.body) {
			a.body[at] ^= 1
		}
		a.head(w)
		a.send(w, a.body)
	})
}

// Header answers as the registry does, with one header changed; an empty value
// takes it away.
func Header(name, value string) Behaviour {
	return altered(func(_ *Server, w http.ResponseWriter, _ *http.Request, a *answer) {
		a.header.Set(name, value)
		if value == "" {
			a.header.Del(name)
		}
		a.head(w)
		a.send(w, a.body)
	})
}

// Body answers with another body, and the registry's headers but for its length.
func Body(content []byte) Behaviour {
	return altered(func(_ *Server, w http.ResponseWriter, _ *http.Request, a *answer) {
		a.header.Set("Content-Length", strconv.Itoa(len(content)))
		a.head(w)
		a.send(w, content)
	})
}

// NoRanges gives all of a blob, whatever range is asked for.
func NoRanges() Behaviour {
	return func(_ *Server, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			r.Header.Del("Range")
			next.ServeHTTP(w, r)
		})
	}
}

// Both is first around second: Both(Cut(5), NoRanges()) ignores ranges and cuts.
func Both(first, second Behaviour) Behaviour {
	return func(s *Server, next http.Handler) http.Handler { return first(s, second(s, next)) }
}

// answer is the registry's, before it is sent.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// altered lets the registry answer into memory, for change.
func altered(change func(s *Server, w http.ResponseWriter, r *http.Request, a *answer)) Behaviour {
	return func(s *Server, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			a := &answer{status: rec.Code, header: rec.Header(), body: bytes.Clone(rec.Body.Bytes())}
			change(s, w, r, a)
		})
	}
}

func (a *answer) head(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
}

// send sends at once. That the client went away is what some tests are about.
func (a *answer) send(w http.ResponseWriter, content []byte) {
	_, _ = w.Write(content)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}
