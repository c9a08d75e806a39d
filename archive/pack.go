package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// PackOptions say how a tree is written.
type PackOptions struct {
	// Name is what the tree's root is called in the archive; everything in it is
	// below that name. Empty is "./", and what is in it has no prefix.
	Name string
	// Owner, when set, turns the owner of a file into that of its entry.
	Owner func(uid, gid uint32) (int, int)
	// Notice, when set, is told what the archive lacks.
	Notice func(text string)
	// Kernel leaves out what is in proc, sysfs and their like: none of it is
	// anybody's data. Their mount points are archived, empty.
	Kernel bool
}

// Pack writes the tree at root, which may be any kind of file (O_PATH), as a tar:
// directories before their content, siblings in the order of bytes. A tree that
// changes meanwhile makes a valid archive of what was met: what vanishes is left
// out, a file that shrinks is filled with zeros, one that grows is cut.
//
// size is how large the archive is without extended headers, in bytes: as large
// as docker's, whose archives have whole seconds.
func Pack(ctx context.Context, w io.Writer, root *os.File, opts PackOptions) (size int64, err error) {
	n := node{fd: int(root.Fd())}
	if err := unix.Fstat(n.fd, &n.st); err != nil {
		return 0, fmt.Errorf("fstat %s: %w", root.Name(), err)
	}
	p := newPacker(w, opts)
	name := opts.Name
	if name == "" {
		name = "."
	}
	err = p.add(ctx, n, name, opts.Name)
	return p.size, errors.Join(err, p.end(err == nil))
}

// packer writes one archive.
type packer struct {
	opts  PackOptions
	out   *bufio.Writer
	tar   *tar.Writer
	links map[inode]string // where files with several names went
	buf   []byte
	size  int64 // without extended headers
}

// blockSize is what a tar is made of.
const blockSize = 512

// inode identifies a file as long as it exists.
type inode struct{ dev, ino uint64 }

func newPacker(w io.Writer, opts PackOptions) *packer {
	out := bufio.NewWriterSize(w, 1<<16)
	return &packer{opts: opts, out: out, tar: tar.NewWriter(out), links: map[inode]string{}, buf: make([]byte, 1<<18)}
}

// end completes the archive, if it is whole.
func (p *packer) end(whole bool) error {
	if !whole {
		return nil
	}
	p.size += 2 * blockSize
	if err := p.tar.Close(); err != nil {
		return err
	}
	return p.out.Flush()
}

func (p *packer) notice(format string, args ...any) {
	if p.opts.Notice != nil {
		p.opts.Notice(fmt.Sprintf(format, args...))
	}
}

// add writes a file and all that is in it. below is the prefix of its content.
func (p *packer) add(ctx context.Context, n node, name, below string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.kind() == unix.S_IFSOCK {
		p.notice("%s: socket ignored", name)
		return nil
	}
	h, err := p.header(n, name)
	if err != nil {
		return fmt.Errorf("archive %s: %w", name, err)
	}
	if err := p.entry(n, h); err != nil {
		return fmt.Errorf("archive %s: %w", name, err)
	}
	if !n.isDir() || p.opts.Kernel && isKernelFS(n) {
		return nil
	}
	return p.content(ctx, n, below)
}

// content adds what is in a directory.
func (p *packer) content(ctx context.Context, n node, below string) error {
	names, err := n.names()
	if err != nil {
		return fmt.Errorf("archive %s: %w", below, err)
	}
	if below != "" && !strings.HasSuffix(below, "/") {
		below += "/"
	}
	for _, name := range names {
		child, err := openNode(n.fd, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("archive %s: %w", below+name, err)
		}
		err = p.add(ctx, child, below+name, below+name)
		child.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// header describes a file. Times are whole: PAX has room for nanoseconds.
func (p *packer) header(n node, name string) (*tar.Header, error) {
	st := &n.st
	h := &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Sec, st.Mtim.Nsec), Format: tar.FormatPAX,
	}
	if p.opts.Owner != nil {
		h.Uid, h.Gid = p.opts.Owner(st.Uid, st.Gid)
	}
	if first, again := p.links[inode{st.Dev, st.Ino}]; again && !n.isDir() {
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return h, nil
	}
	switch n.kind() {
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, strings.TrimSuffix(name, "/")+"/"
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	case unix.S_IFLNK:
		target := make([]byte, unix.PathMax)
		size, err := unix.Readlinkat(n.fd, "", target)
		if err != nil {
			return nil, fmt.Errorf("readlink: %w", err)
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, string(target[:size])
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if n.kind() == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	}
	return h, p.xattrs(n, h)
}

// xattrs adds the extended attributes. What means something on this machine
// only is left out.
func (p *packer) xattrs(n node, h *tar.Header) error {
	names, err := n.xattrs()
	if err != nil {
		return err
	}
	for _, name := range names {
		if isOverlayXattr(name) || name == "security.selinux" || name == "security.ima" || name == "security.evm" {
			continue
		}
		if strings.ContainsRune(name, '=') {
			p.notice("%s: attribute %q left out: an archive cannot name it", h.Name, name)
			continue
		}
		value, ok, err := n.xattr(name)
		if err != nil {
			return err
		}
		if ok {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords[xattrRecord+name] = value
		}
	}
	return nil
}

// entry writes a header, and the content of a regular file behind it.
func (p *packer) entry(n node, h *tar.Header) error {
	p.size += blockSize + (h.Size+blockSize-1)/blockSize*blockSize
	if h.Typeflag != tar.TypeReg {
		if err := p.tar.WriteHeader(h); err != nil {
			return err
		}
	} else if err := p.file(n, h); err != nil {
		return err
	}
	if !n.isDir() && n.st.Nlink > 1 && h.Typeflag != tar.TypeLink {
		p.links[inode{n.st.Dev, n.st.Ino}] = h.Name
	}
	return nil
}

// file writes a regular file.
func (p *packer) file(n node, h *tar.Header) error {
	f, err := n.file(0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	missing := h.Size
	if n.st.Blocks*512 < n.st.Size {
		missing, err = p.sparse(f, h.Size)
	} else {
		missing, err = p.data(f, missing)
	}
	if err != nil || missing == 0 {
		return err
	}
	p.notice("%s: file shrank by %d bytes; padding with zeros", h.Name, missing)
	return p.zeros(missing)
}

// data copies size bytes of a file and returns how many were not there.
func (p *packer) data(f *os.File, size int64) (int64, error) {
	n, err := io.CopyBuffer(struct{ io.Writer }{p.tar}, struct{ io.Reader }{io.LimitReader(f, size)}, p.buf)
	return size - n, err
}

// sparse copies a file with holes: they are not read. In the archive they are
// zeros, which every tool understands (image-spec, layer.md, "Sparse Files").
func (p *packer) sparse(f *os.File, size int64) (int64, error) {
	at := int64(0)
	for at < size {
		start, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if err == unix.ENXIO {
			start, err = size, nil // nothing but a hole from here on
		}
		if err != nil {
			// This file system does not tell.
			if _, err := f.Seek(at, io.SeekStart); err != nil {
				return 0, err
			}
			return p.data(f, size-at)
		}
		start = min(start, size)
		if err := p.zeros(start - at); err != nil || start == size {
			return 0, err
		}
		end, err := unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
		if err != nil {
			end = size
		}
		end = min(end, size)
		if _, err := f.Seek(start, io.SeekStart); err != nil {
			return 0, err
		}
		if missing, err := p.data(f, end-start); err != nil || missing > 0 {
			return size - end + missing, err
		}
		at = end
	}
	return 0, nil
}

func (p *packer) zeros(n int64) error {
	clear(p.buf)
	for n > 0 {
		part := min(n, int64(len(p.buf)))
		if _, err := p.tar.Write(p.buf[:part]); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

// isKernelFS reports whether a directory is in a file system that only shows
// what the kernel knows (statfs(2) lists their numbers).
func isKernelFS(n node) bool {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(n.fd, &fs); err != nil {
		return false
	}
	switch fs.Type {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
		unix.DEVPTS_SUPER_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
		unix.BPF_FS_MAGIC, unix.SELINUX_MAGIC, mqueueMagic:
		return true
	}
	return false
}

// mqueueMagic is the type of POSIX message queues' file system (ipc/mqueue.c).
const mqueueMagic = 0x19800202
