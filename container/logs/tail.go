package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

const (
	// maxGap is how many numbers in a row may be free before the files end. A
	// rotation under way leaves one free at a time; the rest is for rotations
	// that follow each other while somebody looks.
	maxGap = 3
	// openTries bounds the repetitions of openFiles. At ten megabytes a file,
	// a disk rotates a few dozen times a second.
	openTries = 1000
)

// openFiles opens the files of a log as they are at one moment, oldest first.
func openFiles(path string) ([]*source, error) {
	for range openTries {
		files, err := openOnce(path)
		if err != nil {
			closeAll(files)
			return nil, err
		}
		same, err := newestIs(path, files)
		if same && err == nil {
			return files, nil
		}
		closeAll(files)
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("open log %s: rotated %d times meanwhile", path, openTries)
}

// newestIs tells whether no new file was begun since openOnce. If one was, the
// names it looked at were not those of one moment, and the order is unknown.
func newestIs(path string, files []*source) (bool, error) {
	now, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		// Nothing written yet, or a writer died within a rotation.
		return len(files) == 0 || files[len(files)-1].Name() != path, nil
	}
	if err != nil || len(files) == 0 {
		return false, err
	}
	st, err := files[len(files)-1].Stat()
	return err == nil && os.SameFile(now, st), err
}

// openOnce opens what it meets going from the newest file up, oldest first in
// the result. Rotation moves files up, too, so it may meet one twice, which
// the inode shows.
func openOnce(path string) ([]*source, error) {
	var files []*source
	missing := 0
	for n := 0; n <= maxIndex && missing < maxGap; n++ {
		f, err := openNumber(path, n)
		if errors.Is(err, fs.ErrNotExist) {
			missing++
			continue
		}
		if err != nil {
			return files, err
		}
		missing = 0
		twice, err := holds(files, f)
		if err != nil || twice {
			f.Close()
			if err != nil {
				return files, err
			}
			continue
		}
		files = append(files, f)
	}
	slices.Reverse(files)
	return files, nil
}

// closeAll closes files that were only read.
func closeAll(files []*source) {
	for _, f := range files {
		f.Close()
	}
}

// holds tells whether one of the files is the same inode as f. They are
// open, so the number cannot have been given to a new file.
func holds(files []*source, f *source) (bool, error) {
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	for _, other := range files {
		o, err := other.Stat()
		if err != nil {
			return false, err
		}
		if os.SameFile(st, o) {
			return true, nil
		}
	}
	return false, nil
}

// position is a place in a list of files.
type position struct {
	file   int
	offset int64
	skip   int // records behind the offset
}

// tailStart finds where the last n records of the files begin; n below 0 is
// all of them. It reads backwards and no more than it needs, where the codec
// and the file let it.
func tailStart(files []*source, c codec, n int) (position, error) {
	if n < 0 || len(files) == 0 {
		return position{}, nil
	}
	for i := len(files) - 1; i >= 0; i-- {
		p, found, err := tailOf(files[i], c, n)
		if err != nil {
			return position{}, err
		}
		if found == n {
			p.file = i
			return p, nil
		}
		n -= found
	}
	return position{}, nil
}

// tailOf finds where the last n records of one file begin.
func tailOf(f *source, c codec, n int) (p position, found int, err error) {
	st, err := f.Stat()
	if err != nil {
		return p, 0, err
	}
	if !f.compressed() {
		offset, found, ok, err := c.last(f, st.Size(), n)
		if ok || err != nil {
			return position{offset: offset}, found, err
		}
	}
	var r io.Reader = f
	if !f.compressed() {
		r = io.NewSectionReader(f, 0, st.Size())
	}
	all, err := countRecords(r, c)
	if err != nil {
		return p, 0, err
	}
	if f.compressed() {
		err = f.rewind()
	}
	return position{skip: max(0, all-n)}, min(all, n), err
}

// countRecords reads to the end; what is damaged ends a compressed file early.
func countRecords(f io.Reader, c codec) (int, error) {
	count := 0
	defer c.reset()
	var buf []byte
	for {
		buf = growFor(buf, readSize)
		n, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		at := 0
		for at < len(buf) {
			n, _, err := c.next(buf[at:])
			if n == 0 {
				break
			}
			if err == nil {
				count++
			}
			at += n
		}
		buf = buf[:copy(buf, buf[at:])]
		switch {
		case err == io.EOF, errors.Is(err, ErrDamaged):
			return count, nil
		case err != nil:
			return 0, err
		}
	}
}

// lastLines finds the start of the last n lines among the first size bytes of
// f. found is below n when there are fewer. Bytes after the last newline are
// no line: nobody can tell yet what they will be.
func lastLines(f io.ReaderAt, size int64, n int) (offset int64, found int, err error) {
	buf := make([]byte, readSize)
	ends := -1 // newlines seen, less the one that ends the last line
	for size > 0 {
		chunk := buf[:min(size, readSize)]
		size -= int64(len(chunk))
		if _, err := f.ReadAt(chunk, size); err != nil && err != io.EOF {
			return 0, 0, err
		}
		for end := len(chunk); ; {
			end = bytes.LastIndexByte(chunk[:end], '\n')
			if end < 0 {
				break
			}
			if ends++; ends == n {
				return size + int64(end) + 1, n, nil
			}
		}
	}
	return 0, ends + 1, nil
}
