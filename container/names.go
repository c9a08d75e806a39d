package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// nameFile is a file below /etc that berth makes for each container: image
// and host cannot know what belongs in it.
type nameFile struct {
	name    string // below /etc and in the container's state folder
	content func(c *Config) ([]byte, error)
}

// nameFiles are the files of a container's network. Without a network, an
// image's own resolv.conf is as good as any.
func nameFiles(c *Config) []nameFile {
	if c.Network == "host" {
		return []nameFile{{"hostname", hostname}, {"hosts", hostsOfHost}, {"resolv.conf", resolvConf}}
	}
	list := []nameFile{{"hostname", hostname}, {"hosts", localHosts}}
	if !c.DNS.IsZero() {
		list = append(list, nameFile{"resolv.conf", resolvConf})
	}
	return list
}

// hostname is /etc/hostname.
func hostname(c *Config) ([]byte, error) {
	name := c.Spec.Hostname
	if name == "" {
		var err error
		if name, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("read host name: %w", err)
		}
	}
	return []byte(name + "\n"), nil
}

// localHosts is the /etc/hosts of a container without a network.
func localHosts(c *Config) ([]byte, error) {
	return withHosts([]byte("127.0.0.1\tlocalhost\n"+
		"::1\tlocalhost ip6-localhost ip6-loopback\n"+
		"fe00::\tip6-localnet\n"+
		"ff00::\tip6-mcastprefix\n"+
		"ff02::1\tip6-allnodes\n"+
		"ff02::2\tip6-allrouters\n"), c.ExtraHosts), nil
}

// hostsOfHost is the /etc/hosts of a container that has the host's network.
func hostsOfHost(c *Config) ([]byte, error) {
	data, err := hostFile("/etc/hosts")
	return withHosts(data, c.ExtraHosts), err
}

// withHosts adds lines for NAME:ADDRESS pairs.
func withHosts(hosts []byte, extra []string) []byte {
	if n := len(hosts); len(extra) > 0 && n > 0 && hosts[n-1] != '\n' {
		hosts = append(hosts, '\n')
	}
	for _, pair := range extra {
		name, address, _ := strings.Cut(pair, ":")
		hosts = append(hosts, address+"\t"+name+"\n"...)
	}
	return hosts
}

// resolvConf is the host's resolv.conf, but for the kinds of lines that the
// container has others of.
func resolvConf(c *Config) ([]byte, error) {
	host, err := hostFile("/etc/resolv.conf")
	if err != nil || c.DNS.IsZero() {
		return host, err
	}
	return []byte(c.DNS.over(string(host))), nil
}

// over replaces the lines of a resolv.conf that are of a kind that d has.
func (d DNS) over(host string) string {
	var out strings.Builder
	for line := range strings.Lines(host) {
		key, _, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		own := map[string][]string{"nameserver": d.Servers, "search": d.Search, "domain": d.Search, "options": d.Options}[key]
		if len(own) == 0 {
			out.WriteString(strings.TrimRight(line, "\n") + "\n")
		}
	}
	for _, s := range d.Servers {
		out.WriteString("nameserver " + s + "\n")
	}
	if search := slices.DeleteFunc(slices.Clone(d.Search), func(s string) bool { return s == "." }); len(search) > 0 {
		out.WriteString("search " + strings.Join(search, " ") + "\n")
	}
	if len(d.Options) > 0 {
		out.WriteString("options " + strings.Join(d.Options, " ") + "\n")
	}
	return out.String()
}

// hostFile reads a file of the host, for a container that shares its network.
// A host without it has a container with an empty one.
func hostFile(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// withNames returns a copy of the spec with the mounts of the name files. What
// the user mounts himself is left alone.
func (e *Engine) withNames(c *Config) (*specs.Spec, error) {
	owner, err := e.networkOwner(c)
	if err != nil {
		return nil, err
	}
	spec, process := *c.Spec, *c.Spec.Process
	spec.Process = &process
	spec.Mounts = slices.Clone(spec.Mounts)
	for _, f := range nameFiles(owner) {
		dest := "/etc/" + f.name
		if slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool {
			d := path.Clean(m.Destination)
			return d == dest || d == "/etc"
		}) {
			continue
		}
		spec.Mounts = append(spec.Mounts, specs.Mount{
			Destination: dest, Type: "bind", Source: path.Join(e.Dirs.RunContainer(owner.ID), f.name), Options: []string{"bind", "rprivate"},
		})
	}
	return &spec, nil
}

// writeNames writes the name files. Their mode does not depend on the caller's
// umask: programs that are not root must be able to read them.
func (e *Engine) writeNames(c *Config) error {
	if ModeContainer(c.Network) != "" {
		return nil // they are the other container's
	}
	for _, f := range nameFiles(c) {
		data, err := f.content(c)
		if err != nil {
			return err
		}
		if err := writePublic(path.Join(e.Dirs.RunContainer(c.ID), f.name), data); err != nil {
			return err
		}
	}
	return nil
}

// writePublic writes a file that everybody may read, in place: a running
// container has the very file mounted.
func writePublic(file string, data []byte) error {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &os.PathError{Op: "open", Path: file, Err: err}
	}
	defer unix.Close(fd)
	if err := unix.Fchmod(fd, 0o644); err != nil {
		return &os.PathError{Op: "chmod", Path: file, Err: err}
	}
	if _, err := unix.Write(fd, data); err != nil {
		return &os.PathError{Op: "write", Path: file, Err: err}
	}
	return nil
}
