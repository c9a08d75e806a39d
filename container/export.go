package container

import (
	"context"
	"fmt"
	"io"
	"os"

	"berth/archive"
)

// Export writes what a container sees as a tar: its image's files with its
// changes. What something is mounted at is as it is below, mostly empty. It may run
// meanwhile. notice is told what the archive lacks, such as sockets.
func (e *Engine) Export(ctx context.Context, ref string, w io.Writer, notice func(string)) error {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return err
	}
	root, err := e.openTree(v.Config)
	if err != nil {
		return fmt.Errorf("export container %s: %w", v.ID[:12], err)
	}
	defer root.Close()
	if _, err := archive.Pack(ctx, w, root, archive.PackOptions{Notice: notice, Kernel: true}); err != nil {
		return fmt.Errorf("export container %s: %w", v.ID[:12], err)
	}
	e.emit(v.Config, "export")
	return nil
}

// openTree opens the root of a container for reading, without its mounts.
func (e *Engine) openTree(c *Config) (*os.File, error) {
	if len(c.Layers) == 0 {
		return os.OpenFile(c.Rootfs, pathFlags, 0)
	}
	return e.openOwn(c)
}
