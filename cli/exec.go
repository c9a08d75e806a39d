package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/cli/option"
	"berth/cli/status"
	"berth/container"
	"berth/container/attach"
)

func execCommand() *command {
	return &command{
		name: "exec", category: categoryContainers, group: "container", groupNames: []string{"exec"},
		args: "[OPTIONS] CONTAINER COMMAND [ARG...]", short: "Execute a command in a running container",
		about: "Exec runs one more program in a container, with the container's confinement, and exits with the program's status: 126 when it could not be started, 127 when it was not found.\n\nWith -d or -t a small monitor process waits for the program, so that it goes on when the detach keys, ctrl-p ctrl-q, leave it.",
		min:   2, max: unlimited,
		operands: []operand{runningContainer, nothing},
		examples: []example{
			{"Open a shell in a running container.", "berth exec -it web sh"},
			{"Run a program as another user, with a variable.", "berth exec -u 1000 -e LANG=C web id"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var o container.ExecOptions
			var f execFlags
			return []*option.Option{
				option.Switch(&o.Detach, "d,detach", "Detached mode: run command in the background"),
				option.Text(&o.DetachKeys, "detach-keys", "string", "Override the key sequence for detaching a container"),
				option.ParsedList(&o.Env, parseEnv, "e,env", "list", "Set environment variables"),
				option.List(&f.envFiles, "env-file", "list", "Read in a file of environment variables"),
				option.Switch(&o.Interactive, "i,interactive", "Keep STDIN open even if not attached"),
				option.Parsed(&f.preserveFds, parsePreserveFds, "preserve-fds", "N", "Pass N additional file descriptors, from 3 on, to the command"),
				option.Switch(&o.Privileged, "privileged", "Give extended privileges to the command"),
				option.Switch(&o.TTY, "t,tty", "Allocate a pseudo-TTY"),
				option.Text(&o.User, "u,user", "string", "Username or UID (format: \"<name|uid>[:<group|gid>]\")"),
				option.Text(&o.Cwd, "w,workdir", "string", "Working directory inside the container"),
			}, func(ctx context.Context, args []string) error { return s.exec(ctx, o, f, args) }
		},
	}
}

// execFlags are what the options of an execution are made of.
type execFlags struct {
	envFiles    []string
	preserveFds int
}

// maxPreservedFds bounds --preserve-fds: more than any service manager passes.
const maxPreservedFds = 1024

func parsePreserveFds(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 0)
	if err == nil && n > maxPreservedFds {
		err = fmt.Errorf("at most %d descriptors can be passed", maxPreservedFds)
	}
	return int(n), err
}

// preservedFds lists the descriptors from 3 on, which must all be there.
func preservedFds(n int) ([]int, error) {
	var files []int
	for fd := 3; fd < 3+n; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		// What this process has opened itself is not the caller's.
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return nil, fmt.Errorf("file descriptor %d is not available - the preserve-fds option requires that file descriptors must be passed", fd)
		}
		files = append(files, fd)
	}
	return files, nil
}

func (s *session) exec(ctx context.Context, o container.ExecOptions, f execFlags, args []string) error {
	o.Args = args[1:]
	if err := s.checkExec(o); err != nil {
		return err
	}
	err := checkDetachKeys(o.DetachKeys)
	if err != nil {
		return err
	}
	if o.Files, err = preservedFds(f.preserveFds); err != nil {
		return &status.Error{Code: exitBerth, Err: err}
	}
	asked, err := readPairFiles("env", f.envFiles)
	if err != nil {
		return err
	}
	o.Env = s.callersEnv(append(asked, o.Env...))
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
	if _, err := attach.ParseDetachKeys(o.DetachKeys); err != nil {
		return err
	}
	if o.Interactive && o.TTY && !o.Detach && !isTerminal(s.stdio.In) {
		return clientFault(errors.New("the input device is not a TTY"))
	}
	return nil
}

// callersEnv gives variables without a value the one that the caller has. When
// he has none they stay without: the program is not to have them.
func (s *session) callersEnv(list []string) []string {
	env := environment{}
	for _, v := range list {
		key, _, given := strings.Cut(v, "=")
		if !given {
			if value, ok := s.env(key); ok {
				v = key + "=" + value
			}
		}
		env.set(v)
	}
	return env.list
}
