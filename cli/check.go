package cli

import (
	"context"
	"fmt"
	"strings"

	"berth/cli/option"
	"berth/container"
	"berth/image"
)

func checkCommand() *command {
	return &command{
		name: "system check", category: categoryOther, group: "system", groupNames: []string{"check"}, hidden: true,
		args: "[OPTIONS]", short: "Find and mend what is damaged or left over",
		about: `Check looks at every container's records, at names, at what interrupted commands left, and at cgroups without a container. Of the image store it verifies every blob by size and digest, and every layer's files against its blob. It settles the containers whose supervisor died, as every command does, and prints a line for each finding, with the images and containers that it concerns.

With --repair it mends what can be mended without a loss: a blob is fetched again from the registry that its image came from, a layer unpacked again unless a running container stands on it, an index that cannot be read is made again from the images that are there (their names may be lost; the old one stays as index.json.broken), and what nobody uses is removed. A container whose record or spec cannot be read stays: -f removes such containers, with what they wrote. An image that stays damaged can be removed with rmi.

What is only reclaimable is no damage: prune removes it, too. The exit status is 1 when something is left to be done.`,
		mixed: true,
		examples: []example{
			{"Look for what is wrong, and mend it.", "berth system check --repair"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var o container.CheckOptions
			return []*option.Option{
				option.Switch(&o.Force, "f,force", "Remove containers that cannot be mended (with --repair)"),
				option.Switch(&o.Repair, "repair", "Mend what can be mended without a loss"),
			}, func(ctx context.Context, _ []string) error { return s.check(ctx, o) }
		},
	}
}

func (s *session) check(ctx context.Context, o container.CheckOptions) error {
	if o.Force && !o.Repair {
		return verbatim("conflicting options: --force needs --repair")
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	found, err := b.Check(ctx, o)
	var findings []finding
	for _, f := range found {
		findings = append(findings, finding{Finding: f})
	}
	if err == nil {
		var more []finding
		more, err = s.checkImages(ctx, b, o.Repair)
		findings = append(findings, more...)
	}
	left := 0
	for _, f := range findings {
		if !f.Repaired && !f.reclaimable {
			left++
		}
		if _, err := fmt.Fprintln(s.out, f); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case left == 0:
		return nil
	case o.Repair:
		return fmt.Errorf("%s not repaired", problems(left))
	}
	return &hintError{fmt.Errorf("%s found", problems(left)), "berth system check --repair mends what can be mended"}
}

// finding is a line of check. What is reclaimable is no problem.
type finding struct {
	container.Finding
	reclaimable bool
}

func (f finding) String() string {
	text := f.Object + ": " + f.Problem
	switch {
	case f.Repaired:
		text += " (repaired)"
	case f.Err != nil:
		text += " (not repaired: " + f.Err.Error() + ")"
	case f.reclaimable:
		text += " (reclaimable)"
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

func problems(n int) string {
	if n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", n)
}

// checkImages verifies the image store. What is to be fetched again comes from
// where a pull of the image would take it.
func (s *session) checkImages(ctx context.Context, b *backend, repair bool) ([]finding, error) {
	o := image.CheckOptions{Repair: repair, Users: b.layerUsers}
	if repair {
		client := s.connect(registryFlags{}, image.Reference{})
		defer client.Close()
		o.Source = client
	}
	found, err := b.images.Check(ctx, o)
	list := make([]finding, len(found))
	for i, f := range found {
		list[i] = finding{
			Finding:     container.Finding{Object: f.Object, Problem: f.Problem + concerned(f), Repaired: f.Repaired, Err: f.Err},
			reclaimable: f.Reclaimable,
		}
	}
	return list, err
}

// concerned says which images and containers a finding is about.
func concerned(f image.Finding) string {
	var of []string
	for _, name := range f.Images {
		if ref, err := image.ParseNamed(name); err == nil {
			name = ref.Familiar()
		}
		if "image "+name != f.Object && !strings.HasSuffix(f.Object, name) {
			of = append(of, "image "+name)
		}
	}
	for _, id := range f.Containers {
		of = append(of, "container "+shortID(id))
	}
	if len(of) == 0 {
		return ""
	}
	return " (" + strings.Join(of, ", ") + ")"
}

// layerUsers are the containers by the layers that they stand on. One that cannot
// be read may stand on any.
func (b *backend) layerUsers(ctx context.Context) (map[string][]image.User, error) {
	views, err := b.List(ctx)
	if err != nil {
		return nil, err
	}
	users := map[string][]image.User{}
	for _, v := range views {
		if v.Err != nil {
			return nil, fmt.Errorf("read container %s: %w", shortID(v.ID), v.Err)
		}
		if v.Config == nil {
			continue
		}
		for _, layer := range v.Layers {
			users[layer] = append(users[layer], image.User{Container: v.ID, Running: v.Up()})
		}
	}
	return users, nil
}
