// Command genman writes berth's manual pages from the commands' own help. It is
// run by "make man"; a test holds that what is committed is what it writes.
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
	if err := write(*folder); err != nil {
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
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, text := range wanted {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pages are the manual pages as roff, by their files' names.
func pages() map[string][]byte {
	list := map[string][]byte{}
	for _, p := range cli.Manual() {
		list[p.Name+".1"] = md2man.Render([]byte(p.Markdown))
	}
	list["berth-oci.8"] = md2man.Render([]byte(oci.Manual()))
	return list
}
