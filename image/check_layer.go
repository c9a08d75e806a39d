package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"berth/archive"
	"berth/state"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// verifyLayers compares every tree with its blob, and looks at the record and the
// short name beside it.
func (c *checker) verifyLayers(ctx context.Context) error {
	var list []*checkedLayer
	for _, l := range c.layers {
		list = append(list, l)
	}
	problems := make([]layerProblem, len(list))
	at := make([]int, len(list))
	for i := range at {
		at[i] = i
	}
	inParallel(ctx, at, func(ctx context.Context, i int) { problems[i] = c.verifyLayer(ctx, list[i]) })
	for i, l := range list {
		if p := problems[i]; ctx.Err() == nil {
			c.layerFindings(l, p)
		}
	}
	return nil
}

// layerProblem is what is wrong with a layer; nil errors are right.
type layerProblem struct{ tree, record, link error }

func (c *checker) layerFindings(l *checkedLayer, p layerProblem) {
	path := c.layerPath(l.chain)
	note := func(object string, err error, mend func(ctx context.Context) error) {
		f := c.found(object, blobProblem(err))
		f.Images, f.Containers = l.images, c.containersOf(path)
		if !errors.Is(err, state.ErrVersion) {
			c.later(f, mend)
		}
	}
	if errors.Is(p.tree, fs.ErrNotExist) {
		if !c.stillNamed(&checkedBlob{images: l.images}) {
			return
		}
		p.tree = ErrNotUnpacked
	}
	if p.tree != nil {
		note("layer "+path, p.tree, func(ctx context.Context) error { return c.replaceTree(ctx, l) })
		return
	}
	if p.record != nil {
		note("file "+path+".json", p.record, func(ctx context.Context) error { return c.replaceTree(ctx, l) })
	}
	if p.link != nil {
		note("file "+c.dirs.Layer()+"/"+LayerLink(path), p.link, func(ctx context.Context) error { return c.relink(ctx, l.chain) })
	}
}

func (c *checker) verifyLayer(ctx context.Context, l *checkedLayer) layerProblem {
	path := c.layerPath(l.chain)
	fi, err := os.Lstat(path)
	if err == nil && !fi.IsDir() {
		err = fmt.Errorf("%w: it is no directory", ErrCorrupt)
	}
	if err != nil {
		return layerProblem{tree: err}
	}
	var p layerProblem
	var rec layerRecord
	p.record = state.ReadJSON(path+".json", &rec)
	if p.record == nil && rec.DiffID != l.diffID {
		p.record = fmt.Errorf("%w: it is of diff-id %s", ErrCorrupt, rec.DiffID)
	}
	if target, err := os.Readlink(c.dirs.Layer() + "/" + LayerLink(path)); err != nil {
		p.link = err
	} else if target != "../"+l.chain.Hex() {
		p.link = fmt.Errorf("%w: it leads to %s", ErrCorrupt, target)
	}
	if l.blob.finding == nil {
		c.verifyTree(ctx, l, rec, &p)
	}
	return p
}

// verifyTree compares a tree, and its record if that can be read, with the tar in
// the blob.
func (c *checker) verifyTree(ctx context.Context, l *checkedLayer, rec layerRecord, p *layerProblem) {
	got, diffID, err := c.compareTree(ctx, l)
	switch {
	case err != nil:
		p.tree = err
	case diffID != l.diffID:
		p.tree = fmt.Errorf("%w: the tar in its blob has diff-id %s, the image says %s", ErrCorrupt, diffID, l.diffID)
	case p.record == nil:
		// An attribute that the file system would not take is on record.
		for _, lost := range got.DroppedXattrs {
			if path, name, _ := strings.Cut(lost, ": "); !slices.Contains(rec.Dropped, lost) {
				got.Differences = append(got.Differences, "/"+path+": attribute "+name+" is missing")
			}
		}
		if rec.Size != got.Size || rec.Entries != got.Entries || !slices.Equal(rec.Implicit, got.Implicit) {
			p.record = fmt.Errorf("%w: it is of another tar", ErrCorrupt)
		}
	}
	if p.tree == nil && len(got.Differences) > 0 {
		p.tree = fmt.Errorf("%w: %s", ErrCorrupt, strings.Join(got.Differences, ", "))
	}
}

// compareTree reads what needs much memory one at a time, as a pull does.
func (c *checker) compareTree(ctx context.Context, l *checkedLayer) (archive.Verified, Digest, error) {
	got, diffID, err := c.compareWithin(ctx, l, usualWindow)
	if !errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return got, diffID, err
	}
	c.wide.Lock()
	// The next one would come on top of this one's memory.
	defer func() { debug.FreeOSMemory(); c.wide.Unlock() }()
	return c.compareWithin(ctx, l, wideWindow)
}

func (c *checker) compareWithin(ctx context.Context, l *checkedLayer, window uint64) (archive.Verified, Digest, error) {
	f, err := openRegular(c.blobPath(l.blob.desc.Digest))
	if err != nil {
		return archive.Verified{}, "", err
	}
	defer f.Close()
	br := bufio.NewReaderSize(f, aheadSize)
	kind, err := detectCompression(br)
	if err != nil {
		return archive.Verified{}, "", err
	}
	plainTar, err := decompress(br, kind, window)
	if err != nil {
		return archive.Verified{}, "", err
	}
	defer plainTar.Close()
	tree, err := os.Open(c.layerPath(l.chain))
	if err != nil {
		return archive.Verified{}, "", err
	}
	defer tree.Close()
	content := newCountingHash()
	ahead := newReadAhead(io.TeeReader(plainTar, content))
	got, err := archive.Verify(ctx, ahead, tree)
	ahead.stop()
	return got, content.digest(), err
}

// relink makes a layer's short name again.
func (c *checker) relink(ctx context.Context, chain Digest) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	link := c.dirs.Layer() + "/" + LayerLink(c.layerPath(chain))
	if target, err := os.Readlink(link); err == nil && target != "../"+chain.Hex() || errors.Is(err, unix.EINVAL) {
		if err := os.Remove(link); err != nil {
			return err
		}
	}
	return c.linkLayer(chain)
}

// replaceTree unpacks a layer again, into the place of what is there.
func (c *checker) replaceTree(ctx context.Context, l *checkedLayer) (err error) {
	if err := c.verifyBlob(ctx, l.blob.desc); err != nil {
		return fmt.Errorf("its blob %s: %w", l.blob.desc.Digest, err)
	}
	f, err := openRegular(c.blobPath(l.blob.desc.Digest))
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := c.newStage()
	if err != nil {
		return err
	}
	// What was replaced lies in the stage then, and goes with it.
	defer func() { err = errors.Join(err, st.discard()) }()
	if err := st.receive(ctx, bufio.NewReaderSize(f, aheadSize), Limits{}); err != nil {
		return err
	}
	if st.diffID != l.diffID {
		return fmt.Errorf("%w: its tar has diff-id %s, the image says %s", ErrCorrupt, st.diffID, l.diffID)
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.nobodyRuns(ctx, l); err != nil {
		return err
	}
	path := c.layerPath(l.chain)
	err = unix.Renameat2(unix.AT_FDCWD, st.dir+"/tree", unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
	if err == unix.ENOENT {
		return c.commitLayer(st, l.chain)
	}
	if err != nil {
		return &os.LinkError{Op: "renameat2", Old: st.dir + "/tree", New: path, Err: err}
	}
	return errors.Join(c.writeLayerRecord(st, l.chain), syncDir(c.dirs.Layer()))
}

// nobodyRuns refuses to touch a tree that a running container's root is made of.
func (c *checker) nobodyRuns(ctx context.Context, l *checkedLayer) error {
	users, err := c.Users(ctx)
	if err != nil {
		return fmt.Errorf("a container may use it: %w", err)
	}
	for _, u := range users[c.layerPath(l.chain)] {
		if u.Running {
			return fmt.Errorf("container %s runs on it: stop it first", shortID(u.Container))
		}
	}
	return nil
}
