package container

import (
	"errors"
	"os"
	"testing"

	"berth/tests/fixture"
)

// TestConfirm: a container whose image has gone is on record when that is found
// out, and gone afterwards.
func TestConfirm(t *testing.T) {
	fixture.NeedRoot(t)
	gone := errors.New("the image has gone")
	for name, create := range map[string]func(e *Engine, c *Config) error{
		"create": func(e *Engine, c *Config) error { return e.Create(t.Context(), c) },
		"run":    func(e *Engine, c *Config) error { _, err := e.Run(t.Context(), c, Stdio{}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := newEngine(t)
			t.Cleanup(e.events.Close)
			c := &Config{Name: "doomed", Spec: DefaultSpec(), Network: "none", Layers: []string{"/gone"}}
			c.Spec.Process.Args = []string{"true"}
			asked := 0
			c.Confirm = func() error {
				asked++
				if _, err := e.Get(t.Context(), c.ID); err != nil {
					t.Errorf("asked before it is on record: %v", err)
				}
				return gone
			}
			if err := create(e, c); !errors.Is(err, gone) || asked != 1 {
				t.Errorf("%v after %d questions", err, asked)
			}
			if _, err := os.Lstat(e.Dirs.Container(c.ID)); !os.IsNotExist(err) {
				t.Errorf("its folder: %v", err)
			}
			if views, err := e.List(t.Context()); err != nil || len(views) != 0 {
				t.Errorf("%d are left, %v", len(views), err)
			}
			c.ID, c.Confirm = "", nil
			if err := e.Create(t.Context(), c); err != nil {
				t.Errorf("its name is still taken: %v", err)
			}
		})
	}
}
