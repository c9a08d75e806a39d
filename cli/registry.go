package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strconv"

	"golang.org/x/sys/unix"

	"berth/cli/option"
	"berth/cli/status"
	"berth/image"
	"berth/registry"
	"berth/registry/hosts"
)

// registryFlags say how registries are reached, and as whom; podman has them.
type registryFlags struct {
	authfile, creds, certDir string
	// tlsVerify is nil where the files of the machine decide.
	tlsVerify *bool
}

func (f *registryFlags) options() []*option.Option {
	return append(f.connection(),
		option.Parsed(&f.authfile, existing, "authfile", "file", "Read credentials from this file only"),
		// Any text: what is refused is repeated, and this may be a password.
		option.Text(&f.creds, "creds", "USER[:PASSWORD]", "Credentials for the registry of the image"),
	)
}

// connection are the flags that say how, whoever asks.
func (f *registryFlags) connection() []*option.Option {
	return []*option.Option{
		option.Parsed(&f.certDir, existing, "cert-dir", "dir", "Use the certificates in this folder, in place of those in certs.d"),
		option.New("tls-verify", "", "Insist on TLS with a verified certificate; =false: on neither (default as configured)", func(s string) error {
			verify, err := strconv.ParseBool(s)
			f.tlsVerify = &verify
			return err
		}),
	}
}

// existing takes only what is there: whether it is needed turns out late, or never,
// and a slip of the pen would go unnoticed.
func existing(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	_, err := os.Stat(path)
	return path, err
}

// registryClient makes the client of one command. It reads no file before it is
// asked for something.
func (s *session) registryClient(f registryFlags, ref image.Reference) registryClient {
	return registry.New(registry.Config{
		Hosts:       hosts.New(hosts.Options{LookupEnv: s.userEnv, TLSVerify: f.tlsVerify, CertDir: f.certDir, Resolve: resolveHost}),
		Credentials: s.credentials(f, ref),
		UserAgent:   "berth/" + s.version,
	})
}

// contentTrust is docker's flag for something that it has given up itself.
func contentTrust(warn *[]string) *option.Option {
	return option.New("disable-content-trust", "", "Skip image verification (ignored)", func(s string) error {
		on, err := strconv.ParseBool(s)
		if err == nil && !on {
			*warn = append(*warn, "--disable-content-trust=false has no effect: docker's content trust is no more")
		}
		return err
	})
}

// platformOption is --platform of commands that fetch images.
func (s *session) platformOption(to *string, usage string) *option.Option {
	*to = s.getenv("DOCKER_DEFAULT_PLATFORM")
	return option.Text(to, "platform", "string", usage)
}

// parsePlatform reads the value of --platform; the zero Platform is for none.
func parsePlatform(text string) (image.Platform, error) {
	if text == "" {
		return image.Platform{}, nil
	}
	p, err := image.ParsePlatform(text)
	if err != nil {
		return p, clientFault(err)
	}
	return p, nil
}

// interruptible ends the context with a signal that asks for the end: what is on
// its way is given up, and what it has left is removed. A second signal ends the
// process as if nobody had caught the first.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		// What nohup(1), or a shell for what runs behind it, has had ignored stays so.
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	go func() {
		select {
		case sig := <-signals:
			signal.Stop(signals)
			cancel(interruption{by: sig.(unix.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// interruption is the cause of a context that a signal has ended.
type interruption struct{ by unix.Signal }

func (i interruption) Error() string { return i.by.String() }

// interrupted is err, or, where a signal has ended ctx, the exit status that the
// signal stands for, without a word.
func interrupted(ctx context.Context, err error) error {
	var signaled interruption
	if err == nil || !errors.As(context.Cause(ctx), &signaled) {
		return err
	}
	return status.Exit(128 + int(signaled.by))
}
