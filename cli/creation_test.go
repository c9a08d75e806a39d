package cli

import (
	"errors"
	"testing"

	"berth/image"
)

// movedImages is a store whose index has changed.
type movedImages struct {
	fakeImages
	now image.Image
	err error
}

func (m movedImages) State() (image.State, error)         { return image.State{}, errors.New("changed") }
func (m movedImages) Resolve(string) (image.Image, error) { return m.now, m.err }

// TestStillThere: a container is not made of an image that was removed after it
// had been found; what else changed in the store does not matter.
func TestStillThere(t *testing.T) {
	img := image.Image{ID: "sha256:a", Layers: []string{"/l"}}
	if err := stillThere(fakeImages{}, image.State{}, "img", img); err != nil {
		t.Errorf("the same store: %v", err)
	}
	for name, tt := range map[string]struct {
		images movedImages
		want   string
	}{
		"another image":  {movedImages{now: img}, ""},
		"removed":        {movedImages{err: &image.NoSuchImageError{Ref: "sha256:a"}}, "No such image: img"},
		"its trees gone": {movedImages{err: image.ErrNotUnpacked}, "No such image: img"},
		"unreadable":     {movedImages{err: image.ErrCorrupt}, image.ErrCorrupt.Error()},
	} {
		err := stillThere(tt.images, image.State{}, "img", img)
		if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
