package cli

import (
	"errors"

	"berth/image"
	"berth/registry"
)

// pullFault puts why an image could not be pulled into docker's words, which
// clients match.
func pullFault(ref image.Reference, err error) error {
	var said *registry.Error
	known := errors.As(err, &said)
	switch {
	case errors.Is(err, registry.ErrUnauthorized):
		return &hintError{err, "berth login " + ref.Domain + " keeps credentials"}
	case !known:
		return err
	case errors.Is(err, registry.ErrDenied):
		return &hintError{
			verbatim("pull access denied for %s, repository does not exist or may require 'docker login': %w", ref.FamiliarName(), said),
			"berth login " + ref.Domain + " keeps credentials",
		}
	case said.Code == "NAME_UNKNOWN":
		return verbatim("repository %s not found: %w", ref.FamiliarName(), said)
	case said.Code == "MANIFEST_UNKNOWN", said.Code == "" && errors.Is(err, registry.ErrNotFound):
		return verbatim("manifest for %s not found: %w", ref.Familiar(), said)
	}
	return err
}
