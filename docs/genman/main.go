// Command genman writes berth's manual pages from the commands' own help, and the
// tables of the page on coming from docker. It is run by "make man"; a test holds
// that what is committed is what it writes.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cpuguy83/go-md2man/v2/md2man"

	"berth/cli"
	"berth/cli/oci"
)

func main() {
	folder := flag.String("o", "docs/man", "folder to write the pages to")
	flag.Parse()
	err := write(*folder)
	if err == nil {
		err = writeTable(filepath.Join(filepath.Dir(filepath.Clean(*folder)), "coming-from-docker.md"))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "genman: %v\n", err)
		os.Exit(1)
	}
}

// write replaces the pages in a folder; pages of commands that are gone go.
func write(folder string) error {
	old, err := filepath.Glob(filepath.Join(folder, "*.[18]"))
	if err != nil {
		return err
	}
	wanted := pages()
	for _, path := range old {
		if _, ok := wanted[filepath.Base(path)]; !ok {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return writeAll(folder, wanted)
}

func writeAll(folder string, files map[string][]byte) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeTable brings the tables of a page up to date.
func writeTable(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	c, err := compare()
	if err != nil {
		return err
	}
	if text, err = c.page(text); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// pages are the manual pages as roff, by their files' names.
func pages() map[string][]byte {
	list := map[string][]byte{}
	for _, p := range cli.Manual() {
		if p.SameAs != "" {
			list[p.Name+".1"] = []byte(".so man1/" + p.SameAs + ".1\n")
			continue
		}
		list[p.Name+".1"] = md2man.Render([]byte(p.Markdown))
	}
	list["berth-oci.8"] = md2man.Render([]byte(oci.Manual()))
	return list
}
