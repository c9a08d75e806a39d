package cli

import (
	"context"
	"fmt"

	"berth/cli/option"
)

func createCommand() *command {
	return &command{
		name: "create", category: categoryContainers, group: "container", groupNames: []string{"create"},
		args: "[OPTIONS] IMAGE [COMMAND] [ARG...]", short: "Create a new container",
		about: "Create makes a container without starting it, and prints its ID. It takes the flags of run(1) that describe a container.",
		min:   1, max: unlimited, starts: true,
		operands: []operand{anyImage, anyFile},
		examples: []example{
			{"Make a container, and start it later.", "berth create --name job box sh -c 'echo done'"},
			{"Keep the ID in a file.", "berth create --cidfile /run/job.cid box true"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var c creation
			options := c.options()
			// Who creates attaches later; docker takes the flag, and so do scripts.
			var attach []string
			options = append(options, option.ParsedList(&attach, parseStream, "a,attach", "list", "Attach to STDIN, STDOUT or STDERR"))
			return sortOptions(options), func(ctx context.Context, args []string) error {
				return notCreated(s.create(ctx, &c, args))
			}
		},
	}
}

func (s *session) create(ctx context.Context, c *creation, args []string) error {
	b, err := s.open()
	if err != nil {
		return err
	}
	d, err := c.draft(ctx, s, b, args)
	if err != nil {
		return err
	}
	undo, err := writeCidFile(c.identity.cidFile, d.ID)
	if err != nil {
		return err
	}
	if err := d.clear(ctx, b); err != nil {
		undo()
		return err
	}
	if err := b.Create(ctx, d.Config); err != nil {
		undo()
		return err
	}
	_, err = fmt.Fprintln(s.out, d.ID)
	return err
}
