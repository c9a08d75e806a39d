package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"berth/image"
)

// errSchema1 says why images of before 2016 are not read: their layers are named
// by what is not verified.
var errSchema1 = errors.New("it is in docker's schema 1, which nothing can verify and current tools no longer read: have the image pushed again")

// plainType is a media type without its parameters, in lower case.
func plainType(header string) string {
	mediaType, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(mediaType))
}

func isManifestType(mediaType string) bool { return slices.Contains(manifestTypes(), mediaType) }

func isSchema1(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.docker.distribution.manifest.v1+")
}

// isNoType tells the types of servers that know nothing of manifests.
func isNoType(mediaType string) bool {
	switch mediaType {
	case "", "application/json", "application/octet-stream", "binary/octet-stream", "text/plain":
		return true
	}
	return false
}

// manifestType decides what a document is. That two programs take the same bytes
// for different images must be impossible (CVE-2021-41190), so all that speaks of
// its type must agree: the header, the document's mediaType, and its fields.
func manifestType(header string, content []byte) (string, error) {
	fields, err := topFields(content)
	if err != nil {
		return "", err
	}
	var said struct {
		SchemaVersion int    `json:"schemaVersion"`
		MediaType     string `json:"mediaType"`
	}
	if err := json.Unmarshal(content, &said); err != nil {
		return "", fmt.Errorf("not a manifest: %w", err)
	}
	outside := plainType(header)
	switch {
	case isSchema1(outside), isSchema1(said.MediaType), slices.Contains(fields, "fsLayers"), said.SchemaVersion == 1:
		return "", errSchema1
	case said.SchemaVersion != 2:
		return "", fmt.Errorf("schema version %d is not known", said.SchemaVersion)
	case !isNoType(outside) && !isManifestType(outside):
		return "", fmt.Errorf("media type %q is not an image's", printable(outside))
	case said.MediaType != "" && !isManifestType(said.MediaType):
		return "", fmt.Errorf("media type %q is not an image's", printable(said.MediaType))
	case said.MediaType != "" && !isNoType(outside) && said.MediaType != outside:
		return "", fmt.Errorf("it is ambiguous: sent as %q, it calls itself %q", outside, said.MediaType)
	}
	mediaType := said.MediaType
	if mediaType == "" {
		mediaType = outside
	}
	return shapeType(mediaType, fields)
}

// shapeType holds a type against the fields of the document, and finds one for
// documents that nothing gives one.
func shapeType(mediaType string, fields []string) (string, error) {
	list := slices.Contains(fields, "manifests")
	single := slices.Contains(fields, "config") || slices.Contains(fields, "layers")
	if list == single {
		return "", errors.New("it is ambiguous: want the fields of a manifest or those of an index")
	}
	if isNoType(mediaType) {
		if list {
			return image.MediaTypeIndex, nil
		}
		return image.MediaTypeManifest, nil
	}
	if wantsList := mediaType == image.MediaTypeIndex || mediaType == image.MediaTypeDockerList; wantsList != list {
		return "", fmt.Errorf("it is ambiguous: its fields are not those of %q", mediaType)
	}
	return mediaType, nil
}

// topFields lists the fields of a JSON object. Those that are there twice, or that
// Go's decoder would take for another although they are spelled differently, mean
// different things to different readers, and are refused.
func topFields(content []byte) ([]string, error) {
	known := []string{"schemaVersion", "mediaType", "manifests", "config", "layers", "fsLayers", "history", "subject", "annotations", "artifactType"}
	d := json.NewDecoder(bytes.NewReader(content))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("not a manifest: not a JSON object")
	}
	var fields []string
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("not a manifest: %w", err)
		}
		name, _ := token.(string)
		if slices.Contains(fields, name) {
			return nil, fmt.Errorf("it is ambiguous: field %q is there twice", printable(name))
		}
		if slices.ContainsFunc(known, func(k string) bool { return k != name && strings.EqualFold(k, name) }) {
			return nil, fmt.Errorf("it is ambiguous: field %q is spelled in an unusual way", printable(name))
		}
		fields = append(fields, name)
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return nil, fmt.Errorf("not a manifest: %w", err)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("not a manifest: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not a manifest: something follows the JSON object")
	}
	return fields, nil
}
