package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"berth/cli/option"
	"berth/cli/status"
	"berth/container"
)

func execCommand() *command {
	return &command{
		name: "exec", category: categoryContainers, group: "container", groupNames: []string{"exec"},
		args: "[OPTIONS] CONTAINER COMMAND [ARG...]", short: "Execute a command in a running container",
		about: "Exec runs one more program in a container, with the container's confinement, and exits with the program's status: 126 when it is not executable, 127 when it was not found.",
		min:   2, max: unlimited,
		operands: []operand{runningContainer, nothing},
		examples: []example{
			{"Open a shell in a running container.", "berth exec -it web sh"},
			{"Run a program as another user, with a variable.", "berth exec -u 1000 -e LANG=C web id"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var o container.ExecOptions
			var files []string
			return []*option.Option{
				option.Switch(&o.Detach, "d,detach", "Detached mode: run command in the background"),
				option.Text(&o.DetachKeys, "detach-keys", "string", "Override the key sequence for detaching a container"),
				option.ParsedList(&o.Env, parseEnv, "e,env", "list", "Set environment variables"),
				option.List(&files, "env-file", "list", "Read in a file of environment variables"),
				option.Switch(&o.Interactive, "i,interactive", "Keep STDIN open even if not attached"),
				option.Switch(&o.Privileged, "privileged", "Give extended privileges to the command"),
				option.Switch(&o.TTY, "t,tty", "Allocate a pseudo-TTY"),
				option.Text(&o.User, "u,user", "string", "Username or UID (format: \"<name|uid>[:<group|gid>]\")"),
				option.Text(&o.Cwd, "w,workdir", "string", "Working directory inside the container"),
			}, func(ctx context.Context, args []string) error { return s.exec(ctx, o, files, args) }
		},
	}
}

func (s *session) exec(ctx context.Context, o container.ExecOptions, files, args []string) error {
	o.Args = args[1:]
	if err := s.checkExec(o); err != nil {
		return err
	}
	asked, err := readEnvFiles(files)
	if err != nil {
		return err
	}
	o.Env = s.callersEnv(append(asked, o.Env...), o.TTY)
	b, err := s.open()
	if err != nil {
		return err
	}
	if o.TTY && !o.Detach {
		o.DetachKeys = s.detachKeys(o.DetachKeys)
	}
	io := s.stdio
	if !o.Interactive {
		io.In = nil
	}
	exit, err := b.Exec(ctx, args[0], o, io)
	if err != nil || o.Detach {
		return err
	}
	return status.Exit(exitCode(exit))
}

// checkExec refuses what is wrong before the container is looked at.
func (s *session) checkExec(o container.ExecOptions) error {
	if o.Cwd != "" && !path.IsAbs(o.Cwd) {
		return fmt.Errorf("the working directory '%s' is invalid, it needs to be an absolute path", o.Cwd)
	}
	if o.User != "" {
		if err := checkUser(o.User); err != nil {
			return err
		}
	}
	if o.Interactive && o.TTY && !o.Detach && !isTerminal(s.stdio.In) {
		return errors.New("the input device is not a TTY")
	}
	return nil
}

// callersEnv gives variables without a value the one that the caller has, and
// drops them when he has none.
func (s *session) callersEnv(list []string, tty bool) []string {
	env := environment{}
	if tty {
		env.set("TERM=xterm")
	}
	for _, v := range list {
		key, _, given := strings.Cut(v, "=")
		if !given {
			value, ok := s.env(key)
			if !ok {
				continue
			}
			v = key + "=" + value
		}
		env.set(v)
	}
	return env.list
}
