package cli

import (
	"context"
	"errors"
	"io/fs"
	"strconv"

	"berth/cli/option"
	"berth/container"
)

// lifecycleFlags say what becomes of the container when it has ended, and what
// must go before it can be made.
type lifecycleFlags struct {
	restart string
	policy  container.RestartPolicy
	// timeout is in seconds; 0 is none.
	timeout uint32
	replace bool
}

func (f *lifecycleFlags) options() []*option.Option {
	return []*option.Option{
		option.Text(&f.restart, "restart", "string", "Restart policy to apply when a container exits (default \"no\")"),
		option.Parsed(&f.timeout, parseSeconds, "timeout", "uint", "Kill the container when it has run for this many seconds (default 0, never)"),
		option.Switch(&f.replace, "replace", "Remove a container that has the same name first"),
	}
}

func parseSeconds(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return uint32(n), err
}

// check reads the policy here and not with the flags: what is wrong with it is
// no misuse of the command line, in docker's eyes.
func (f *lifecycleFlags) check() (err error) {
	f.policy, err = container.ParseRestartPolicy(f.restart)
	return err
}

func (f *lifecycleFlags) apply(d *draft) error {
	if d.AutoRemove && !f.policy.None() {
		return errors.New("conflicting options: cannot specify both --restart and --rm")
	}
	if f.replace && d.Name == "" {
		return errors.New("cannot replace container without --name being set")
	}
	d.Restart, d.Timeout, d.replace = f.policy, int(f.timeout), f.replace
	return nil
}

// clear makes the name of a container free that is to replace another one.
func (d *draft) clear(ctx context.Context, b *backend) error {
	if !d.replace {
		return nil
	}
	v, err := b.Get(ctx, d.Name)
	// What a name leads to may also be an ID that begins like it.
	if errors.Is(err, fs.ErrNotExist) || err == nil && v.Name != d.Name {
		return nil
	}
	if err != nil {
		return err
	}
	return ignoreMissing(b.Remove(ctx, v.ID, true))
}
