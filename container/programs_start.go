package container

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// start becomes the payload: one execve for each place that the program could
// be in, as execvp(3) does it. What goes on with the next place and what does
// not follows the same page.
func (pl *payload) start() error {
	if pl.init {
		pl.child(nsenter.Control(nsenter.Child, nsenter.OpInit, "fork: PID 1 stays behind, reaps and forwards signals").
			For("--init", "programs that are not made to be PID 1 need one"))
	}
	pl.wait()
	from := pl.fromField("process.args")
	argv := nsenter.StringArray(pl.spec.Args)
	env := pl.environment()
	places := searchPath(pl.spec.Args[0], pl.spec.Env)
	if pl.program != "" {
		places, env = []string{pl.program}, nsenter.Strs(pl.spec.Env)
	}
	for _, place := range places {
		pl.child(nsenter.Call(nsenter.Child, unix.SYS_EXECVE, nsenter.Str(place), nsenter.Ptr(argv), env).
			Tolerate(unix.ENOENT, unix.ENOTDIR, unix.EACCES).On(place).For(from, "become the payload"))
	}
	pl.child(nsenter.Control(nsenter.Child, nsenter.OpExit, "exit: there is no such program", nsenter.Int(127)).
		For(from, "no place had a program that may be executed"))
	return nil
}

// environment is execve's third argument: of a variable that is there twice,
// the last one. HOME comes from the image when the configuration has none.
func (pl *payload) environment() nsenter.Arg {
	env := lastOfEach(pl.spec.Env)
	if !lacksHome(env) {
		return nsenter.Strs(env)
	}
	env = slices.DeleteFunc(env, func(v string) bool { return v == "HOME=" })
	return nsenter.Late(fmt.Sprintf("[%d variables, HOME from the image]", len(env)+1), func() *nsenter.Data {
		return nsenter.StringArray(append(slices.Clone(env), "HOME="+pl.id.Home))
	})
}

// lacksHome reports whether an environment is without a home folder, so that it
// is looked up in the image.
func lacksHome(env []string) bool {
	return !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "HOME=") && v != "HOME=" })
}

// lastOfEach drops the variables that a later one of the same name overrides:
// which of them a program sees depends on the program.
func lastOfEach(env []string) []string {
	last := make(map[string]int, len(env))
	for i, v := range env {
		name, _, _ := strings.Cut(v, "=")
		last[name] = i
	}
	out := make([]string, 0, len(env))
	for i, v := range env {
		if name, _, _ := strings.Cut(v, "="); last[name] == i {
			out = append(out, v)
		}
	}
	return out
}

// defaultPath is where programs are looked for when PATH is not set.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// searchPath lists where a program could be: itself when it has a slash, else
// below each folder of the payload's PATH.
func searchPath(name string, env []string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	dirs := defaultPath
	for _, v := range env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			dirs = p
		}
	}
	var places []string
	for _, dir := range strings.Split(dirs, ":") {
		if dir == "" {
			dir = "."
		}
		places = append(places, path.Join(dir, name))
		if dir == "." {
			places[len(places)-1] = "./" + name
		}
	}
	return places
}
