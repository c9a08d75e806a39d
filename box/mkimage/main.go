// Command mkimage writes the box image's archive: mkimage BINARY "APPLET …" OUT.
//
// The archive is a gzip-compressed tar. Its gzip comment holds the digest of the
// tar, so that berth can tell one box from another without reading it. Times and
// order are fixed: equal input gives equal bytes.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: mkimage BINARY APPLETS OUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], strings.Fields(os.Args[2]), os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

func run(binary string, applets []string, out string) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	if len(applets) == 0 {
		return fmt.Errorf("list applets of %s: there are none", binary)
	}
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, e := range entries(program, applets) {
		if err := write(w, e); err != nil {
			return fmt.Errorf("write entry %s: %w", e.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	z.Comment = fmt.Sprintf("sha256:%x", sha256.Sum256(plain.Bytes()))
	if _, err := z.Write(plain.Bytes()); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(out, packed.Bytes(), 0o644)
}

// entry is one path of the image.
type entry struct {
	name   string
	kind   byte
	mode   int64
	owner  int
	target string
	data   []byte
}

func directory(name string, mode int64, owner int) entry {
	return entry{name: name + "/", kind: tar.TypeDir, mode: mode, owner: owner}
}

func file(name string, mode int64, data string) entry {
	return entry{name: name, kind: tar.TypeReg, mode: mode, data: []byte(data)}
}

func link(name, target string) entry {
	return entry{name: name, kind: tar.TypeSymlink, mode: 0o777, target: target}
}

// entries returns the whole tree, parents before what they hold.
func entries(program []byte, applets []string) []entry {
	list := []entry{
		directory(".", 0o755, 0), directory("bin", 0o755, 0), directory("dev", 0o755, 0), directory("etc", 0o755, 0),
		directory("home", 0o755, 0), directory("home/box", 0o755, 1000), directory("proc", 0o555, 0),
		directory("root", 0o700, 0), directory("run", 0o755, 0), directory("sys", 0o555, 0), directory("tmp", 0o1777, 0),
		directory("usr", 0o755, 0), directory("usr/local", 0o755, 0), directory("usr/local/bin", 0o755, 0),
		directory("var", 0o755, 0), directory("var/tmp", 0o1777, 0),
		link("sbin", "bin"), link("usr/bin", "../bin"), link("usr/sbin", "../bin"), link("var/run", "../run"),
		file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nbox:x:1000:1000:box:/home/box:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"),
		file("etc/group", 0o644, "root:x:0:\ntty:x:5:\nbox:x:1000:\nnogroup:x:65534:\n"),
		file("etc/os-release", 0o644, "NAME=box\nID=box\nPRETTY_NAME=\"box, the image built into berth\"\n"),
		{name: "bin/box", kind: tar.TypeReg, mode: 0o755, data: program},
	}
	slices.Sort(applets)
	for _, a := range slices.Compact(applets) {
		list = append(list, link("bin/"+a, "box"))
	}
	return list
}

func write(w *tar.Writer, e entry) error {
	h := &tar.Header{
		Name: e.name, Typeflag: e.kind, Mode: e.mode, Uid: e.owner, Gid: e.owner, Linkname: e.target,
		Size: int64(len(e.data)), ModTime: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Format: tar.FormatUSTAR,
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(e.data)
	return err
}
