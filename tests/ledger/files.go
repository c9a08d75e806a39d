package ledger

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// growth lists what a test may add under berth's roots: the image store, the
// caches and the events, which containers share and leave in place. What is being
// written there under a temporary name, which starts with a dot, must be gone all the same;
// the locks beside it, which end with .lock, stay.
func growth() []string { return []string{"image", "layer", "cache", "build", "event"} }

// layout lists what berth makes below its roots the first time it runs: the
// folders of state.Dirs, the marker of the boot, the folders, always empty, that
// roots are attached to, and the record of what happened.
func layout() []string {
	return append(growth(), "container", "volume", "network", "manifest", "image/.fetch", "oci", "name", "address", "boot", "empty", "oci/.empty", "parents.lock", "event", "event/events.json", "event/events.json.1")
}

// files lists everything under one of berth's roots, links and devices
// included, but for layout and growth.
func files(root string) counts {
	c := counts{}
	// Files come and go during the walk: errors mean nothing here.
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return nil
		}
		rel, _ := filepath.Rel(root, path)
		parts := strings.Split(rel, "/")
		if slices.Contains(layout(), rel) {
			return nil
		}
		if !slices.Contains(growth(), parts[0]) {
			c[d.Type().String()[:1]+" "+path]++
			return nil
		}
		if strings.HasPrefix(d.Name(), ".") && !strings.HasSuffix(d.Name(), ".lock") {
			c[d.Type().String()[:1]+" "+path]++
		}
		// An unpacked layer is the image's: its names say nothing.
		if d.IsDir() && parts[0] == "layer" {
			return fs.SkipDir
		}
		return nil
	})
	return c
}
