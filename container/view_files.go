package container

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"berth/rootfs"
)

// errNoLayers is a container that runs on a folder of the host.
var errNoLayers = errors.New("it runs on a folder of the host (--rootfs), which has no layers to compare with")

// seen are the layers of what a container sees: the image's, below what the
// container has written, if it has.
func (e *Engine) seen(c *Config) ([]string, error) {
	below, err := e.given(c)
	if err != nil {
		return nil, err
	}
	upper := e.upperDir(c.ID)
	switch _, err := os.Lstat(upper); {
	case errors.Is(err, fs.ErrNotExist):
		return below, nil
	case err != nil:
		return nil, err
	}
	return slices.Concat([]string{upper}, below), nil
}

// given are the layers that a container starts with: the image's, and below
// them the one with the mount points, so that those are no changes.
func (e *Engine) given(c *Config) ([]string, error) {
	if len(c.Layers) == 0 {
		return nil, errNoLayers
	}
	if err := e.mountPoints(); err != nil {
		return nil, err
	}
	return e.layers(c), nil
}

// openView opens what the container sees, read-only and without its mounts.
func (e *Engine) openView(c *Config) (*os.File, error) {
	layers, err := e.seen(c)
	if err != nil {
		return nil, err
	}
	return rootfs.View(layers)
}

// openOwn opens what is the container's own: what it sees, but for the mount
// points that berth puts below every image.
func (e *Engine) openOwn(c *Config) (*os.File, error) {
	layers, err := e.seen(c)
	if err != nil {
		return nil, err
	}
	if err := e.makeEmpty(); err != nil {
		return nil, err
	}
	// An overlay has at least two layers.
	layers[len(layers)-1] = e.emptyDir()
	return rootfs.View(layers)
}
