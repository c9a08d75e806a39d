package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// place is where one layer of an image goes.
type place struct {
	chain, diffID Digest
}

// job is one blob with all the layers of the image that it is: empty layers are
// often the same blob.
type job struct {
	blob   Descriptor
	places []place
}

func (p *pull) jobs() []job {
	var jobs []job
	chain := chainIDs(p.config.RootFS.DiffIDs)
	for i, l := range p.manifest.Layers {
		at := place{chain[i], p.config.RootFS.DiffIDs[i]}
		if k := slices.IndexFunc(jobs, func(j job) bool { return j.blob.Digest == l.Digest }); k >= 0 {
			jobs[k].places = append(jobs[k].places, at)
			continue
		}
		jobs = append(jobs, job{blob: l, places: []place{at}})
	}
	return jobs
}

// fetch brings all that the image needs into the store. The first error ends the
// rest; what was complete by then stays.
func (p *pull) fetch(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.seats, p.wide = make(chan struct{}, cmp.Or(p.concurrency, pullConcurrency)), make(chan struct{}, 1)
	p.commits = newCommits(p.store)
	var wg sync.WaitGroup
	start := func(work func() error) {
		p.commits.work(1)
		wg.Go(func() {
			defer p.commits.work(-1)
			if err := work(); err != nil {
				cancel(err)
			}
		})
	}
	desc := p.desc // The config adds the platform to it.
	start(func() error { return p.document(ctx, desc, p.content) })
	if err := p.fetchConfig(ctx, start); err != nil {
		cancel(err)
	} else if err := p.declare(ctx); err != nil {
		cancel(err)
	} else {
		jobs := p.jobs()
		for _, j := range jobs {
			p.tell(j, StageWaiting, 0)
		}
		for _, j := range jobs {
			start(func() error { return p.layer(ctx, j) })
		}
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (p *pull) tell(j job, stage Stage, done int64) {
	p.progress(Progress{Blob: j.blob.Digest, Stage: stage, Done: done, Total: j.blob.Size})
}

// document stores a small blob that is in memory.
func (p *pull) document(ctx context.Context, desc Descriptor, content []byte) error {
	if p.store.hasBlob(desc.Digest, desc.Size) {
		return nil
	}
	part, err := p.store.openPartial(ctx, desc.Digest)
	if err != nil {
		return err
	}
	defer part.close()
	return p.landDocument(ctx, part, content)
}

func (p *pull) landDocument(ctx context.Context, part *partial, content []byte) error {
	if p.store.hasBlob(part.blob, int64(len(content))) {
		return nil
	}
	if err := part.restart(); err != nil {
		return err
	}
	_, err := part.Write(content)
	if err == nil {
		err = p.commits.commit(ctx, landing{part: part})
	}
	if err != nil {
		return errors.Join(err, part.restart())
	}
	return nil
}

// fetchConfig reads the config, from the source when it is not stored. Its way to
// the disk is left to start.
func (p *pull) fetchConfig(ctx context.Context, start func(func() error)) error {
	desc := p.manifest.Config
	if p.configBlob != nil {
		start(func() error { return p.document(ctx, desc, p.configBlob) })
		return nil
	}
	if b, err := p.store.readBlob(desc); err == nil {
		return p.readConfig(b)
	}
	part, err := p.store.openPartial(ctx, desc.Digest)
	if err != nil {
		return err
	}
	if b, err := p.store.readBlob(desc); err == nil {
		part.close()
		return p.readConfig(b)
	}
	b, err := p.download(ctx, desc)
	if err == nil {
		err = p.readConfig(b)
	}
	if err != nil {
		part.close()
		return err
	}
	start(func() error {
		defer part.close()
		return p.landDocument(ctx, part, b)
	})
	return nil
}

// download reads a small blob whole.
func (p *pull) download(ctx context.Context, desc Descriptor) ([]byte, error) {
	r, err := p.src.Blob(ctx, p.ref, desc, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	defer context.AfterFunc(ctx, func() { r.Close() })()
	return readVerified(r, desc.Digest, desc.Size)
}

// layer brings one blob and the trees of its layers into the store.
func (p *pull) layer(ctx context.Context, j job) error {
	if p.store.hasBlob(j.blob.Digest, j.blob.Size) && len(p.missing(j)) == 0 {
		p.tell(j, StageExists, j.blob.Size)
		return nil
	}
	// First the blob's lock, then a seat: whoever has a seat waits for nobody, so
	// that those who wait for each other's blobs come to an end.
	part, err := p.store.openPartial(ctx, j.blob.Digest)
	if err != nil {
		return err
	}
	defer func() { part.close() }()
	stored, worked, window := p.store.hasBlob(j.blob.Digest, j.blob.Size), false, uint64(usualWindow)
	for {
		missing := p.missing(j)
		if stored && len(missing) == 0 {
			break
		}
		l := layerFetch{pull: p, job: j, part: part, stored: stored, window: window}
		if len(missing) > 0 {
			l.place = &missing[0]
		}
		err := l.run(ctx)
		if errors.Is(err, zstd.ErrWindowSizeExceeded) && window != wideWindow {
			window = wideWindow
			continue
		}
		if errors.Is(err, errAgain) {
			// What was stored and is damaged gives way to what comes.
			part.close()
			if part, err = p.store.openPartial(ctx, j.blob.Digest); err == nil {
				stored = false
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("%s layer %s: %w", p.verb, j.blob.Digest, err)
		}
		stored, worked = true, true
	}
	if worked {
		p.tell(j, StageDone, j.blob.Size)
	} else {
		p.tell(j, StageExists, j.blob.Size)
	}
	return nil
}

// missing returns the layers of a job that have no tree yet.
func (p *pull) missing(j job) []place {
	var list []place
	for _, at := range j.places {
		if !p.store.hasTree(at.chain) {
			list = append(list, at)
		}
	}
	return list
}

// errAgain is content that proved damaged and can be fetched anew.
var errAgain = errors.New("fetch again")

// layerFetch is one pass over the bytes of a layer.
type layerFetch struct {
	*pull
	job  job
	part *partial
	// stored tells that the bytes are in the store, and not to be fetched.
	stored bool
	// place is the layer to unpack; nil for none.
	place *place
	// resumed is how many bytes of an earlier try are used.
	resumed int64
	// window bounds what a zstd stream may ask for. What asks for more than usual is
	// read again, one at a time.
	window uint64
}

// run fetches or reads the blob, unpacks it, and commits both. The error is
// errAgain when what this store had of the blob is damaged.
func (l *layerFetch) run(ctx context.Context) error {
	if err := seat(ctx, l.seats); err != nil {
		return err
	}
	if l.window == wideWindow {
		if err := seat(ctx, l.wide); err != nil {
			<-l.seats
			return err
		}
		// The next one would come on top of this one's memory.
		defer func() { debug.FreeOSMemory(); <-l.wide }()
	}
	ready, err := l.receive(ctx)
	<-l.seats
	if ready.stage != nil {
		defer func() { err = errors.Join(err, ready.stage.discard()) }()
	}
	if err == nil {
		err = l.commits.commit(ctx, ready)
	}
	return err
}

// seat takes one of the places that there are.
func seat(ctx context.Context, seats chan<- struct{}) error {
	select {
	case seats <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *layerFetch) receive(ctx context.Context) (ready landing, err error) {
	in, err := l.open(ctx)
	if err != nil {
		return ready, err
	}
	defer in.close()
	g := &ingest{source: in.r, abort: in.close, window: l.window, arrived: func() { l.tell(l.job, StageExtracting, l.job.blob.Size) }}
	if !l.stored {
		ready.part = l.part
	}
	if l.place == nil {
		err = g.copyOnly()
	} else {
		ready.chain = l.place.chain
		if ready.stage, err = l.store.newStage(); err == nil {
			err = ready.stage.unpack(ctx, g, l.limits)
		}
	}
	return ready, l.judge(ctx, g, err)
}

// judge decides what a pass over the bytes has shown.
func (l *layerFetch) judge(ctx context.Context, g *ingest, err error) error {
	var source *sourceError
	blob := l.job.blob
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &source):
		return err
	case g.whole && g.blob.Size != blob.Size:
		err = fmt.Errorf("blob %s: is not %d bytes long: %w", blob.Digest, blob.Size, ErrCorrupt)
	case g.whole && g.blob.Digest != blob.Digest:
		err = fmt.Errorf("blob %s: content has digest %s: %w", blob.Digest, g.blob.Digest, ErrCorrupt)
	case err == nil && l.place != nil && g.diffID != l.place.diffID:
		err = fmt.Errorf("tar has diff-id %s, the image says %s: %w", g.diffID, l.place.diffID, ErrCorrupt)
		return errors.Join(err, l.part.restart())
	case err == nil || l.sparesBlob(err):
		return err
	default:
		// Nobody will want to go on with this one.
		return errors.Join(err, l.part.restart())
	}
	if l.stored || l.resumed > 0 {
		err = errAgain
	}
	return errors.Join(err, l.part.restart())
}

// sparesBlob tells of an error after which the blob is still wanted.
func (l *layerFetch) sparesBlob(err error) bool {
	return isLocal(err) || errors.Is(err, zstd.ErrWindowSizeExceeded) && l.window != wideWindow
}

// isLocal tells of an error that is this machine's, and says nothing of the layer.
func isLocal(err error) bool {
	return slices.ContainsFunc([]error{
		unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EACCES, unix.EPERM,
	}, func(local error) bool { return errors.Is(err, local) })
}

// open returns the bytes of the blob from its beginning, wherever they are.
func (l *layerFetch) open(ctx context.Context) (*layerInput, error) {
	blob := l.job.blob
	if l.stored {
		l.tell(l.job, StageExtracting, blob.Size)
		f, err := openRegular(l.store.blobPath(blob.Digest))
		if err != nil {
			return nil, err
		}
		return &layerInput{r: f, closers: []io.Closer{f}}, nil
	}
	have, err := l.part.have(blob.Size)
	if err != nil {
		return nil, err
	}
	l.resumed = have
	in := &layerInput{r: l.part.reader(have)}
	l.tell(l.job, StageDownloading, have)
	if have == blob.Size && have > 0 {
		return in, nil
	}
	body, err := l.src.Blob(ctx, l.ref, blob, have)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { body.Close() })
	in.closers = []io.Closer{body}
	in.stop = stop
	// One byte more than there should be shows that there is too much.
	rest := io.LimitReader(body, blob.Size-have+1)
	in.r = io.MultiReader(in.r, &arriving{r: rest, part: l.part, want: blob, done: have, tell: func(done int64) { l.tell(l.job, StageDownloading, done) }})
	return in, nil
}

// layerInput is an open source of bytes.
type layerInput struct {
	r       io.Reader
	closers []io.Closer
	stop    func() bool
	once    sync.Once
}

func (in *layerInput) close() {
	in.once.Do(func() {
		if in.stop != nil {
			in.stop()
		}
		for _, c := range in.closers {
			c.Close()
		}
	})
}
