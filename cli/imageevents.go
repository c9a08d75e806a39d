package cli

import (
	"context"
	"errors"
	"io"

	"berth/container/events"
	"berth/image"
)

// toldImages are images whose changes are told among the events, as docker has
// them: package image knows nothing of those.
type toldImages struct {
	imageStore
	events eventLog
}

func (t toldImages) tell(action string, id image.Digest, name string) {
	ev := events.Event{Type: events.Image, Action: action, ID: string(id)}
	if name != "" {
		ev.Attributes = map[string]string{"name": name}
	}
	t.events.Append(ev)
}

// Import is the store's, told of as docker's "import".
func (t toldImages) Import(ctx context.Context, r io.Reader, o image.ImportOptions) (image.Image, error) {
	img, err := t.imageStore.Import(ctx, r, o)
	if err == nil {
		t.tell("import", img.ID, shortRef(o.Ref))
	}
	return img, err
}

// Tag is the store's.
func (t toldImages) Tag(ctx context.Context, source, target string) error {
	err := t.imageStore.Tag(ctx, source, target)
	if err != nil {
		return err
	}
	if img, found := t.Resolve(target); found == nil || errors.Is(found, image.ErrNotUnpacked) {
		ref, _ := image.ParseReference(target)
		t.tell("tag", img.ID, ref.Familiar())
	}
	return nil
}

// Save is the store's, Load as well. As with docker an image goes by its ID here.
func (t toldImages) Save(ctx context.Context, w io.Writer, queries []string, o image.SaveOptions) ([]image.Saved, error) {
	saved, err := t.imageStore.Save(ctx, w, queries, o)
	for _, img := range saved {
		t.tell("save", img.ID, string(img.ID))
	}
	return saved, err
}

// Load is the store's.
func (t toldImages) Load(ctx context.Context, r io.Reader, o image.LoadOptions) ([]image.Loaded, error) {
	loaded, err := t.imageStore.Load(ctx, r, o)
	for _, l := range loaded {
		t.tell("load", l.Image.ID, string(l.Image.ID))
	}
	return loaded, err
}

// Commit is the store's. Docker tells of it by the event of the container, and
// by the name that the image gets.
func (t toldImages) Commit(ctx context.Context, layer io.Reader, o image.CommitOptions) (image.Image, error) {
	img, err := t.imageStore.Commit(ctx, layer, o)
	if err == nil && o.Ref != "" {
		t.tell("tag", img.ID, shortRef(o.Ref))
	}
	return img, err
}

// Pull is the store's. Docker tells of it by the reference that was asked for, in
// the place of an id, and also where nothing is new.
func (t toldImages) Pull(ctx context.Context, src image.Source, ref image.Reference, o image.PullOptions) (image.Pulled, error) {
	pulled, err := t.imageStore.Pull(ctx, src, ref, o)
	if err == nil {
		t.tell("pull", image.Digest(ref.Familiar()), ref.FamiliarName())
	}
	return pulled, err
}

// Push is the store's, told of as Pull is.
func (t toldImages) Push(ctx context.Context, dst image.Target, query string, to image.Reference, o image.PushOptions) (image.Pushed, error) {
	pushed, err := t.imageStore.Push(ctx, dst, query, to, o)
	if err == nil {
		t.tell("push", image.Digest(to.Familiar()), to.FamiliarName())
	}
	return pushed, err
}

// Remove is the store's. Each name that goes is told of, and the image when it
// goes with the last one.
func (t toldImages) Remove(ctx context.Context, ref string, o image.RemoveOptions, inUse func(id image.Digest) []image.User) (untagged, deleted []string, err error) {
	img, found := t.Resolve(ref)
	untagged, deleted, err = t.imageStore.Remove(ctx, ref, o, inUse)
	if found != nil && !errors.Is(found, image.ErrNotUnpacked) {
		return untagged, deleted, err
	}
	for _, name := range untagged {
		t.tell("untag", img.ID, name)
	}
	for _, id := range deleted {
		if id == string(img.ID) {
			t.tell("delete", img.ID, "")
		}
	}
	return untagged, deleted, err
}

// shortRef is a reference as users write it.
func shortRef(ref string) string {
	named, err := image.ParseNamed(ref)
	if err != nil {
		return ref
	}
	return named.Familiar()
}
