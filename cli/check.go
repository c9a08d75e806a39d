package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth/cli/option"
	"berth/container"
	"berth/image"
)

func checkCommand() *command {
	return &command{
		name: "system check", category: categoryOther, group: "system", groupNames: []string{"check"}, hidden: true,
		args: "[OPTIONS]", short: "Find and mend what is damaged or left over",
		about: `Check looks at every container's records, at names, images and layers, at what interrupted commands left, and at cgroups without a container. It settles the containers whose supervisor died, as every command does, and prints a line for each finding.

With --repair it mends what can be mended without a loss. A container whose record or spec cannot be read, and an image that is damaged, stay: -f removes such containers, with what they wrote, and rmi such images. The exit status is 1 when something is left to be done.`,
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
	findings, err := b.Check(ctx, o)
	if err == nil {
		var more []container.Finding
		more, err = b.checkImages(ctx, o.Repair)
		findings = append(findings, more...)
	}
	left := 0
	for _, f := range findings {
		text := f.Object + ": " + f.Problem
		switch {
		case f.Repaired:
			text += " (repaired)"
		case f.Err != nil:
			text += " (not repaired: " + f.Err.Error() + ")"
		}
		if !f.Repaired {
			left++
		}
		if _, err := fmt.Fprintln(s.out, strings.ReplaceAll(text, "\n", "; ")); err != nil {
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

func problems(n int) string {
	if n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", n)
}

// checkImages looks for damaged images, for layers that are missing, and for
// layers that neither an image nor a container has.
func (b *backend) checkImages(ctx context.Context, repair bool) ([]container.Finding, error) {
	list, err := b.images.List()
	if err != nil {
		return nil, err
	}
	var findings []container.Finding
	damaged := false
	for _, img := range list {
		if img.Err == nil {
			continue
		}
		name := img.Ref
		if name == "" {
			name = string(img.Manifest)
		}
		f := container.Finding{Object: "image " + name, Problem: img.Err.Error()}
		if repair && errors.Is(img.Err, image.ErrNotUnpacked) {
			f.Err = b.images.Materialize(ctx, name)
			f.Repaired = f.Err == nil
		}
		damaged = damaged || !f.Repaired
		findings = append(findings, f)
	}
	if damaged {
		// Which layers a damaged image has is not known.
		return findings, nil
	}
	orphans, err := b.orphans(ctx, list)
	if err != nil || len(orphans) == 0 {
		return findings, err
	}
	var removed []string
	var failed error
	if repair {
		removed, failed = b.images.Collect(ctx, func(layer string) bool { return !slices.Contains(orphans, layer) })
	}
	for _, layer := range orphans {
		f := container.Finding{Object: "layer " + layer, Problem: "no image and no container has it"}
		f.Repaired = slices.ContainsFunc(removed, func(chain string) bool { return strings.HasSuffix(layer, strings.TrimPrefix(chain, "sha256:")) })
		if !f.Repaired {
			f.Err = failed
		}
		findings = append(findings, f)
	}
	return findings, nil
}

// orphans are the layers that nothing uses. A container that cannot be read may
// use any.
func (b *backend) orphans(ctx context.Context, list []image.Image) ([]string, error) {
	views, err := b.List(ctx)
	if err != nil {
		return nil, err
	}
	used, unknown := map[string]bool{}, false
	for _, v := range views {
		unknown = unknown || v.Err != nil
		for _, layer := range v.Layers {
			used[layer] = true
		}
	}
	if unknown {
		return nil, nil
	}
	for _, img := range list {
		for _, layer := range img.Layers {
			used[layer] = true
		}
	}
	sizes, err := b.images.LayerSizes()
	var orphans []string
	for layer := range sizes {
		if !used[layer] {
			orphans = append(orphans, layer)
		}
	}
	slices.Sort(orphans)
	return orphans, err
}
