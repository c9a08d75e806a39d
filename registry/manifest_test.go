package registry

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"berth/image"
	"berth/tests/faultregistry"
)

const (
	oneImage = `{"schemaVersion":2,%s"config":{"digest":"sha256:00","size":1},"layers":[]}`
	aList    = `{"schemaVersion":2,%s"manifests":[]}`
)

func TestManifestType(t *testing.T) {
	typed := func(document, mediaType string) string {
		if mediaType != "" {
			mediaType = fmt.Sprintf(`"mediaType":%q,`, mediaType)
		}
		return fmt.Sprintf(document, mediaType)
	}
	for name, tt := range map[string]struct{ header, content, want string }{
		"oci":                     {image.MediaTypeManifest, typed(oneImage, image.MediaTypeManifest), image.MediaTypeManifest},
		"oci without a type":      {image.MediaTypeManifest, typed(oneImage, ""), image.MediaTypeManifest},
		"docker":                  {image.MediaTypeDockerImage, typed(oneImage, image.MediaTypeDockerImage), image.MediaTypeDockerImage},
		"oci index":               {image.MediaTypeIndex, typed(aList, image.MediaTypeIndex), image.MediaTypeIndex},
		"docker list":             {image.MediaTypeDockerList, typed(aList, image.MediaTypeDockerList), image.MediaTypeDockerList},
		"header with parameters":  {strings.ToUpper(image.MediaTypeIndex) + "; charset=utf-8", typed(aList, ""), image.MediaTypeIndex},
		"header of a file server": {"application/json", typed(oneImage, image.MediaTypeDockerImage), image.MediaTypeDockerImage},
		"no type at all":          {"", typed(oneImage, ""), image.MediaTypeManifest},
		"no type at all, index":   {"text/plain; charset=utf-8", typed(aList, ""), image.MediaTypeIndex},
		"fields of later versions": {"", `{"schemaVersion":2,"config":{},"layers":[],"subject":{},"artifactType":"x","annotations":{},"new":[1,{"a":2}]}`,
			image.MediaTypeManifest},
	} {
		if got, err := manifestType(tt.header, []byte(tt.content)); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, tt := range map[string]struct{ header, content, want string }{
		"header and document differ":       {image.MediaTypeManifest, typed(oneImage, image.MediaTypeDockerImage), "ambiguous: sent as"},
		"index that calls itself image":    {image.MediaTypeManifest, typed(aList, image.MediaTypeManifest), "ambiguous: its fields"},
		"image that calls itself index":    {image.MediaTypeIndex, typed(oneImage, image.MediaTypeIndex), "ambiguous: its fields"},
		"image sent as an index":           {image.MediaTypeDockerList, typed(oneImage, ""), "ambiguous: its fields"},
		"both at once":                     {image.MediaTypeManifest, `{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`, "ambiguous: want the fields"},
		"both at once, layers alone":       {image.MediaTypeIndex, `{"schemaVersion":2,"layers":[],"manifests":[]}`, "ambiguous: want the fields"},
		"neither":                          {image.MediaTypeManifest, `{"schemaVersion":2}`, "ambiguous: want the fields"},
		"a field twice":                    {image.MediaTypeManifest, `{"schemaVersion":2,"config":{},"layers":[],"layers":[1]}`, `"layers" is there twice`},
		"a field in capitals":              {image.MediaTypeManifest, `{"schemaVersion":2,"config":{},"layers":[],"Layers":[1]}`, `"Layers" is spelled`},
		"a field in long s":                {image.MediaTypeManifest, `{"ſchemaVersion":2,"config":{},"layers":[]}`, "is spelled"},
		"two documents":                    {image.MediaTypeManifest, typed(oneImage, "") + typed(aList, ""), "something follows"},
		"schema 1 by header":               {"application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`, "docker's schema 1"},
		"schema 1 by version":              {"application/json", `{"schemaVersion":1,"fsLayers":[]}`, "docker's schema 1"},
		"schema 1 by fields":               {image.MediaTypeManifest, `{"schemaVersion":2,"fsLayers":[],"config":{},"layers":[]}`, "docker's schema 1"},
		"schema 1 by its own word":         {"", `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}`, "docker's schema 1"},
		"schema 3":                         {image.MediaTypeManifest, `{"schemaVersion":3,"config":{},"layers":[]}`, "schema version 3"},
		"no schema":                        {image.MediaTypeManifest, `{"config":{},"layers":[]}`, "schema version 0"},
		"artifact by header":               {"application/vnd.oci.artifact.manifest.v1+json", typed(oneImage, ""), "is not an image's"},
		"artifact by its own word":         {"application/json", typed(oneImage, "application/vnd.evil"), "is not an image's"},
		"web page":                         {"text/html", "<html>", "not a JSON object"},
		"list":                             {image.MediaTypeManifest, "[]", "not a JSON object"},
		"empty":                            {image.MediaTypeManifest, "", "not a JSON object"},
		"cut off":                          {image.MediaTypeManifest, `{"schemaVersion":2,"config":{`, "not a manifest"},
		"cut off before the end":           {image.MediaTypeManifest, `{"schemaVersion":2,"config":{}`, "not a manifest"},
		"version that is text":             {image.MediaTypeManifest, `{"schemaVersion":"2","config":{},"layers":[]}`, "not a manifest"},
		"escape sequences in a media type": {"\x1b[31m/x", typed(oneImage, ""), `media type "[31m/x"`},
	} {
		got, err := manifestType(tt.header, []byte(tt.content))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// FuzzManifestType: what has a type has one shape, whoever reads it.
func FuzzManifestType(f *testing.F) {
	f.Add(image.MediaTypeManifest, `{"schemaVersion":2,"config":{},"layers":[]}`)
	f.Add("", `{"schemaVersion":2,"manifests":[]}`)
	f.Add("text/plain", `{"schemaVersion":2,"Layers":[],"manifests":[]}`)
	f.Fuzz(func(t *testing.T, header, content string) {
		mediaType, err := manifestType(header, []byte(content))
		if err == nil && !isManifestType(mediaType) {
			t.Errorf("%q, %q: %q", header, content, mediaType)
		}
	})
}

func TestManifestsThatAreNotWhatTheyShould(t *testing.T) {
	other := "sha256:" + strings.Repeat("0", 64)
	for name, tt := range map[string]struct {
		do       faultregistry.Behaviour
		byDigest bool
		is       error
		want     []string
	}{
		"other digest in the header":     {do: faultregistry.Header("Docker-Content-Digest", other), want: []string{"read manifest of HOST/app:v1: the registry says that its digest is " + other}},
		"other digest, pulled by digest": {do: faultregistry.Header("Docker-Content-Digest", other), byDigest: true, want: []string{"says that its digest is " + other}},
		"flipped byte, pulled by digest": {do: faultregistry.Both(faultregistry.Flip(30), faultregistry.Header("Docker-Content-Digest", "")), byDigest: true, want: []string{"sent content with digest"}},
		"of a gigabyte":                  {do: faultregistry.Header("Content-Length", "1073741824"), want: []string{"too long: 1073741824 bytes, at most 4194304 are read"}},
		"without end":                    {do: endless, want: []string{"too long: at most 4194304 bytes"}},
		"cut off":                        {do: faultregistry.Cut(10), want: []string{"unexpected EOF"}},
		"that stalls":                    {do: faultregistry.Stall(10, time.Minute), want: []string{"nothing came for 400ms"}},
		"schema 1":                       {do: faultregistry.Status(200, `{"schemaVersion":1,"fsLayers":[]}`, "Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws"), want: []string{"docker's schema 1"}},
		"gone after a cut":               {do: cutOnce(404), is: ErrNotFound, want: []string{"manifest for HOST/app:v1 not found"}},
		"not found, in docker's words":   {do: faultregistry.Refuse(404, "MANIFEST_UNKNOWN", "manifest unknown"), is: ErrNotFound, want: []string{"manifest for HOST/app:v1 not found: manifest unknown: manifest unknown"}},
		"not found, without a word":      {do: faultregistry.Status(404, "404 page not found"), is: ErrNotFound, want: []string{"manifest for HOST/app:v1 not found: manifest unknown: manifest unknown"}},
		"no such repository":             {do: faultregistry.Refuse(404, "NAME_UNKNOWN", "repository name not known to registry"), is: ErrNotFound, want: []string{"repository HOST/app not found: name unknown: repository name not known to registry"}},
		"denied":                         {do: faultregistry.Refuse(403, "DENIED", "requested access to the resource is denied"), is: ErrDenied, want: []string{"pull access denied for HOST/app, repository does not exist or may require 'berth login': denied: requested access to the resource is denied"}},
		"forbidden, without a word":      {do: faultregistry.Status(403, ""), is: ErrDenied, want: []string{"pull access denied for HOST/app"}},
		"unauthorized":                   {do: faultregistry.Refuse(401, "UNAUTHORIZED", "authentication required"), is: ErrUnauthorized, want: []string{"unauthorized: authentication required"}},
		"too many, docker hub's":         {do: faultregistry.Refuse(429, "TOOMANYREQUESTS", "You have reached your pull rate limit.", "Retry-After", "21600"), is: ErrTooManyRequests, want: []string{"toomanyrequests: You have reached your pull rate limit. (the registry asks to be left alone for 6h0m0s)"}},
		"broken":                         {do: faultregistry.Status(502, "<html>bad gateway</html>"), want: []string{"received unexpected HTTP status: 502 Bad Gateway"}},
		"unsupported":                    {do: faultregistry.Refuse(405, "UNSUPPORTED", "The operation is unsupported."), is: ErrUnsupported, want: []string{"unsupported: The operation is unsupported."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faultregistry.New(t)
			made := s.Put(t, "app", "v1", noise(10))
			s.Fail(faultregistry.Fault{Path: "/manifests/", Do: tt.do})
			ref := named(t, s, "app:v1")
			if tt.byDigest {
				ref.Digest = made.Manifest.Digest
			}
			_, _, err := client(t, nil, placeAt(t, s)).Manifest(t.Context(), ref)
			for i := range tt.want {
				tt.want[i] = strings.ReplaceAll(tt.want[i], "HOST", s.Host)
			}
			wantError(t, err, tt.is, tt.want...)
		})
	}
}

// cutOnce breaks off the first answer, and has a status for the next.
func cutOnce(status int) faultregistry.Behaviour {
	asked := false
	return func(s *faultregistry.Server, next http.Handler) http.Handler {
		do := faultregistry.Cut(10)
		if asked {
			do = faultregistry.Status(status, "")
		}
		asked = true
		return do(s, next)
	}
}

// TestManifestAgain: what breaks off is read again, from the start.
func TestManifestAgain(t *testing.T) {
	for name, do := range map[string]faultregistry.Behaviour{
		"cut": faultregistry.Cut(10), "reset": faultregistry.Reset(), "stall": faultregistry.Stall(10, time.Minute),
		"500": faultregistry.Status(500, ""), "503 until a date": faultregistry.Status(503, "", "Retry-After", time.Now().UTC().Add(-time.Hour).Format(http.TimeFormat)),
		"429": faultregistry.Status(429, "", "Retry-After", "1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faultregistry.New(t)
			made := s.Put(t, "app", "v1", noise(10))
			s.Fail(faultregistry.Fault{Do: do, Times: 2})
			c := client(t, nil, placeAt(t, s))
			start := time.Now()
			found, _, err := c.Manifest(t.Context(), named(t, s, "app:v1"))
			if err != nil || found.Digest != made.Manifest.Digest || s.Count("", "") != 3 {
				t.Errorf("%+v, %d requests, %v", found, s.Count("", ""), err)
			}
			if name == "429" && time.Since(start) < 2*time.Second {
				t.Errorf("asked again within %v", time.Since(start))
			}
		})
	}
}

// TestHugeManifestCostsLittle: no more memory than the limit, whatever comes.
func TestHugeManifestCostsLittle(t *testing.T) {
	s := faultregistry.New(t)
	s.Fail(faultregistry.Fault{Path: "/manifests/", Do: endless})
	c := client(t, nil, placeAt(t, s))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := c.Manifest(t.Context(), named(t, s, "app:v1"))
	runtime.ReadMemStats(&after)
	wantError(t, err, nil, "too long")
	// All that was ever allocated, growing buffers and the test's server included.
	if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
		t.Errorf("%d MiB allocated", got>>20)
	}
}

func TestManifestRequest(t *testing.T) {
	s := faultregistry.New(t)
	made := s.Put(t, "app", "v1", noise(10))
	ref := named(t, s, "app:v1")
	ref.Digest = made.Manifest.Digest
	if _, _, err := client(t, nil, placeAt(t, s)).Manifest(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	r := s.Requests()[0]
	if r.Path != "/v2/app/manifests/"+string(made.Manifest.Digest) {
		t.Errorf("asked for %s", r.Path)
	}
	for _, mediaType := range manifestTypes() {
		if !strings.Contains(r.Header.Get("Accept"), mediaType) {
			t.Errorf("accepts %q, without %s", r.Header.Get("Accept"), mediaType)
		}
	}
	ref.Digest = image.Digest("sha512:" + strings.Repeat("0", 128))
	s.Fail(faultregistry.Fault{Do: faultregistry.Status(200, "{}")})
	_, _, err := client(t, nil, placeAt(t, s)).Manifest(t.Context(), ref)
	wantError(t, err, nil, "only sha256 can be verified")
}

func TestResolve(t *testing.T) {
	zeros := "sha256:" + strings.Repeat("0", 64)
	for name, tt := range map[string]struct {
		faults   []faultregistry.Fault
		byDigest bool
		gets     int
		is       error
		want     string
	}{
		"by HEAD":                 {},
		"by HEAD of a digest":     {byDigest: true},
		"HEAD not known":          {faults: []faultregistry.Fault{{Method: "HEAD", Do: faultregistry.Status(405, "")}}, gets: 1},
		"HEAD without a digest":   {faults: []faultregistry.Fault{{Method: "HEAD", Do: faultregistry.Header("Docker-Content-Digest", "")}}, gets: 1},
		"HEAD with no digest":     {faults: []faultregistry.Fault{{Method: "HEAD", Do: faultregistry.Header("Docker-Content-Digest", "sha256:../x")}}, gets: 1},
		"HEAD without a type":     {faults: []faultregistry.Fault{{Method: "HEAD", Do: faultregistry.Header("Content-Type", "text/plain")}}, gets: 1},
		"gone":                    {faults: []faultregistry.Fault{{Do: faultregistry.Status(404, "")}}, is: ErrNotFound, want: "manifest for HOST/app:v1 not found: manifest unknown"},
		"another digest":          {faults: []faultregistry.Fault{{Method: "HEAD", Do: faultregistry.Header("Docker-Content-Digest", zeros)}}, byDigest: true, want: "the registry has " + zeros},
		"HEAD not known and gone": {faults: []faultregistry.Fault{{Method: "HEAD", Do: faultregistry.Status(405, "")}, {Do: faultregistry.Status(404, "")}}, gets: 1, is: ErrNotFound, want: "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			s := faultregistry.New(t)
			made := s.Put(t, "app", "v1", noise(10))
			for _, f := range tt.faults {
				s.Fail(f)
			}
			ref := named(t, s, "app:v1")
			if tt.byDigest {
				ref.Digest = made.Manifest.Digest
			}
			got, err := client(t, nil, placeAt(t, s)).Resolve(t.Context(), ref)
			if tt.want != "" {
				wantError(t, err, tt.is, strings.ReplaceAll(tt.want, "HOST", s.Host))
			} else if err != nil || got.Digest != made.Manifest.Digest || got.MediaType != made.Manifest.MediaType || got.Size != made.Manifest.Size {
				t.Errorf("%+v, %v", got, err)
			}
			if n := s.Count(http.MethodGet, ""); n != tt.gets {
				t.Errorf("%d GETs, want %d", n, tt.gets)
			}
		})
	}
}
