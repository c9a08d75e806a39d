package cli

import (
	"context"
	"fmt"

	"berth/cli/option"
)

func renameCommand() *command {
	return &command{
		name: "rename", category: categoryContainers, group: "container", groupNames: []string{"rename"},
		args: "CONTAINER NEW_NAME", short: "Rename a container",
		about: "Rename gives a container another name, whether it runs or not. A name that another container has is refused; of several commands that want one name at once, one gets it.",
		min:   2, max: 2, mixed: true,
		operands: []operand{anyContainer, nothing},
		examples: []example{
			{"Give a container another name.", "berth rename web web-old"},
		},
		build: func(s *session) ([]*option.Option, action) {
			return nil, func(ctx context.Context, args []string) error {
				if args[0] == "" || args[1] == "" {
					err := verbatim("Neither old nor new names may be empty")
					return &clientError{err: err, docker: "Error: " + err.Error()}
				}
				b, err := s.open()
				if err != nil {
					return err
				}
				err = b.Rename(ctx, args[0], args[1])
				if err != nil && s.program == "docker" {
					s.report(nil, err)
					fmt.Fprintf(s.err, "Error: failed to rename container named %s\n", args[0])
					return &reported{code: exitFailed}
				}
				return err
			}
		},
	}
}
