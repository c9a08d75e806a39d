package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"berth/cli/option"
	"berth/image"
)

// pullFlags are the flags of pull.
type pullFlags struct{ transferFlags }

func pullCommand() *command {
	return &command{
		name: "pull", category: categoryImages, group: "image", groupNames: []string{"pull"},
		args: "[OPTIONS] NAME[:TAG|@DIGEST]", short: "Download an image from a registry",
		about: `Pull brings an image from a registry into the store, with all its layers verified and unpacked. What is there already is not fetched again, and an interrupted pull goes on where it was. A name without a host is one of docker.io; without a tag it means "latest". Of an image for several platforms only one is fetched: that of this machine, or of --platform.

Which hosts are asked is up to /etc/containers/registries.conf (mirrors, insecure and blocked registries), /etc/docker/daemon.json (insecure-registries, registry-mirrors) and the certificates in certs.d. Credentials are those of login(1), or of podman's and docker's own.

The last line on stdout is the image's full reference. Signals give a pull up: the status is then 128 and the signal's number.`,
		min: 1, max: 1, mixed: true, operands: []operand{anyImage},
		examples: []example{
			{"Fetch an image by its tag.", "berth pull debian:12"},
			{"Fetch just this image, whatever the tag will mean.", "berth pull registry.example.com/web@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"},
			{"Fetch every tag of a repository of this machine's own registry.", "berth pull -a localhost:5000/web"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f pullFlags
			platform := s.platformOption(&f.platform, "Set platform if server is multi-platform capable")
			return f.options("Download all tagged images in the repository", platform), func(ctx context.Context, args []string) error { return s.pull(ctx, &f, args[0]) }
		},
	}
}

func (s *session) pull(ctx context.Context, f *pullFlags, name string) error {
	ref, err := f.reference(name)
	if err != nil {
		return clientFault(err)
	}
	b, platform, err := f.begin(s)
	if err != nil {
		return err
	}
	p := &puller{session: s, images: b.images, file: s.stdio.Out, out: s.out, quiet: f.quiet, platform: platform, registry: f.registry}
	if named, err := image.ParseNamed(name); err == nil && named != ref {
		p.print("Using default tag: " + ref.Tag)
	}
	switch {
	case image.IsBox(name):
		err = p.box(ctx, name)
	case f.all:
		err = p.pullAll(ctx, ref)
	default:
		err = p.pull(ctx, ref)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, ref)
	return err
}

// reference reads the name of what is to be pulled: a bare name is the whole
// repository with -a, and its default tag else.
func (f *pullFlags) reference(name string) (image.Reference, error) {
	if !f.all {
		return image.ParseReference(name)
	}
	ref, err := image.ParseNamed(name)
	if err == nil && (ref.Tag != "" || ref.Digest != "") {
		err = verbatim("tag can't be used with --all-tags/-a")
	}
	return ref, err
}

// puller fetches images and tells of it as docker's client does.
type puller struct {
	session *session
	images  imageStore
	// file and out are the stream that progress goes to.
	file     *os.File
	out      io.Writer
	quiet    bool
	platform image.Platform
	registry registryFlags
}

func (p *puller) print(line string) {
	if !p.quiet {
		fmt.Fprintln(p.out, plain(line))
	}
}

// pull fetches what a reference with a tag or digest names. A signal gives it up.
func (p *puller) pull(ctx context.Context, ref image.Reference) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	client := p.session.connect(p.registry, ref)
	defer client.Close()
	pulled, err := p.fetch(ctx, client, ref)
	if err != nil {
		return interrupted(ctx, err)
	}
	p.printStatus(ref, pulled.New)
	return nil
}

// pullAll fetches all tags of a repository, one after the other.
func (p *puller) pullAll(ctx context.Context, repository image.Reference) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	client := p.session.connect(p.registry, repository)
	defer client.Close()
	tags, err := client.Tags(ctx, repository)
	if err != nil {
		return interrupted(ctx, pullFault(repository, err))
	}
	news := false
	for _, tag := range tags {
		ref := repository
		ref.Tag = tag
		pulled, err := p.fetch(ctx, client, ref)
		if err != nil {
			return interrupted(ctx, err)
		}
		news = news || pulled.New
	}
	p.printStatus(repository, news)
	return nil
}

// box answers for the image that is built in, which no registry has.
func (p *puller) box(ctx context.Context, name string) error {
	img, err := findImage(ctx, p.images, name)
	if err != nil {
		return err
	}
	if err := p.suits(name, img); err != nil {
		return err
	}
	ref, err := image.ParseReference(name)
	if err == nil {
		p.printStatus(ref, false)
	}
	return err
}

// fetch shows one pull from its first step on.
func (p *puller) fetch(ctx context.Context, src image.Source, ref image.Reference) (image.Pulled, error) {
	t := quietTransfer()
	if !p.quiet {
		t = p.session.showTransfer(p.file, p.out, pullWords())
	}
	defer t.close()
	// What is not there is not said to be pulled, as with docker.
	begin := sync.OnceFunc(func() {
		t.say(cmp.Or(string(ref.Digest), ref.Tag) + ": Pulling from " + ref.Path)
	})
	pulled, err := p.images.Pull(ctx, src, ref, image.PullOptions{Platform: p.platform, Progress: func(step image.Progress) {
		begin()
		t.update(step)
	}})
	if err != nil {
		return pulled, pullFault(ref, err)
	}
	begin()
	t.close()
	p.print("Digest: " + string(pulled.Digest))
	return pulled, nil
}

func (p *puller) printStatus(ref image.Reference, news bool) {
	status := "Image is up to date for "
	if news {
		status = "Downloaded newer image for "
	}
	p.print("Status: " + status + ref.Familiar())
}
