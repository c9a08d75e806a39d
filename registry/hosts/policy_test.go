package hosts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPolicy(t *testing.T) {
	const accept, reject, signed = `[{"type": "insecureAcceptAnything"}]`, `[{"type": "reject"}]`, `[{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}]`
	docker := func(initial, scopes string) string {
		return `{"default": ` + initial + `, "transports": {"docker": {` + scopes + `}, "docker-daemon": {"": ` + reject + `}}}`
	}
	many := docker(reject, `"a.com": `+accept+`, "a.com/ns": `+reject+`, "a.com/ns/good": `+accept+`, "a.com/ns/good:bad": `+reject+`,
		"a.com:5000": `+accept+`, "*.b.com": `+accept+`, "*.c.b.com": `+reject+`, "docker.io/library/box": `+accept+`, "s.com": `+signed)
	for _, tt := range []struct{ name, policy, ref, err string }{
		{"all", `{"default": ` + accept + `}`, "a.com/x", ""},
		{"none", `{"default": ` + reject + `}`, "a.com/x", "policy.json: images of a.com/x are rejected"},
		{"both", `{"default": [{"type": "insecureAcceptAnything"}, {"type": "reject"}]}`, "a.com/x", "are rejected"},
		{"host", many, "a.com/x", ""},
		{"other port", many, "a.com:5001/x", "images of a.com:5001/x are rejected"},
		{"port", many, "a.com:5000/x", ""},
		{"namespace", many, "a.com/ns/x", "images of a.com/ns are rejected"},
		{"part of a word", many, "a.com/nsx/x", ""},
		{"repository", many, "a.com/ns/good:1", ""},
		{"repository by digest", many, "a.com/ns/good:bad@" + digest, ""},
		{"image", many, "a.com/ns/good:bad", "images of a.com/ns/good:bad are rejected"},
		{"subdomain", many, "x.y.b.com/x", ""},
		{"subdomain's subdomain", many, "x.c.b.com/x", "images of *.c.b.com are rejected"},
		{"the domain itself", many, "b.com/x", "images of b.com/x are rejected"},
		{"hub", many, "box", ""},
		{"other of hub's", many, "nginx", "images of docker.io/library/nginx are rejected"},
		{"signed", many, "s.com/x", "images of s.com have to be verified (signedBy), and berth cannot verify signatures"},
		{"sigstore", docker(`[{"type": "sigstoreSigned", "keyPath": "/k"}]`, ""), "s.com/x", "(sigstoreSigned)"},
		{"for registries", docker(accept, `"": `+reject), "a.com/x", "images of all registries are rejected"},
		{"for another transport", docker(accept, ""), "a.com/x", ""},

		{"no JSON", "{\n\"default\": [\n}", "a.com/x", "policy.json:3: invalid character '}'"},
		{"empty", "", "a.com/x", "policy.json: an object is missing"},
		{"no default", `{"transports": {}}`, "a.com/x", "policy.json: no default is set"},
		{"empty default", `{"default": []}`, "a.com/x", "no list of requirements"},
		{"unknown field", `{"default": ` + accept + `, "defaults": ` + reject + `}`, "a.com/x", `unknown field "defaults"`},
		{"twice", `{"default": ` + reject + `, "default": ` + accept + `}`, "a.com/x", `field "default" is there twice`},
		{"scope twice", docker(accept, `"a.com": `+reject+`, "a.com": `+accept), "a.com/x", `transport docker: field "a.com" is there twice`},
		{"unknown type", `{"default": [{"type": "allow"}]}`, "a.com/x", `unknown type of requirement "allow"`},
		{"no type", `{"default": [{}]}`, "a.com/x", `unknown type of requirement ""`},
		{"more than a type", `{"default": [{"type": "insecureAcceptAnything", "keyPath": "/k"}]}`, "a.com/x", "unknown fields"},
		{"no object", `{"default": ["reject"]}`, "a.com/x", "an object is missing"},
		{"type is no text", `{"default": [{"type": 1}]}`, "a.com/x", "policy.json: "},
		{"transports are none", `{"default": ` + accept + `, "transports": []}`, "a.com/x", "an object is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := world(t, map[string]string{"etc/containers/policy.json": tt.policy}, nil).Endpoints(parse(t, tt.ref))
			if tt.err == "" && (err != nil || len(list) == 0) {
				t.Errorf("refused: %v", err)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

// TestPolicyOfUser: a user's own is in the place of the system's.
func TestPolicyOfUser(t *testing.T) {
	files := map[string]string{
		"etc/containers/policy.json":       `{"default": [{"type": "reject"}]}`,
		"~/.config/containers/policy.json": `{"default": [{"type": "insecureAcceptAnything"}]}`,
	}
	if _, err := world(t, files, nil).Endpoints(parse(t, "a.com/x")); err != nil {
		t.Error(err)
	}
}

// TestPolicyHoldsForMirrors: what is rejected is so by its own name, wherever it
// would come from.
func TestPolicyHoldsForMirrors(t *testing.T) {
	f := world(t, map[string]string{
		"etc/containers/registries.conf": "[[registry]]\nlocation = 'a.com'\n[[registry.mirror]]\nlocation = 'm.com'\n",
		"etc/containers/policy.json":     `{"default": [{"type": "reject"}], "transports": {"docker": {"m.com": [{"type": "insecureAcceptAnything"}]}}}`,
	}, nil)
	if _, err := f.Endpoints(parse(t, "a.com/x")); err == nil || !strings.Contains(err.Error(), "images of a.com/x are rejected") {
		t.Errorf("got %v", err)
	}
}

// TestUnreadable: a file that is there and cannot be read is no file that allows.
func TestUnreadable(t *testing.T) {
	for _, name := range []string{"containers/policy.json", "containers/registries.conf", "docker/daemon.json", "docker/certs.d/a.com/ca.crt"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			f := world(t, nil, nil)
			path := filepath.Join(f.options.Root, "etc", name)
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Endpoints(parse(t, "a.com/x")); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("a folder in its place: %v", err)
			}
		})
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte(`{"default": [{"type": "reject"}], "transports": {"docker": {"a.com": [{"type": "signedBy"}]}}}`))
	f.Add([]byte(`{"default": [{"type": "insecureAcceptAnything"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePolicy("policy.json", data)
		if err == nil && len(p.initial) == 0 {
			t.Errorf("%q allows everything", data)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "policy.json") {
			t.Errorf("%q: the error names no file: %v", data, err)
		}
	})
}

func ExampleFinder_Endpoints() {
	yes := true
	list, err := New(Options{Root: "/nonexistent", TLSVerify: &yes}).Endpoints(box())
	for _, e := range list {
		fmt.Println(e.Base, e.Repository, e.Registry, err)
	}
	// Output: https://registry-1.docker.io library/box docker.io <nil>
}
