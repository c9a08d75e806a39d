package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"berth/state"
)

// Finding is something in the store that is not as it should be.
type Finding struct {
	// Object is what it is about: "blob DIGEST", "layer PATH", "image NAME",
	// "file PATH".
	Object string
	// Problem says what is wrong with it.
	Problem string
	// Images are the images that it concerns, by name or manifest digest,
	// Containers the ids of containers.
	Images, Containers []string
	// Reclaimable tells that nothing is damaged: nobody uses it, and Collect
	// would remove it.
	Reclaimable bool
	// Repaired tells that it has been put right.
	Repaired bool
	// Err is why it was not, or could not be, put right; nil when nobody tried.
	Err error
}

// CheckOptions say what Check may do about its findings.
type CheckOptions struct {
	// Repair mends what can be mended without a loss.
	Repair bool
	// Source is where damaged blobs are fetched again from; nil for nowhere.
	Source Source
	// Users returns the containers by the layers that they stand on, with paths as
	// in Image.Layers. With an error nothing counts as unused, and no tree is
	// replaced. It is asked again before a tree is.
	Users func(ctx context.Context) (map[string][]User, error)
}

// Check verifies the store: the layout's files, every row of the index, every
// blob by size and digest, and every layer's tree against its blob, file by
// file. What interrupted writers left is removed on the way, as by every writer.
// Each finding names the images and containers that it concerns; an error is a
// store that cannot be looked at.
//
// Others may write meanwhile: what has gone with its image is no finding.
func (s *Store) Check(ctx context.Context, o CheckOptions) ([]Finding, error) {
	if _, err := os.Lstat(s.blobDir()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	c := &checker{Store: s, CheckOptions: o, blobs: map[Digest]*checkedBlob{}, layers: map[Digest]*checkedLayer{}}
	for _, step := range []func(context.Context) error{
		c.leftovers, c.layout, c.readUsers, c.readRows, c.verifyBlobs, c.verifyLayers, c.mend, c.unused,
	} {
		if err := errors.Join(step(ctx), ctx.Err()); err != nil {
			return c.list(), err
		}
	}
	return c.list(), nil
}

// checker is one Check at work.
type checker struct {
	*Store
	CheckOptions

	users map[string][]User
	// guess tells that not everything is known which is in use.
	guess bool
	index Index
	// blobs are those that rows of the index need, layers the trees.
	blobs    map[Digest]*checkedBlob
	layers   map[Digest]*checkedLayer
	findings []*Finding
	// mendable are findings whose repair waits until all is known.
	mendable []repair
	// wide is held while a layer is read that needs much memory.
	wide sync.Mutex
}

// repair is what puts a finding right.
type repair struct {
	finding *Finding
	mend    func(ctx context.Context) error
}

// checkedBlob is a blob that images need.
type checkedBlob struct {
	desc     Descriptor
	manifest bool
	images   []string
	verified bool
	finding  *Finding // nil for a blob that is as it should be
}

// checkedLayer is the tree of a layer of images.
type checkedLayer struct {
	chain, diffID Digest
	blob          *checkedBlob
	images        []string
}

// found notes a problem.
func (c *checker) found(object, problem string) *Finding {
	f := &Finding{Object: object, Problem: problem}
	c.findings = append(c.findings, f)
	return f
}

// later notes how a finding is put right, once everything has been looked at.
func (c *checker) later(f *Finding, mend func(ctx context.Context) error) {
	c.mendable = append(c.mendable, repair{f, mend})
}

// tried notes what came of a repair.
func (f *Finding) tried(err error) { f.Repaired, f.Err = err == nil, err }

func (c *checker) list() []Finding {
	var list []Finding
	for _, f := range c.findings {
		list = append(list, *f)
	}
	return list
}

func (c *checker) mend(ctx context.Context) error {
	if !c.Repair {
		return nil
	}
	for _, r := range c.mendable {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.finding.tried(r.mend(ctx))
	}
	return nil
}

// leftovers removes what dead writers left among the blobs; what they left
// elsewhere every listing of containers finds.
func (c *checker) leftovers(context.Context) error {
	paths, err := state.Leftovers(c.dirs, c.blobDir())
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return nil
	}
	failed := c.sweep()
	for _, path := range paths {
		f := c.found("file "+path, "was left by a command that died")
		if _, err := os.Lstat(path); err == nil {
			f.tried(errors.Join(failed, errors.New("it cannot be removed")))
			continue
		}
		f.tried(nil)
	}
	return nil
}

// layout checks the marker file and reads the index.
func (c *checker) layout(ctx context.Context) error {
	marker := c.dirs.Image() + "/oci-layout"
	if problem, ours := c.markerProblem(marker); problem != "" {
		f := c.found("file "+marker, problem)
		if ours {
			c.later(f, func(context.Context) error { return state.WriteFile(marker, []byte(layoutMarker), state.Durable) })
		}
	}
	var err error
	c.index, err = c.readIndex()
	if err == nil {
		err = c.lostIndex()
	}
	if err == nil {
		return nil
	}
	f := c.found("file "+c.indexPath(), err.Error())
	c.guess = true
	switch {
	case errors.Is(err, errNewer):
		f.Err = errors.New("a newer program wrote it")
	case c.Repair:
		f.tried(c.rebuildIndex(ctx))
		c.guess = f.Err != nil
		c.index, err = c.readIndex()
		if err != nil {
			c.index = Index{}
		}
	default:
		c.index = Index{}
	}
	return nil
}

// markerProblem says what is wrong with oci-layout, and whether it may be
// written again.
func (c *checker) markerProblem(path string) (problem string, ours bool) {
	var marker struct {
		Version string `json:"imageLayoutVersion"`
	}
	err := state.ReadJSON(path, &marker)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is missing", true
	case err != nil:
		return err.Error(), true
	case marker.Version != "1.0.0":
		return fmt.Sprintf("image layout version %q is not known", marker.Version), marker.Version == ""
	}
	return "", false
}

// readUsers asks which containers stand on which layers.
func (c *checker) readUsers(ctx context.Context) error {
	if c.Users == nil {
		c.Users = func(context.Context) (map[string][]User, error) { return nil, nil }
	}
	var err error
	if c.users, err = c.Users(ctx); err != nil {
		c.guess = true
	}
	return nil
}

// containersOf are the ids of the containers that stand on a layer.
func (c *checker) containersOf(layer string) []string {
	var ids []string
	for _, u := range c.users[layer] {
		ids = appendNew(ids, u.Container)
	}
	slices.Sort(ids)
	return ids
}

// unused notes what nobody uses: trees that no image and no container has, and
// old blobs. While an image or a container cannot be read, it might be theirs.
func (c *checker) unused(ctx context.Context) error {
	if c.guess {
		return nil
	}
	waste, err := c.Unused(func(layer string) bool { return len(c.users[layer]) > 0 })
	if err != nil {
		return err
	}
	var found []*Finding
	for _, path := range waste {
		object, problem := "file "+path, "no image and no container has it"
		if strings.HasPrefix(path, c.blobDir()+"/") {
			object, problem = "blob sha256:"+strings.TrimPrefix(path, c.blobDir()+"/"), "no image has it"
		} else if isLayerName(strings.TrimPrefix(path, c.dirs.Layer()+"/")) {
			object = "layer " + path
		}
		f := c.found(object, problem)
		f.Reclaimable = true
		found = append(found, f)
	}
	if !c.Repair || len(found) == 0 {
		return nil
	}
	var asked bool
	var users map[string][]User
	_, failed := c.Collect(ctx, func(layer string) bool {
		if !asked {
			// Only now, with the store locked, nobody can come to use it any more.
			asked = true
			users, err = c.Users(ctx)
		}
		return err != nil || len(users[layer]) > 0 || !slices.Contains(waste, layer)
	})
	for i, f := range found {
		if _, err := os.Lstat(waste[i]); err == nil {
			f.tried(errors.Join(failed, errors.New("it is still there")))
			continue
		}
		f.tried(nil)
	}
	return nil
}
