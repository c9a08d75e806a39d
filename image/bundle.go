package image

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of an archive of images.
const (
	maxBundleFiles = 100_000
	maxBundleName  = 4096
	// maxBundleLinks is how many links may lead from one to the next.
	maxBundleLinks = 10
)

// bundle is an archive of images: its files by their names within. Nothing of it
// is written anywhere under these names.
type bundle struct {
	files map[string]bundled
	// links are symbolic and hard links, by what they lead to: old archives have one
	// where a layer is there twice.
	links map[string]string
	// close, when set, lets go of a folder.
	close func() error
}

// bundled is one file of an archive.
type bundled struct {
	size int64
	open func(offset int64) (io.ReadCloser, error)
}

// errHostileBundle is an archive that is made to be misread.
var errHostileBundle = fmt.Errorf("archive of images: %w", ErrHostileEntry)

// find returns a file by its name, following links within the archive.
func (b bundle) find(name string) (bundled, error) {
	for range maxBundleLinks {
		name = path.Clean(name)
		if !fs.ValidPath(name) {
			return bundled{}, fmt.Errorf("%w: %q leads out of it", errHostileBundle, name)
		}
		if f, ok := b.files[name]; ok {
			return f, nil
		}
		target, ok := b.links[name]
		if !ok {
			return bundled{}, fmt.Errorf("archive has no file %s: %w", name, fs.ErrNotExist)
		}
		name = target
	}
	return bundled{}, fmt.Errorf("%w: links at %q lead nowhere", errHostileBundle, name)
}

// document returns the content of a small file.
func (b bundle) document(name string) ([]byte, error) {
	f, err := b.find(name)
	if err != nil {
		return nil, err
	}
	if f.size > maxMetadata {
		return nil, fmt.Errorf("archive's file %s: %w: it has %d bytes", name, ErrCorrupt, f.size)
	}
	r, err := f.open(0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, f.size))
	if err == nil && int64(len(content)) < f.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read archive's file %s: %w", name, err)
	}
	return content, nil
}

// openBundle finds out what r is: a folder with an image layout, a tar that can be
// read where it lies, or a stream, which spool makes a file of first.
func openBundle(ctx context.Context, r io.Reader, limits Limits, spool func() (*os.File, error)) (bundle, error) {
	f, isFile := r.(*os.File)
	if !isFile {
		return spoolBundle(ctx, r, limits, spool)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return bundle{}, err
	case info.IsDir():
		return folderBundle(f)
	case !info.Mode().IsRegular():
		return spoolBundle(ctx, r, limits, spool)
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return bundle{}, err
	}
	kind, err := detectCompression(bufio.NewReader(io.NewSectionReader(f, at, 16)))
	switch {
	case err != nil:
		return bundle{}, err
	case kind != plain:
		return spoolBundle(ctx, r, limits, spool)
	}
	return tarBundle(&tarFile{f, at}, f)
}

// spoolBundle unpacks a stream into a file, so that what is in it can be read in
// any order.
func spoolBundle(ctx context.Context, r io.Reader, limits Limits, spool func() (*os.File, error)) (bundle, error) {
	counted := &countingReader{r: readerWithContext{ctx, r}}
	br := bufio.NewReaderSize(counted, aheadSize)
	kind, err := detectCompression(br)
	if err != nil {
		return bundle{}, fmt.Errorf("read archive: %w", err)
	}
	inflated, err := decompress(br, kind, wideWindow)
	if err != nil {
		return bundle{}, err
	}
	defer inflated.Close()
	file, err := spool()
	if err != nil {
		return bundle{}, err
	}
	w := bufio.NewWriterSize(file, aheadSize)
	guarded := &bombGuard{r: inflated, in: counted, limits: limits}
	b, err := tarBundle(&tarStream{countingReader{r: io.TeeReader(guarded, w)}}, file)
	if err != nil {
		return bundle{}, err
	}
	// Whoever writes into a pipe is not to be killed for what follows the end.
	if _, err := io.Copy(io.Discard, guarded); err != nil {
		return bundle{}, fmt.Errorf("read archive: %w", err)
	}
	return b, w.Flush()
}

// tarInput is a tar of which is known how far it has been read.
type tarInput interface {
	io.Reader
	position() int64
}

type tarStream struct{ countingReader }

func (t *tarStream) position() int64 { return t.n }

// tarFile reads a file from an offset on. It can seek, by which archive/tar skips
// what it does not read.
type tarFile struct {
	f  *os.File
	at int64
}

func (t *tarFile) position() int64 { return t.at }

func (t *tarFile) Read(p []byte) (int, error) {
	n, err := t.f.ReadAt(p, t.at)
	t.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Seek knows io.SeekCurrent, which is all that archive/tar asks for.
func (t *tarFile) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 || t.at > math.MaxInt64-offset {
		return 0, errors.ErrUnsupported
	}
	t.at += offset
	return t.at, nil
}

// tarBundle lists a tar as it is read. Its content is read from data then.
func tarBundle(r tarInput, data io.ReaderAt) (bundle, error) {
	b := bundle{files: map[string]bundled{}, links: map[string]string{}}
	entries := tar.NewReader(r)
	for count := 0; ; count++ {
		h, err := entries.Next()
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, fmt.Errorf("read archive: %w", err)
		}
		if count == maxBundleFiles {
			return b, fmt.Errorf("%w: it has more than %d entries", errHostileBundle, maxBundleFiles)
		}
		if err := b.add(h, data, r.position()); err != nil {
			return b, err
		}
	}
}

// add notes an entry whose content begins at an offset of data.
func (b bundle) add(h *tar.Header, data io.ReaderAt, at int64) error {
	name := path.Clean(strings.TrimLeft(h.Name, "/"))
	if !fs.ValidPath(name) || len(name) > maxBundleName {
		return fmt.Errorf("%w: entry %q leads out of it", errHostileBundle, truncated(h.Name))
	}
	_, isFile := b.files[name]
	_, isLink := b.links[name]
	switch h.Typeflag {
	case tar.TypeReg:
		for key := range h.PAXRecords {
			if strings.HasPrefix(key, "GNU.sparse.") {
				return fmt.Errorf("archive's file %s: sparse files are not supported", name)
			}
		}
		b.files[name] = bundled{size: h.Size, open: func(offset int64) (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(data, at+offset, h.Size-offset)), nil
		}}
	case tar.TypeSymlink:
		b.links[name] = path.Join(path.Dir(name), h.Linkname)
	case tar.TypeLink:
		b.links[name] = path.Clean(strings.TrimLeft(h.Linkname, "/"))
	default:
		return nil
	}
	if isFile || isLink {
		// Which of the two counts depends on who reads it.
		return fmt.Errorf("%w: entry %q is there twice", errHostileBundle, name)
	}
	return nil
}

func truncated(s string) string { return s[:min(len(s), 200)] }

// folderBundle lists the files of an image layout in a folder.
func folderBundle(dir *os.File) (bundle, error) {
	root, err := os.OpenRoot(dir.Name())
	if err != nil {
		return bundle{}, err
	}
	b := bundle{files: map[string]bundled{}, close: root.Close}
	names := []string{"oci-layout", "index.json"}
	blobs, err := fs.ReadDir(root.FS(), "blobs/sha256")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, errors.Join(err, root.Close())
	}
	for _, blob := range blobs {
		names = append(names, "blobs/sha256/"+blob.Name())
	}
	for _, name := range names {
		info, err := root.Lstat(name)
		if err == nil && info.Mode().IsRegular() {
			b.files[name] = bundled{size: info.Size(), open: func(offset int64) (io.ReadCloser, error) { return openAt(root, name, offset) }}
		}
	}
	return b, nil
}

// openAt opens a regular file of a folder.
func openAt(root *os.Root, name string, offset int64) (io.ReadCloser, error) {
	// A FIFO that takes the file's place must not block.
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: %w: not a regular file", name, ErrCorrupt)
	}
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
