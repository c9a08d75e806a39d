package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	units "github.com/docker/go-units"

	"berth/archive"
	"berth/cli/option"
	"berth/image"
)

// copyFlags are the flags of cp.
type copyFlags struct {
	archive, follow bool
	// quiet is nil when nobody said: then a terminal decides.
	quiet *bool
}

func cpCommand() *command {
	return &command{
		name: "cp", category: categoryContainers, group: "container", groupNames: []string{"cp"},
		args: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH", short: "Copy files/folders between a container and the local filesystem",
		about: "Cp copies a file or a directory out of a container or into one, running or not. With - as the source it extracts a tar archive from stdin into a directory of the container, with - as the destination it writes one to stdout.\n\n" +
			"A source that ends with /. is the content of a directory. A destination that is a directory gets the source inside; one that does not exist is what the source becomes, and the directory above it must exist. A local path with a colon is written with a leading ./ or /.\n\n" +
			"Links in the container mean what they mean to its processes, and none leads out of it. What is copied into the container belongs to its root, what is copied out to the caller; with -a both keep the numbers of their owners.",
		operands: []operand{containerPath, containerPath},
		examples: []example{
			{"Take a log out of a container, running or not.", "berth cp web:/var/log/app.log ."},
			{"Put the content of a folder into one.", "berth cp site/. web:/var/www/"},
			{"Copy from one container to another.", "berth cp a:/etc/app - | berth cp - b:/etc"},
		},
		min: 2, max: 2, mixed: true,
		build: func(s *session) ([]*option.Option, action) {
			var f copyFlags
			return []*option.Option{
				option.Switch(&f.archive, "a,archive", "Archive mode (copy all uid/gid information)"),
				option.Switch(&f.follow, "L,follow-link", "Always follow symbol link in SRC_PATH"),
				option.New("q,quiet", "", "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached", func(v string) error {
					on, err := strconv.ParseBool(v)
					f.quiet = &on
					return err
				}),
			}, func(ctx context.Context, args []string) error { return s.cp(ctx, args[0], args[1], f) }
		},
	}
}

func (s *session) cp(ctx context.Context, source, dest string, f copyFlags) error {
	c := &copying{s: s, copyFlags: f}
	out, err := c.read(source, dest)
	if err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	if c.files, err = b.OpenFiles(ctx, c.ref); err != nil {
		return err
	}
	defer c.files.Close()
	if c.local, err = localTree(); err != nil {
		return err
	}
	defer c.local.Root.Close()
	do := c.in
	if out {
		do = c.out
	}
	shown, err := do(ctx)
	if err == nil && shown != "" && !c.silent() {
		fmt.Fprintf(s.err, "Successfully copied %s to %s\n", units.HumanSizeWithPrecision(float64(c.copied), 3), shown)
	}
	return err
}

// read takes the arguments apart; out tells that the container is the source.
func (c *copying) read(source, dest string) (out bool, err error) {
	switch {
	case source == "":
		return false, clientFault(verbatim("source can not be empty"))
	case dest == "":
		return false, clientFault(verbatim("destination can not be empty"))
	}
	from, source := splitCopyArgument(source)
	to, dest := splitCopyArgument(dest)
	c.ref, c.source, c.dest = from+to, source, dest
	switch {
	case from != "" && to != "":
		return false, clientFault(verbatim("copying between containers is not supported"))
	case c.ref == "":
		return false, clientFault(verbatim("must specify at least one container source"))
	case from != "" && dest != "-":
		// Before the container is looked for, as docker does.
		return true, checkOutput(dest)
	}
	return from != "", nil
}

// splitCopyArgument splits CONTAINER:PATH. A path that begins with a slash or a
// dot is a local one, whatever it has in it.
func splitCopyArgument(arg string) (ref, name string) {
	ref, name, ok := strings.Cut(arg, ":")
	if !ok || strings.HasPrefix(arg, "/") || strings.HasPrefix(ref, ".") {
		return "", arg
	}
	return ref, name
}

// silent tells whether the last line is left out.
func (c *copying) silent() bool {
	if c.quiet != nil {
		return *c.quiet
	}
	return !isTerminal(c.s.stdio.Out)
}

// out copies from the container and returns what the last line names.
func (c *copying) out(ctx context.Context) (shown string, err error) {
	src, err := c.inContainer(c.source, c.follow)
	if errors.Is(err, errMissing) {
		return "", verbatim("Could not find the file %s in container %s", c.source, c.ref)
	}
	if err != nil {
		return "", err
	}
	if c.dest == "-" {
		if isTerminal(c.s.stdio.Out) {
			return "", errors.New("refusing to write an archive to a terminal: redirect it, or name a file")
		}
		if _, err := c.files.Pack(ctx, c.s.out, src.path, src.name, c.notice); err != nil {
			return "", err
		}
		c.files.Emit("archive-path", src.path)
		return "", nil
	}
	dest, err := c.localDest(c.dest)
	if err != nil {
		return "", err
	}
	dir, name, err := place(src, dest)
	if err != nil {
		return "", err
	}
	var owners keptOwners
	if err := c.transfer(ctx, end{c.files.Tree, src.path, name}, end{tree: c.local, path: dir}, owners.unless(!c.archive)); err != nil {
		return "", err
	}
	c.files.Emit("archive-path", src.path)
	return absolute(c.dest), nil
}

// in copies into the container and returns what the last line names.
func (c *copying) in(ctx context.Context) (shown string, err error) {
	dest, err := c.inContainer(c.dest, true)
	if err != nil && !errors.Is(err, errMissing) {
		return "", err
	}
	if dest.exists && dest.info.IsDevice() {
		return "", clientFault(verbatim("destination \"%s:%s\" must be a directory or a regular file: got a device", c.ref, c.dest))
	}
	owners := c.files.Owners(c.archive)
	if c.source == "-" {
		if !dest.exists || !dest.info.IsDir() {
			return "", clientFault(verbatim("destination \"%s:%s\" must be a directory", c.ref, c.dest))
		}
		if err := c.files.Writable(dest.path); err != nil {
			return "", err
		}
		tar, err := image.Decompress(c.s.stdio.In)
		if err != nil {
			return "", err
		}
		defer tar.Close()
		return "", c.extracted(dest.path, c.files.Extract(ctx, tar, dest.path, owners, c.notice))
	}
	src, err := c.localSource(c.source)
	if err != nil {
		return "", err
	}
	dir, name, err := place(src, dest)
	if err != nil {
		return "", err
	}
	info, err := c.files.Stat(dir + "/.")
	if err != nil || !info.IsDir() {
		return "", verbatim("Could not find the file %s in container %s", dir, c.ref)
	}
	if err := c.files.Writable(dir); err != nil {
		return "", err
	}
	err = c.transfer(ctx, end{c.local, src.path, name}, end{tree: c.files.Tree, path: dir}, owners)
	return c.ref + ":" + dest.path, c.extracted(dir, err)
}

// extracted tells of a directory that something was extracted into.
func (c *copying) extracted(dir string, err error) error {
	if err == nil {
		c.files.Emit("extract-to-dir", dir)
	}
	return err
}

func (c *copying) notice(text string) { fmt.Fprintf(c.s.err, "WARNING: %s\n", text) }

// transfer packs at one end and extracts at the other.
func (c *copying) transfer(ctx context.Context, from, to end, owners archive.Owners) error {
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		var err error
		c.copied, err = from.tree.Pack(ctx, w, from.path, from.name, c.notice)
		w.CloseWithError(err)
		packed <- err
	}()
	err := to.tree.Extract(ctx, r, to.path, owners, c.notice)
	// Whoever packs must not wait for a reader that is gone.
	r.CloseWithError(errGivenUp)
	if cause := <-packed; cause != nil && !errors.Is(cause, errGivenUp) {
		err = cause
	}
	return err
}

// errGivenUp is what the packing side meets when the other one has failed.
var errGivenUp = errors.New("the other side has failed")

func absolute(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	return abs + trailing(name)
}
