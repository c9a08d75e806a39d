package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// inParallel runs work for every item on all cores, and stops early with ctx.
func inParallel[T any](ctx context.Context, items []T, work func(context.Context, T)) {
	next := make(chan T)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(items)) {
		workers.Go(func() {
			for item := range next {
				work(ctx, item)
			}
		})
	}
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		next <- item
	}
	close(next)
	workers.Wait()
}

// verifyBlobs hashes every blob that images need, and every other one: the next
// pull would take those that are there for good.
func (c *checker) verifyBlobs(ctx context.Context) error {
	names, err := os.ReadDir(c.blobDir())
	if err != nil {
		return err
	}
	var todo []*checkedBlob
	for _, b := range c.blobs {
		if !b.verified {
			todo = append(todo, b)
		}
	}
	for _, n := range names {
		d := Digest("sha256:" + n.Name())
		switch {
		case strings.HasPrefix(n.Name(), "."):
		case d.Validate() != nil:
			c.found("file "+c.blobDir()+"/"+n.Name(), "is no blob")
		case c.blobs[d] == nil:
			todo = append(todo, &checkedBlob{desc: Descriptor{Digest: d, Size: -1}})
		}
	}
	problems := make([]error, len(todo))
	at := make([]int, len(todo))
	for i := range at {
		at[i] = i
	}
	inParallel(ctx, at, func(ctx context.Context, i int) { problems[i] = c.verifyBlob(ctx, todo[i].desc) })
	for i, b := range todo {
		if b.verified = true; problems[i] != nil && ctx.Err() == nil {
			c.damaged(b, problems[i])
		}
	}
	return nil
}

// damaged notes a blob that is not what its name says.
func (c *checker) damaged(b *checkedBlob, problem error) {
	missing := errors.Is(problem, fs.ErrNotExist)
	if missing && !c.stillNamed(b) {
		return
	}
	b.finding = c.found("blob "+string(b.desc.Digest), blobProblem(problem))
	b.finding.Images = b.images
	if len(b.images) > 0 {
		c.later(b.finding, func(ctx context.Context) error { return c.refetch(ctx, b) })
		return
	}
	// Nobody has it, and nobody can ever use it.
	c.later(b.finding, func(context.Context) error { return os.Remove(c.blobPath(b.desc.Digest)) })
}

// stillNamed tells whether an image of the present index has a blob: it may have
// been removed since this check read it.
func (c *checker) stillNamed(b *checkedBlob) bool {
	index, err := c.readIndex()
	if err != nil || len(b.images) == 0 {
		return false
	}
	for _, row := range index.Manifests {
		for _, image := range b.images {
			if rowName(row) == image {
				return true
			}
		}
	}
	return false
}

// verifyBlob hashes one blob; a size below zero is not known.
func (c *checker) verifyBlob(ctx context.Context, want Descriptor) error {
	f, err := openRegular(c.blobPath(want.Digest))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := newCountingHash()
	buf := make([]byte, aheadSize)
	for {
		n, err := f.Read(buf)
		_, _ = sum.Write(buf[:n]) // a hash takes everything
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return sum.mustBe(want)
}

// mustBe compares what was hashed with a descriptor, whose size is not looked at
// when below zero.
func (c *countingHash) mustBe(want Descriptor) error {
	if want.Size >= 0 && c.n != want.Size {
		return fmt.Errorf("%w: it has %d bytes, %d are right", ErrCorrupt, c.n, want.Size)
	}
	if got := c.digest(); got != want.Digest {
		return fmt.Errorf("%w: its digest is %s", ErrCorrupt, got)
	}
	return nil
}

// refetch gets a blob again from where one of its images came from.
func (c *checker) refetch(ctx context.Context, b *checkedBlob) error {
	if b.desc.Size < 0 {
		return fmt.Errorf("%w: size %d", ErrCorrupt, b.desc.Size)
	}
	if slices.Contains(b.images, boxName) && boxDigest() != "" && c.hasBuiltIn() {
		if _, err := c.importBox(ctx); err != nil {
			return err
		}
		return c.verifyBlob(ctx, b.desc)
	}
	err := errors.New("no name of an image tells where it came from")
	for _, name := range b.images {
		ref, parseErr := ParseNamed(name)
		if parseErr != nil {
			continue
		}
		if c.Source == nil {
			return errors.New("there is no registry to fetch it from")
		}
		if err = c.refetchFrom(ctx, ref, b); err == nil {
			return nil
		}
		err = fmt.Errorf("fetch it from %s: %w", ref.Name(), err)
	}
	return err
}

func (c *checker) refetchFrom(ctx context.Context, ref Reference, b *checkedBlob) error {
	if b.manifest {
		ref.Digest = b.desc.Digest
		_, content, err := c.Source.Manifest(ctx, ref)
		if err != nil {
			return err
		}
		return c.replaceBlob(ctx, b.desc, strings.NewReader(string(content)))
	}
	r, err := c.Source.Blob(ctx, ref, b.desc, 0)
	if err != nil {
		return err
	}
	return errors.Join(c.replaceBlob(ctx, b.desc, r), r.Close())
}

// replaceBlob puts content into a blob's place once it is verified and synced.
func (c *checker) replaceBlob(ctx context.Context, want Descriptor, r io.Reader) (err error) {
	st, err := c.newStage()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.discard()) }()
	f, err := os.OpenFile(st.dir+"/blob", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := newCountingHash()
	if _, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(readerWithContext{ctx, r}, want.Size+1)); err != nil {
		return err
	}
	if err := sum.mustBe(want); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if fi, err := os.Lstat(c.blobPath(want.Digest)); err == nil && fi.IsDir() {
		return fmt.Errorf("%s is a directory", c.blobPath(want.Digest))
	}
	if err := os.Rename(st.dir+"/blob", c.blobPath(want.Digest)); err != nil {
		return err
	}
	return syncDir(c.blobDir())
}

// readerWithContext ends a long copy with its context.
type readerWithContext struct {
	ctx context.Context //nolint:containedctx // it lives for one copy
	r   io.Reader
}

func (r readerWithContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
