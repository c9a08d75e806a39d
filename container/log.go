package container

import (
	"context"

	"berth/container/logs"
)

// openLog opens the container's log; nil for the driver "none".
func openLog(s *supervisor) (*logs.Writer, error) {
	return logs.Open(s.c.Log.Driver, s.c.Log.Opts, s.e.logged(s.c), nil)
}

// logged is what a log driver is told of a container.
func (e *Engine) logged(c *Config) logs.Container {
	l := logs.Container{
		ID: c.ID, LogPath: e.LogPath(c), Name: c.Name, Image: c.Image.Ref, ImageID: c.Image.ID,
		Labels: c.Labels, Created: c.Created,
	}
	if c.Spec != nil && c.Spec.Process != nil {
		l.Args, l.Env = c.Spec.Process.Args, c.Spec.Process.Env
	}
	return l
}

// ReadLog passes the records of a container's log to out, oldest first; see
// [logs.Read]. The container need not run, and its spec need not be loaded.
func (e *Engine) ReadLog(ctx context.Context, c *Config, o logs.ReadOptions, out func(logs.Record) error) error {
	return logs.Read(ctx, c.Log.Driver, e.logged(c), o, out)
}
