package logs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"
)

// zipped is what the names of compressed files end in.
const zipped = ".gz"

// compressor compresses one rotated file at a time, beside the writing.
type compressor struct{ running sync.WaitGroup }

// start begins with the file at path; nothing may rename it until wait
// returns. A file that cannot be compressed stays as it is.
func (c *compressor) start(path string, loss *losses) {
	c.running.Go(func() {
		if err := compressFile(path); err != nil {
			loss.tell(fmt.Errorf("compress log: %w; the file stays as it is", err))
		}
		// The state of the compression is a megabyte, the next one far off.
		debug.FreeOSMemory()
	})
}

func (c *compressor) wait() { c.running.Wait() }

// compressFile replaces path by path.gz. The new file is whole and durable
// before the old one goes, and says in its header which that was, so that a
// reader that has the old one open finds its place.
func compressFile(path string) (err error) {
	from, err := openFile(path)
	if err != nil {
		return err
	}
	defer from.Close()
	id, err := idOf(from)
	if err != nil {
		return err
	}
	temporary := path + ".tmp"
	to, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		to.Close()
		if err != nil {
			err = errors.Join(err, os.Remove(temporary))
		}
	}()
	z, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return err
	}
	z.Comment = id.String()
	if _, err := io.Copy(z, from); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := to.Sync(); err != nil {
		return err
	}
	if err := os.Rename(temporary, path+zipped); err != nil {
		return err
	}
	return os.Remove(path)
}

// fileID tells a file from all others, also from a later one with its inode
// number: a rotated file's time of change is final.
type fileID struct {
	dev, ino uint64
	changed  int64 // nanoseconds since 1970
}

// idOf identifies an open file.
func idOf(f *os.File) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fileID{}, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return idFrom(&st), nil
}

func idFrom(st *unix.Stat_t) fileID {
	return fileID{dev: st.Dev, ino: st.Ino, changed: st.Mtim.Nano()}
}

func (id fileID) String() string {
	return strconv.FormatUint(id.dev, 10) + ":" + strconv.FormatUint(id.ino, 10) + ":" + strconv.FormatInt(id.changed, 10)
}

// madeOf reads which file a compressed one was made of. A damaged one, or
// one by another program, was made of none.
func madeOf(path string) (string, error) {
	f, err := openFile(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil || strings.Count(z.Comment, ":") != 2 {
		return "", nil
	}
	return z.Comment, nil
}
