package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"berth/image"
)

// mounts answers a mount of a blob that the repository "base" has, as a registry
// of docker's does; any other one opens an upload.
func mounts(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodPost || r.URL.Query().Get("from") != "base" {
		return false
	}
	w.WriteHeader(http.StatusCreated)
	return true
}

func TestMountBlob(t *testing.T) {
	blob, b := someBlob(100)
	for _, c := range []struct {
		name    string
		from    []string
		fail    func(http.ResponseWriter, *http.Request) bool
		mounted bool
		methods string
	}{
		{name: "it is there", from: []string{"base"}, fail: mounts, mounted: true, methods: "POST"},
		{name: "it is not, the upload goes on", from: []string{"other"}, fail: mounts, methods: "POST PUT"},
		{name: "the second has it", from: []string{"other", "base"}, fail: mounts, mounted: true, methods: "POST POST DELETE"},
		{name: "none has it", from: []string{"other", "third"}, fail: mounts, methods: "POST POST DELETE PUT"},
		{name: "may not read there", from: []string{"base"}, fail: answer("POST", "", 403, 1), methods: "POST POST PUT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newPushSite(t)
			s.fail = c.fail
			client := pushClient(t, s)
			mounted := false
			for _, from := range c.from {
				var err error
				if mounted, err = client.MountBlob(t.Context(), pushRef(), blob, from); err != nil {
					t.Fatal(err)
				}
			}
			if mounted != c.mounted {
				t.Errorf("mounted %v", mounted)
			}
			if !mounted {
				if err := client.UploadBlob(t.Context(), pushRef(), blob, opener(b)); err != nil {
					t.Fatal(err)
				}
				wantBlob(t, s, client, blob)
			}
			if got := strings.Join(s.methods(), " "); !strings.HasPrefix(got, c.methods) {
				t.Errorf("requests %s, want %s", got, c.methods)
			}
			if want := "?from=" + c.from[0] + "&mount=sha256%3A"; s.called(want) != 1 {
				t.Errorf("calls %q, want one with %s", s.calls, want)
			}
		})
	}
}

// TestPushScopes: a token for an upload is for both ways, one for a mount for
// reading the other repository, too.
func TestPushScopes(t *testing.T) {
	s := newPushSite(t)
	var asked [][]string
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		asked = append(asked, strings.Fields(strings.Join(r.Form["scope"], " ")))
		fmt.Fprint(w, `{"token":"t","expires_in":300}`)
	}))
	t.Cleanup(tokens.Close)
	s.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "Bearer t" {
			return mounts(w, r)
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q,service=\"reg\"", tokens.URL+"/token"))
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	client := pushClient(t, s)
	blob, _ := someBlob(100)
	if has, err := client.HasBlob(t.Context(), pushRef(), blob); err != nil || has {
		t.Fatalf("has %v, error %v", has, err)
	}
	if mounted, err := client.MountBlob(t.Context(), pushRef(), blob, "base"); err != nil || !mounted {
		t.Fatalf("mounted %v, error %v", mounted, err)
	}
	last := asked[len(asked)-1]
	if !slices.Contains(asked[0], "repository:team/app:pull,push") || !slices.Contains(last, "repository:base:pull") {
		t.Errorf("scopes %q", asked)
	}
}

func TestPutManifest(t *testing.T) {
	content := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	var digest image.Digest = "sha256:bfc95ef41fd49aa9ef1c4bf94ca2b5e7d6e3d4a5d58b9f5fb7cf8b40d1e9b8f3"
	put := func(s *pushSite, ref image.Reference) error {
		return pushClient(t, s).PutManifest(t.Context(), ref, image.MediaTypeIndex, content)
	}
	pinned := pushRef()
	pinned.Digest = digest
	if err := put(newPushSite(t), pinned); err == nil || !strings.Contains(err.Error(), "the manifest has digest sha256:") {
		t.Errorf("error %v for a manifest of another digest", err)
	}

	s := newPushSite(t)
	s.fail = answer("PUT", "/manifests/", 503, 2)
	if err := put(s, pushRef()); err != nil {
		t.Fatal(err)
	}
	if s.called("PUT /v2/team/app/manifests/1") != 3 {
		t.Errorf("calls %q", s.calls)
	}

	s = newPushSite(t)
	s.change = func(_ *http.Request, _ int, h http.Header) { h.Set("Docker-Content-Digest", string(digest)) }
	if err := put(s, pushRef()); err == nil || !strings.Contains(err.Error(), "the registry stored "+string(digest)) {
		t.Errorf("error %v when the registry stored something else", err)
	}

	s = newPushSite(t)
	s.fail = answer("PUT", "", 403, 9)
	if err := put(s, pushRef()); !errors.Is(err, ErrDenied) {
		t.Errorf("error %v, want %v", err, ErrDenied)
	}
}

// TestPushRetriesWhereItCan: a registry that answers by http, after its https did
// not, is as patiently asked as any.
func TestPushRetriesWhereItCan(t *testing.T) {
	dead, s := newPushSite(t), newPushSite(t)
	dead.Close()
	client := pushClient(t, dead, s)
	blob, b := someBlob(100)
	if has, err := client.HasBlob(t.Context(), pushRef(), blob); err != nil || has {
		t.Fatalf("has %v, error %v", has, err)
	}
	s.fail = answer("POST", "", 503, 2)
	if err := client.UploadBlob(t.Context(), pushRef(), blob, opener(b)); err != nil {
		t.Errorf("%v; calls %q", err, s.calls)
	}
}
