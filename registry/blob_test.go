package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/image"
	"berth/tests/faultregistry"
)

const size = 400_000

func TestBlobGoesOnWhereItBroke(t *testing.T) {
	tests := map[string]struct {
		faults []faultregistry.Fault
		offset int64
		// requests is how many the blob takes.
		requests int
	}{
		"whole":                 {requests: 1},
		"cut at the first byte": {faults: []faultregistry.Fault{{Do: faultregistry.Cut(0), Times: 1}}, requests: 2},
		"cut in the middle":     {faults: []faultregistry.Fault{{Do: faultregistry.Cut(123_457), Times: 1}}, requests: 2},
		"cut before the last":   {faults: []faultregistry.Fault{{Do: faultregistry.Cut(size - 1), Times: 1}}, requests: 2},
		"cut after the last":    {faults: []faultregistry.Fault{{Do: faultregistry.Cut(size), Times: 1}}, requests: 1},
		"cut twice":             {faults: []faultregistry.Fault{{Do: faultregistry.Cut(100_000), Times: 2}}, requests: 3},
		"cut more often than tries, with progress each time": {faults: []faultregistry.Fault{{Do: faultregistry.Cut(70_000), Times: 5}}, requests: 6},
		"cut from an offset":     {faults: []faultregistry.Fault{{Do: faultregistry.Cut(10), Times: 1}}, offset: 77, requests: 2},
		"stalls in the middle":   {faults: []faultregistry.Fault{{Do: faultregistry.Stall(5000, time.Minute), Times: 1}}, requests: 2},
		"silent at first":        {faults: []faultregistry.Fault{{Do: faultregistry.Silent(time.Minute), Times: 1}}, requests: 2},
		"reset at first":         {faults: []faultregistry.Fault{{Do: faultregistry.Reset(), Times: 2}}, requests: 3},
		"cut, then reset":        {faults: []faultregistry.Fault{{Do: faultregistry.Cut(9), Times: 1}, {Do: faultregistry.Reset(), Times: 1}}, requests: 3},
		"cut, then 503":          {faults: []faultregistry.Fault{{Do: faultregistry.Cut(70_000), Times: 1}, {Do: faultregistry.Status(503, "later"), Times: 1}}, requests: 3},
		"500 at first":           {faults: []faultregistry.Fault{{Do: faultregistry.Status(500, "<html>"), Times: 2}}, requests: 3},
		"502 at first":           {faults: []faultregistry.Fault{{Do: faultregistry.Status(502, ""), Times: 1}}, requests: 2},
		"429 with seconds":       {faults: []faultregistry.Fault{{Do: faultregistry.Refuse(429, "TOOMANYREQUESTS", "slow down", "Retry-After", "1"), Times: 1}}, requests: 2},
		"cut, then no ranges":    {faults: []faultregistry.Fault{{Do: faultregistry.Cut(99_999), Times: 1}, {Do: faultregistry.NoRanges()}}, requests: 2},
		"no ranges, from offset": {faults: []faultregistry.Fault{{Do: faultregistry.NoRanges()}}, offset: 300_001, requests: 1},
		"no ranges, cut while skipping": {
			faults:   []faultregistry.Fault{{Do: faultregistry.Both(faultregistry.Cut(1000), faultregistry.NoRanges()), Times: 1}, {Do: faultregistry.NoRanges()}},
			offset:   300_001,
			requests: 2,
		},
		"416 for every range": {faults: []faultregistry.Fault{{Do: faultregistry.Cut(5), Times: 1}, {Do: faultregistry.Status(416, ""), Times: 1}}, requests: 3},
		"in parts": {
			faults:   []faultregistry.Fault{{Do: parts(150_000)}},
			offset:   1,
			requests: 3,
		},
	}
	content := noise(size)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faultregistry.New(t)
			made := s.Put(t, "app", "v1", content)
			for _, f := range tt.faults {
				f.Path = "/blobs/"
				s.Fail(f)
			}
			c := client(t, nil, placeAt(t, s))
			got, err := fetch(t, c, named(t, s, "app:v1"), made.Layers[0], tt.offset)
			if err != nil || !bytes.Equal(got, content[tt.offset:]) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if n := s.Count(http.MethodGet, "/blobs/"); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// parts gives at most n bytes of what a range asks for, as servers may.
func parts(n int) faultregistry.Behaviour {
	return func(_ *faultregistry.Server, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			first, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
			if from, ok := number(first); ok {
				last := min(from+int64(n), size) - 1
				r = r.Clone(r.Context())
				r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, last))
			}
			next.ServeHTTP(w, r)
		})
	}
}

func TestBlobGivesUp(t *testing.T) {
	tests := map[string]struct {
		do     faultregistry.Behaviour
		skip   int
		offset int64
		is     error
		want   []string
		// most bounds the requests.
		most int
	}{
		"cut again and again":      {do: faultregistry.Cut(10), is: io.ErrUnexpectedEOF, want: []string{"stopped at byte 30 of 400000"}, most: 3},
		"stalls again and again":   {do: faultregistry.Stall(10, time.Minute), want: []string{"nothing came for 400ms"}, most: 3},
		"silent again and again":   {do: faultregistry.Silent(time.Minute), want: []string{"nothing came for 400ms"}, most: 3},
		"503 again and again":      {do: faultregistry.Status(503, ""), want: []string{"503 Service Unavailable"}, most: 3},
		"gone":                     {do: faultregistry.Refuse(404, "BLOB_UNKNOWN", "blob unknown to registry"), is: ErrNotFound, want: []string{"blob unknown: blob unknown to registry"}, most: 1},
		"gone without a word":      {do: faultregistry.Status(404, ""), is: ErrNotFound, want: []string{"404 Not Found"}, most: 1},
		"400":                      {do: faultregistry.Status(400, "no"), want: []string{"400 Bad Request"}, most: 1},
		"denied":                   {do: faultregistry.Refuse(403, "DENIED", "not yours"), is: ErrDenied, want: []string{"pull access denied for HOST/app, repository does not exist or may require 'berth login': denied: not yours"}, most: 1},
		"gone in the middle":       {do: goneAfter(5), is: ErrNotFound, want: []string{"stopped at byte 5 of"}, most: 2},
		"too large":                {do: faultregistry.Body(noise(size + 1)), want: []string{"has 400001 bytes of it, its manifest says 400000"}, most: 1},
		"too small":                {do: faultregistry.Body(noise(size - 1)), want: []string{"has 399999 bytes of it, its manifest says 400000"}, most: 1},
		"other part than asked":    {do: faultregistry.Header("Content-Range", "bytes 0-399999/400000"), offset: 9, want: []string{"sent bytes 0 to 399999, asked for those from 9 on"}, most: 1},
		"part of another blob":     {do: faultregistry.Header("Content-Range", "bytes 9-399999/400001"), offset: 9, want: []string{"has 400001 bytes"}, most: 1},
		"part without a place":     {do: faultregistry.Header("Content-Range", ""), offset: 9, want: []string{"a part of it that it calls"}, most: 1},
		"part beyond the end":      {do: faultregistry.Header("Content-Range", "bytes 9-400000/*"), offset: 9, want: []string{"sent bytes 9 to 400000"}, most: 1},
		"no content":               {do: faultregistry.Status(204, ""), want: []string{"204 No Content"}, most: 1},
		"too long a wait":          {do: faultregistry.Status(429, "", "Retry-After", "3600"), is: ErrTooManyRequests, want: []string{"left alone for 1h0m0s"}, most: 1},
		"redirects in a circle":    {do: faultregistry.Redirect(307, "/v2/app/blobs/x"), want: []string{"stopped after 10 redirects"}, most: 10},
		"redirect to nowhere":      {do: faultregistry.Status(307, ""), want: []string{"no usable Location"}, most: 1},
		"redirect to a file":       {do: faultregistry.Redirect(302, "file:///etc/passwd"), want: []string{"refused to go to file:///etc/passwd"}, most: 1},
		"redirect to an empty one": {do: faultregistry.Redirect(302, "http:///x"), want: []string{"refused to go to"}, most: 1},
	}
	content := noise(size)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faultregistry.New(t)
			made := s.Put(t, "app", "v1", content)
			s.Fail(faultregistry.Fault{Path: "/blobs/", Do: tt.do, Skip: tt.skip})
			got, err := fetch(t, client(t, nil, placeAt(t, s)), named(t, s, "app:v1"), made.Layers[0], tt.offset)
			for i := range tt.want {
				tt.want[i] = strings.ReplaceAll(tt.want[i], "HOST", s.Host)
			}
			wantError(t, err, tt.is, tt.want...)
			if !bytes.HasPrefix(content[tt.offset:], got) {
				t.Errorf("%d bytes that are not the blob's", len(got))
			}
			if n := s.Count("", "/blobs/"); n > tt.most {
				t.Errorf("%d requests, want at most %d", n, tt.most)
			}
		})
	}
}

// goneAfter cuts a whole answer at n, and has nothing when asked for the rest.
func goneAfter(n int) faultregistry.Behaviour {
	return func(s *faultregistry.Server, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			do := faultregistry.Cut(n)
			if r.Header.Get("Range") != "" {
				do = faultregistry.Refuse(404, "BLOB_UNKNOWN", "blob unknown to registry")
			}
			do(s, next).ServeHTTP(w, r)
		})
	}
}

// TestBlobNeverGivesMore: the size in the manifest holds, also for answers that do
// not say theirs.
func TestBlobNeverGivesMore(t *testing.T) {
	s := faultregistry.New(t)
	content := noise(1000)
	made := s.Put(t, "app", "v1", content)
	s.Fail(faultregistry.Fault{Path: "/blobs/", Do: endless})
	got, err := fetch(t, client(t, nil, placeAt(t, s)), named(t, s, "app:v1"), made.Layers[0], 0)
	if err != nil || len(got) != 1000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func endless(*faultregistry.Server, http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(noise(4096)); err != nil {
				return
			}
		}
	})
}

// TestSlowReader: what reads a blob may take its time; only the server may not.
func TestSlowReader(t *testing.T) {
	s := faultregistry.New(t)
	content := noise(3_000_000)
	made := s.Put(t, "app", "v1", content)
	c := client(t, nil, placeAt(t, s))
	c.config.Idle = 50 * time.Millisecond
	r, err := c.Blob(t.Context(), named(t, s, "app:v1"), made.Layers[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first := make([]byte, 100)
	if _, err := io.ReadFull(r, first); err != nil {
		t.Fatal(err)
	}
	time.Sleep(150 * time.Millisecond)
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(slices.Concat(first, rest), content) || s.Count("", "/blobs/sha") != 1 {
		t.Errorf("%d bytes, %d requests, %v", len(rest), s.Count("", "/blobs/sha"), err)
	}
}

// TestSlowServer: one that sends a little all the time is not silent.
func TestSlowServer(t *testing.T) {
	s := faultregistry.New(t)
	content := noise(1000)
	made := s.Put(t, "app", "v1", content)
	s.Fail(faultregistry.Fault{Path: "/blobs/", Do: faultregistry.Drip(100, 100*time.Millisecond)})
	got, err := fetch(t, client(t, nil, placeAt(t, s)), named(t, s, "app:v1"), made.Layers[0], 0)
	if err != nil || !bytes.Equal(got, content) || s.Count("", "/blobs/sha") != 1 {
		t.Errorf("%d bytes, %d requests, %v", len(got), s.Count("", "/blobs/sha"), err)
	}
}

func TestCancelledBlob(t *testing.T) {
	for name, do := range map[string]faultregistry.Behaviour{
		"while it comes":       faultregistry.Stall(10, time.Minute),
		"while it is silent":   faultregistry.Silent(time.Minute),
		"while it has to wait": faultregistry.Status(503, "", "Retry-After", "30"),
	} {
		t.Run(name, func(t *testing.T) {
			s := faultregistry.New(t)
			made := s.Put(t, "app", "v1", noise(1000))
			s.Fail(faultregistry.Fault{Path: "/blobs/", Do: do})
			c := client(t, nil, placeAt(t, s))
			c.config.Idle, c.config.Retry.Longest = time.Minute, time.Minute
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			r, err := c.Blob(ctx, named(t, s, "app:v1"), made.Layers[0], 0)
			if err == nil {
				_, err = io.ReadAll(r)
				r.Close()
			}
			if err == nil || time.Since(start) > 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}

func TestUnusableBlobs(t *testing.T) {
	s := faultregistry.New(t)
	made := s.Put(t, "app", "v1", noise(10))
	c, ref := client(t, nil, placeAt(t, s)), named(t, s, "app:v1")
	for name, tt := range map[string]struct {
		blob   image.Descriptor
		offset int64
		want   string
	}{
		"path in the place of a digest": {image.Descriptor{Digest: "sha256:../../x", Size: 1}, 0, "parse digest"},
		"no digest":                     {image.Descriptor{Size: 1}, 0, "parse digest"},
		"beyond the end":                {made.Layers[0], 11, "byte 11 of 10"},
		"before the start":              {made.Layers[0], -1, "byte -1 of 10"},
		"negative size":                 {image.Descriptor{Digest: made.Layers[0].Digest, Size: -1}, 0, "byte 0 of -1"},
	} {
		if _, err := c.Blob(t.Context(), ref, tt.blob, tt.offset); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Count("", "") != 0 {
		t.Errorf("%d requests", s.Count("", ""))
	}
}

// TestForeignURLs: a descriptor's urls lead anywhere, so nobody follows them.
func TestForeignURLs(t *testing.T) {
	s, other := faultregistry.New(t), faultregistry.New(t)
	made := s.Put(t, "app", "v1", noise(10))
	foreign := made.Layers[0]
	foreign.URLs = []string{other.URL + "/layer"}
	if _, err := fetch(t, client(t, nil, placeAt(t, s)), named(t, s, "app:v1"), foreign, 0); err != nil {
		t.Error(err)
	}
	foreign.Digest = image.Digest("sha256:" + strings.Repeat("0", 64))
	_, err := fetch(t, client(t, nil, placeAt(t, s)), named(t, s, "app:v1"), foreign, 0)
	wantError(t, err, ErrNotFound)
	if other.Count("", "") != 0 {
		t.Error("the other host was asked")
	}
}

func TestClosedBlob(t *testing.T) {
	s := faultregistry.New(t)
	made := s.Put(t, "app", "v1", noise(1_000_000))
	c := client(t, nil, placeAt(t, s))
	before := runtime.NumGoroutine()
	for range 20 {
		r, err := c.Blob(t.Context(), named(t, s, "app:v1"), made.Layers[0], 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("read after close: %v", err)
		}
	}
	c.Close()
	for range 100 {
		if runtime.NumGoroutine() <= before+8 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestContentRange(t *testing.T) {
	for in, want := range map[string]contentRange{
		"bytes 0-9/10":                  {0, 9, 10},
		"bytes 5-5/*":                   {5, 5, -1},
		"Bytes  5-9/10":                 {5, 9, 10},
		"bytes 0-9223372036854775806/*": {0, 9223372036854775806, -1},
	} {
		if got, ok := parseContentRange(in); !ok || got != want {
			t.Errorf("%q: %+v, %v", in, got, ok)
		}
	}
	for _, in := range []string{
		"", "bytes", "bytes ", "bytes */10", "bytes 0-9", "bytes 0-9/", "bytes 9-0/10", "bytes 0-10/10", "bytes -1-5/10",
		"bytes +1-5/10", "items 0-9/10", "bytes 0-9/10/11", "bytes 0-9223372036854775808/*", "bytes a-b/c", "bytes=0-9/10",
	} {
		if got, ok := parseContentRange(in); ok {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-5/*", "bytes 9-0/1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := parseContentRange(s)
		if ok && (r.first < 0 || r.last < r.first || r.size >= 0 && r.last >= r.size) {
			t.Errorf("%q: %+v", s, r)
		}
	})
}
