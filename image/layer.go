package image

import (
	"context"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berth/archive"
	"berth/state"

	"golang.org/x/sys/unix"
)

// linkDir, below <root>/layer, holds a short second name for each layer. Kernels
// before 6.8 take all lower directories in one mount option string of at most a
// page: 60 chain ids do not fit, 120 of these do.
const linkDir = "l"

// layerRecord, next to a layer's tree as <chain-id>.json, keeps what cannot be
// seen in the tree without walking it. It can be made again from the blob.
type layerRecord struct {
	state.Header
	DiffID   Digest   `json:"diffID"`
	Size     int64    `json:"size"`
	Entries  int      `json:"entries"`
	Implicit []string `json:"implicit,omitempty"`
	Dropped  []string `json:"droppedXattrs,omitempty"`
}

func (s *Store) layerPath(chain Digest) string { return s.dirs.Layer() + "/" + chain.Hex() }

// LayerLink returns the short name of a layer that Image.Layers lists, relative
// to the folder that all layers lie in ("l/" and 26 characters): a symbolic link
// for mount options that are short of room.
func LayerLink(layer string) string {
	sum, err := hex.DecodeString(filepath.Base(layer))
	if err != nil || len(sum) < 16 {
		return filepath.Base(layer)
	}
	return linkDir + "/" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16])
}

// stage is a private folder in which one layer comes into being: the blob as it
// arrived and the tree. state.Sweep removes it once its maker has ended.
type stage struct {
	dir      string
	blob     Descriptor
	diffID   Digest
	unpacked archive.Unpacked
}

func (s *Store) newStage() (*stage, error) {
	for {
		dir := s.dirs.Layer() + "/" + state.StagingName()
		err := os.Mkdir(dir, 0o700)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = os.Mkdir(dir+"/tree", 0o755)
		}
		if err == nil {
			// Mkdir's mode is cut by the umask; a root without an entry in the tar must
			// still be passable for a container's users.
			err = os.Chmod(dir+"/tree", 0o755)
		}
		return &stage{dir: dir}, err
	}
}

func (st *stage) discard() error { return state.RemoveTree(st.dir) }

func (st *stage) record() layerRecord {
	return layerRecord{
		DiffID: st.diffID, Size: st.unpacked.Size, Entries: st.unpacked.Entries,
		Implicit: st.unpacked.Implicit, Dropped: st.unpacked.DroppedXattrs,
	}
}

// receive reads a layer from r, storing the bytes and unpacking the tar on the
// way, and syncs both.
func (st *stage) receive(ctx context.Context, r io.Reader, limits Limits) error {
	blob, err := os.OpenFile(st.dir+"/blob", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer blob.Close()
	g := &ingest{source: r, keep: blob, window: wideWindow}
	if err := st.unpack(ctx, g, limits); err != nil {
		return err
	}
	// One syncfs covers the blob and every file of the tree; an fsync for each
	// would cost more than the unpacking.
	if err := unix.Syncfs(int(blob.Fd())); err != nil {
		return fmt.Errorf("syncfs %s: %w", st.dir, err)
	}
	return nil
}

// unpack runs g with the stage's tree and takes over what came out.
func (st *stage) unpack(ctx context.Context, g *ingest, limits Limits) error {
	tree, err := os.Open(st.dir + "/tree")
	if err != nil {
		return err
	}
	defer tree.Close()
	g.tree, g.limits = tree, limits.OrDefaults()
	err = g.run(ctx)
	st.blob, st.diffID, st.unpacked = g.blob, g.diffID, g.unpacked
	return err
}

// commitBlob moves the staged blob to its place, also when one is there: that may
// be damaged, this one is not. The caller holds the lock.
func (s *Store) commitBlob(st *stage) error {
	if err := os.Rename(st.dir+"/blob", s.blobPath(st.blob.Digest)); err != nil {
		return err
	}
	return syncDir(s.blobDir())
}

// commitLayer moves the staged tree to its place above the chain below. The
// caller holds the lock. A tree that is there already is the same tree.
func (s *Store) commitLayer(st *stage, chain Digest) error {
	final := s.layerPath(chain)
	if _, err := os.Lstat(final); err == nil {
		return s.linkLayer(chain)
	}
	if err := s.writeLayerRecord(st, chain); err != nil {
		return err
	}
	if err := s.linkLayer(chain); err != nil {
		return err
	}
	// Last: whoever sees the tree sees all that belongs to it.
	if err := os.Rename(st.dir+"/tree", final); err != nil {
		return err
	}
	return syncDir(s.dirs.Layer())
}

func (s *Store) writeLayerRecord(st *stage, chain Digest) error {
	rec := st.record()
	return state.WriteJSON(s.layerPath(chain)+".json", &rec, state.Durable)
}

// linkLayer gives the layer its short name. Half a digest names it, so a clash
// with another layer would have to be crafted, and is refused.
func (s *Store) linkLayer(chain Digest) error {
	link := s.dirs.Layer() + "/" + LayerLink(s.layerPath(chain))
	want := "../" + chain.Hex()
	err := os.Symlink(want, link)
	if errors.Is(err, fs.ErrExist) {
		if got, _ := os.Readlink(link); got != want {
			return fmt.Errorf("link layer %s: %s already names %q: %w", chain, link, got, ErrCorrupt)
		}
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(s.dirs.Layer() + "/" + linkDir)
}

// readLayer returns a layer's record, walking the tree for the size when the
// record is lost.
func (s *Store) readLayer(chain Digest) (layerRecord, error) {
	var rec layerRecord
	err := state.ReadJSON(s.layerPath(chain)+".json", &rec)
	if err == nil {
		return rec, nil
	}
	rec = layerRecord{}
	walk := func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if fi, err := d.Info(); err == nil && d.Type().IsRegular() {
			rec.Size += fi.Size()
		}
		rec.Entries++
		return nil
	}
	return rec, filepath.WalkDir(s.layerPath(chain), walk)
}

// LayerSizes returns the size in bytes of every layer's content, by its path as in
// Image.Layers, whether an image names it or not. Of a layer whose record cannot
// be read the size is 0.
func (s *Store) LayerSizes() (map[string]int64, error) {
	names, err := os.ReadDir(s.dirs.Layer())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, n := range names {
		if !isLayerName(n.Name()) {
			continue
		}
		rec, err := s.readLayer(Digest("sha256:" + n.Name()))
		if err != nil {
			rec.Size = 0
		}
		sizes[s.dirs.Layer()+"/"+n.Name()] = rec.Size
	}
	return sizes, nil
}

// isLayerName tells a layer's tree from the records, links and stages beside it.
func isLayerName(name string) bool {
	return len(name) == 64 && isLowerHex(name) && !strings.HasPrefix(name, ".")
}

func openRegular(path string) (*os.File, error) {
	// A layout can be handled by other tools: a link in place of a blob must not
	// lead anywhere, a FIFO must not block.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("open %s: %w: not a regular file", path, ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("open %s: %w: not a regular file", path, ErrCorrupt)
	}
	return f, nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
