package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"berth/cli/option"
	"berth/container"
)

func portCommand() *command {
	return &command{
		name: "port", category: categoryContainers, group: "container", groupNames: []string{"port"},
		args: "CONTAINER [PRIVATE_PORT[/PROTO]]", short: "List port mappings or a specific mapping for the container",
		about: "Port prints where the container's ports are published on the host, one per line; of one port, which is TCP's unless it says otherwise, only the host's side. A container that does not run has none.",
		min:   1, max: 2, mixed: true,
		examples: []example{
			{"Where port 80 is published.", "berth port web 80/tcp"},
		},
		build: func(s *session) ([]*option.Option, action) {
			return nil, func(ctx context.Context, args []string) error { return s.port(ctx, args) }
		},
	}
}

func (s *session) port(ctx context.Context, args []string) error {
	b, err := s.open()
	if err != nil {
		return err
	}
	v, err := b.Get(ctx, args[0])
	if err != nil {
		return err
	}
	var published []container.Port
	if v.Up() {
		published, _ = v.Reachable()
	}
	container.SortPorts(published)
	if len(args) == 2 {
		return s.portOf(args[0], args[1], published)
	}
	for _, p := range published {
		if _, err := fmt.Fprintf(s.out, "%s -> %s\n", p.Private(), hostSide(p.HostIP, hostPort(p))); err != nil {
			return err
		}
	}
	return nil
}

// portOf prints the host's sides of one port.
func (s *session) portOf(ref, port string, published []container.Port) error {
	number, protocol, _ := strings.Cut(port, "/")
	if protocol == "" {
		protocol = "tcp"
	}
	if _, err := strconv.ParseUint(number, 10, 16); err != nil {
		return &clientError{err: verbatim("invalid port (%s): %w", number, err), docker: fmt.Sprintf("Error: invalid port (%s): %v", number, err)}
	}
	found := false
	for _, p := range published {
		if p.Private() != number+"/"+protocol {
			continue
		}
		found = true
		if _, err := fmt.Fprintln(s.out, hostSide(p.HostIP, hostPort(p))); err != nil {
			return err
		}
	}
	if found {
		return nil
	}
	err := verbatim("No public port '%s' published for %s", port, ref)
	return &clientError{err: err, docker: "Error: " + err.Error()}
}

func hostPort(p container.Port) string { return strconv.Itoa(int(p.HostPort)) }
