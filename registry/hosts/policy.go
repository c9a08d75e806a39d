package hosts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth/image"
	"berth/registry/jsonfile"
)

// policy is a policy.json (containers-policy.json(5)). Nil allows all.
type policy struct {
	file string
	// initial goes where no scope does.
	initial []requirement
	// scopes are those of the transport "docker", which is registries.
	scopes map[string][]requirement
}

// requirement is the type of one; what else it has says how to verify
// signatures, which berth cannot.
type requirement string

const (
	acceptAnything requirement = "insecureAcceptAnything"
	rejectAll      requirement = "reject"
)

// readPolicy reads the user's policy.json, else the system's.
func (f *Finder) readPolicy() (*policy, error) {
	for _, path := range []string{f.user("policy.json"), f.system("containers/policy.json")} {
		if path == "" {
			continue
		}
		data, err := jsonfile.Content(path)
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return parsePolicy(path, data)
	}
	return nil, nil
}

// parsePolicy is strict, as the format asks: what is not understood could be what
// keeps an image out.
func parsePolicy(path string, data []byte) (*policy, error) {
	var document json.RawMessage
	if err := jsonfile.Decode(path, data, &document); err != nil {
		return nil, err
	}
	p := &policy{file: path}
	err := eachField(document, func(name string, value json.RawMessage) error {
		switch name {
		case "default":
			return readRequirements(value, &p.initial)
		case "transports":
			return p.readTransports(value)
		}
		return fmt.Errorf("unknown field %q", name)
	})
	if err == nil && p.initial == nil {
		err = errors.New("no default is set")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// readTransports reads the scopes of all transports, and keeps the registries'.
func (p *policy) readTransports(value json.RawMessage) error {
	return eachField(value, func(transport string, value json.RawMessage) error {
		scopes := map[string][]requirement{}
		err := eachField(value, func(scope string, value json.RawMessage) error {
			var list []requirement
			err := readRequirements(value, &list)
			scopes[scope] = list
			return err
		})
		if err != nil {
			return fmt.Errorf("transport %s: %w", transport, err)
		}
		if transport == "docker" {
			p.scopes = scopes
		}
		return nil
	})
}

// readRequirements reads the list of one scope.
func readRequirements(value json.RawMessage, into *[]requirement) error {
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil || len(list) == 0 {
		return errors.New("a scope has no list of requirements")
	}
	for _, one := range list {
		var kind requirement
		fields := 0
		err := eachField(one, func(name string, value json.RawMessage) error {
			fields++
			if name == "type" {
				return json.Unmarshal(value, &kind)
			}
			return nil
		})
		if err != nil {
			return err
		}
		switch kind {
		case acceptAnything, rejectAll:
			if fields > 1 {
				return fmt.Errorf("a requirement %s has unknown fields", kind)
			}
		case "signedBy", "signedBaseLayer", "sigstoreSigned":
		default:
			return fmt.Errorf("unknown type of requirement %q", string(kind))
		}
		*into = append(*into, kind)
	}
	return nil
}

// eachField calls do for the fields of an object, and refuses one that is there
// twice: readers differ in which of the two they take.
func eachField(object json.RawMessage, do func(name string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("an object is missing")
	}
	var seen []string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if slices.Contains(seen, name) {
			return fmt.Errorf("field %q is there twice", name)
		}
		seen = append(seen, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := do(name, value); err != nil {
			return err
		}
	}
	return nil
}

// allows refuses an image that the policy keeps out.
func (p *policy) allows(ref image.Reference) error {
	if p == nil {
		return nil
	}
	list, scope := p.requirements(ref)
	for _, r := range list {
		switch r {
		case acceptAnything:
		case rejectAll:
			return refusal(p.file, "images of %s are rejected", scope)
		default:
			return refusal(p.file, "images of %s have to be verified (%s), and berth cannot verify signatures", scope, string(r))
		}
	}
	return nil
}

// requirements returns those of the most specific scope, and how it is called.
func (p *policy) requirements(ref image.Reference) ([]requirement, string) {
	for _, scope := range scopesOf(ref) {
		if list, ok := p.scopes[scope]; ok {
			return list, scope
		}
	}
	if list, ok := p.scopes[""]; ok {
		return list, "all registries"
	}
	return p.initial, ref.Name()
}

// scopesOf lists the names that a policy may know ref by, the most specific
// first: the image, its repository, namespaces, host, and domains.
func scopesOf(ref image.Reference) []string {
	name := ref.Name()
	scopes := []string{ref.String()}
	// With both, the digest is what is pulled.
	if ref.Digest != "" {
		scopes = []string{name + "@" + string(ref.Digest)}
	}
	for {
		scopes = append(scopes, name)
		slash := strings.LastIndexByte(name, '/')
		if slash < 0 {
			break
		}
		name = name[:slash]
	}
	domain := hostname(ref.Domain)
	for {
		_, parent, ok := strings.Cut(domain, ".")
		if !ok {
			return scopes
		}
		scopes, domain = append(scopes, "*."+parent), parent
	}
}
