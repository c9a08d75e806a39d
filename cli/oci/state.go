package oci

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"berth/bundle"
	"berth/cli/option"
)

func stateCommand() *command {
	return &command{
		name: "state", args: idArg, short: "Show the state of a container",
		about: "State prints the state of a container as JSON: what the runtime specification names, and bundle, root, time of creation and owner as runc shows them. Pid is 0 once the container has stopped.\n\nWithout --root, state also shows a container that berth run or berth create made, by id, name or unique prefix of an id. Its bundle is the folder of the engine with what belongs to its current run.",
		min:   1, max: 1,
		build: func(s *session) ([]*option.Option, action) {
			return nil, s.with(func(ctx context.Context, b backend, id string) error {
				state, err := b.State(ctx, id)
				if errors.Is(err, bundle.ErrNotExist) {
					engines, lookErr := s.engineState(ctx, id)
					if engines != nil {
						return printJSON(s.out, engines, "  ")
					}
					return errors.Join(err, lookErr)
				}
				if err != nil {
					return err
				}
				return printJSON(s.out, state, "  ")
			})
		},
	}
}

// printJSON writes a document for people and programs alike.
func printJSON(to io.Writer, v any, indent string) error {
	e := json.NewEncoder(to)
	e.SetIndent("", indent)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
