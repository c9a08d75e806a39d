package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	protocol "github.com/docker/docker-credential-helpers/credentials"
)

const (
	helperPrefix = "docker-credential-"
	// tokenUser is the user name of a secret that is an identity token.
	tokenUser = "<token>"
	// helperGrace is how long a helper's children may hold its output open after
	// it was ended.
	helperGrace = time.Second
	// maxComplaint bounds what an error has of a helper's output, in bytes.
	maxComplaint = 300
)

// program is a helper that a file names.
type program struct {
	name, file, setting string
	stderr              io.Writer
}

// getAny returns what the helper has for the first of servers that it knows.
func (p program) getAny(ctx context.Context, servers []string) (Auth, error) {
	for _, server := range servers {
		c, err := client.Get(p.start(ctx, ""), server)
		switch {
		case protocol.IsErrCredentialsNotFound(err):
			continue
		case err != nil:
			return Auth{}, p.failed(ctx, err)
		case c.Username == tokenUser:
			return Auth{IdentityToken: c.Secret}, nil
		case c.Username != "" || c.Secret != "":
			return Auth{Username: c.Username, Password: c.Secret}, nil
		}
	}
	return Auth{}, nil
}

// store hands a login to the helper.
func (p program) store(ctx context.Context, server string, a Auth) error {
	c := protocol.Credentials{ServerURL: server, Username: a.Username, Secret: a.Password}
	if a.IdentityToken != "" {
		c.Username, c.Secret = tokenUser, a.IdentityToken
	}
	if err := client.Store(p.start(ctx, c.Secret), &c); err != nil {
		return p.failed(ctx, err)
	}
	return nil
}

// erase makes the helper forget a login, also one that it does not have.
func (p program) erase(ctx context.Context, server string) error {
	err := client.Erase(p.start(ctx, ""), server)
	if err != nil && !strings.Contains(err.Error(), protocol.NewErrCredentialsNotFound().Error()) {
		return p.failed(ctx, err)
	}
	return nil
}

// failed says which helper failed, and where it is named.
func (p program) failed(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		err = why
	}
	return fmt.Errorf("credential helper %s%s (%s in %s): %w", helperPrefix, p.name, p.setting, p.file, err)
}

// start returns what runs the helper. secret is in no output of it.
func (p program) start(ctx context.Context, secret string) client.ProgramFunc {
	return func(args ...string) client.Program {
		return &run{ctx: func() context.Context { return ctx }, program: p, args: args, secret: secret}
	}
}

// run is one run of a helper.
type run struct {
	ctx    func() context.Context
	args   []string
	stdin  io.Reader
	secret string
	program
}

func (r *run) Input(in io.Reader) { r.stdin = in }

// Output runs the helper. By the protocol it says on its stdout what went wrong;
// of that, nothing is passed on that could be a secret.
func (r *run) Output() ([]byte, error) {
	if strings.ContainsAny(r.name, "/\\") {
		// PATH is where helpers are looked for, and a path would name any program.
		return nil, errors.New("a helper is a name, not a path")
	}
	cmd := exec.CommandContext(r.ctx(), helperPrefix+r.name, r.args...)
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay = r.stdin, r.stderr, helperGrace
	out, err := cmd.Output()
	if err != nil {
		return r.complaint(out), err
	}
	if err := r.check(out); err != nil {
		return nil, err
	}
	return out, nil
}

// check refuses an answer that the protocol's decoder would quote.
func (r *run) check(out []byte) error {
	var answer struct{ Username, Secret string }
	if r.args[0] == protocol.ActionGet && json.Unmarshal(out, &answer) != nil {
		return errors.New("it did not answer with an object of Username and Secret")
	}
	return nil
}

// complaint is what may be shown of a failed helper's output.
func (r *run) complaint(out []byte) []byte {
	out = bytes.TrimSpace(out)
	if bytes.HasPrefix(out, []byte("{")) || r.secret != "" && bytes.Contains(out, []byte(r.secret)) {
		return nil
	}
	return out[:min(len(out), maxComplaint)]
}
