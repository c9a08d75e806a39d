package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"

	"berth/cli/status"
	"berth/image"
)

// obtain returns the image that a container is made of: a stored one, or as
// --pull says one that is pulled. Where a stored one will do, nothing of what a
// pull needs is looked at.
func (c *creation) obtain(ctx context.Context, s *session, b *backend, name string) (image.Image, error) {
	platform, err := parsePlatform(cmp.Or(c.identity.platform, s.getenv("DOCKER_DEFAULT_PLATFORM")))
	if err != nil {
		return image.Image{}, err
	}
	p := &puller{session: s, images: b.images, file: s.stdio.Err, out: s.err, quiet: c.identity.quiet, platform: platform}
	policy := c.identity.pull
	if image.IsBox(name) {
		// It comes with berth, and from nowhere else.
		policy = "never"
	}
	switch policy {
	case "always":
		if err := p.pullNamed(ctx, name); err != nil {
			return image.Image{}, err
		}
	case "newer":
		if err := p.pullNamed(ctx, name); err != nil {
			return p.inPlaceOf(ctx, name, err)
		}
	case "missing":
		img, err := p.stored(ctx, name)
		if !fetchable(name, err) {
			return img, err
		}
		// Stdout is the container's.
		p.print("Unable to find image '" + withTag(name) + "' locally")
		if err := p.pullNamed(ctx, name); err != nil {
			return img, err
		}
	}
	return p.stored(ctx, name)
}

func (p *puller) pullNamed(ctx context.Context, name string) error {
	ref, err := image.ParseReference(name)
	if err != nil {
		return clientFault(err)
	}
	return p.pull(ctx, ref)
}

// stored is the image in the store, if it is for the platform that was asked for.
func (p *puller) stored(ctx context.Context, name string) (image.Image, error) {
	img, err := findImage(ctx, p.images, name)
	if err == nil {
		err = p.suits(name, img)
	}
	return img, err
}

// inPlaceOf is the stored image where none could be pulled.
func (p *puller) inPlaceOf(ctx context.Context, name string, failure error) (image.Image, error) {
	img, err := p.stored(ctx, name)
	if given := new(status.Error); err != nil || errors.As(failure, &given) {
		return img, failure
	}
	p.session.warn(fmt.Sprintf("%v; the stored image is used", failure))
	return img, nil
}

// suits refuses an image for another platform than was asked for. Without such a
// wish it only warns of one that is not this machine's: the kernel may know how
// to run it (binfmt_misc).
func (p *puller) suits(name string, img image.Image) error {
	have, want := image.Platform{OS: img.OS, Architecture: img.Architecture, Variant: img.Variant}, p.platform
	asked := want.OS != ""
	if !asked {
		want = image.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	sameVariant := want.Variant == "" || have.Variant == "" || want.Variant == have.Variant
	switch {
	case have.Architecture == "" || have.OS == want.OS && have.Architecture == want.Architecture && sameVariant:
		return nil
	case asked:
		return &platformError{verbatim("image with reference %s was found but its platform (%s) does not match the specified platform (%s)", name, have, want)}
	}
	p.session.warn(fmt.Sprintf("The requested image's platform (%s) does not match the detected host platform (%s) and no specific platform was requested", have, want))
	return nil
}

// platformError is an image for another platform than was asked for.
type platformError struct{ error }

// fetchable tells of an error that a pull may put right: the image is missing, or
// there for another platform, and it has a name and not an id.
func fetchable(name string, err error) bool {
	var missing *image.NoSuchImageError
	var other *platformError
	if !errors.As(err, &missing) && !errors.As(err, &other) {
		return false
	}
	if _, err := image.ParseDigest(name); err == nil {
		return false
	}
	_, err = image.ParseReference(name)
	return err == nil
}

// withTag is a name as docker repeats it.
func withTag(name string) string {
	ref, err := image.ParseReference(name)
	if err != nil {
		return name
	}
	return ref.Familiar()
}
