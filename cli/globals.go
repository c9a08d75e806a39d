package cli

import (
	"fmt"
	"slices"

	"berth/cli/option"
)

// globals are the flags in front of the command: docker's. What concerns a
// daemon is refused, as far as it means another one than docker's own default:
// a command for another machine must not run on this one.
type globals struct {
	config, context, level string
	hosts                  []string
	debug, help, version   bool
	tls                    bool
	key                    string
}

// levels are docker's log levels.
func levels() []string { return []string{"debug", "info", "warn", "error", "fatal"} }

func (g *globals) options() []*option.Option {
	return []*option.Option{
		option.Text(&g.config, "config", "string", "Folder of docker's config.json (default \"~/.docker\")"),
		option.Text(&g.context, "c,context", "string", "Accepted when it is \"default\": there is no daemon to choose"),
		option.Switch(&g.debug, "D,debug", "Accepted: there is no daemon whose messages it could show; see run --trace"),
		option.Switch(&g.help, "h,help", "Print usage"),
		option.List(&g.hosts, "H,host", "list", "Accepted when it is docker's default socket: there is no daemon to connect to"),
		option.Text(&g.level, "l,log-level", "string", "Accepted (\"debug\", \"info\", \"warn\", \"error\", \"fatal\"), as --debug"),
		hide(option.Switch(&g.tls, "tls", "Refused: there is no connection that TLS could protect")),
		hide(option.Text(&g.key, "tlscacert", "string", "Refused, as --tls")),
		hide(option.Text(&g.key, "tlscert", "string", "Refused, as --tls")),
		hide(option.Text(&g.key, "tlskey", "string", "Refused, as --tls")),
		hide(option.Switch(&g.tls, "tlsverify", "Refused, as --tls")),
		option.Switch(&g.version, "v,version", "Print version information and quit"),
	}
}

// hide keeps an option out of help and manual.
func hide(o *option.Option) *option.Option {
	o.Hidden = true
	return o
}

// check refuses what would have another machine in mind.
func (g *globals) check() error {
	remote := func(what string) error {
		return &hintError{fmt.Errorf("%s: berth connects to no daemon", what), "berth acts on the machine that it runs on: ssh HOST berth ... acts on another one"}
	}
	for _, host := range g.hosts {
		if host != "" && host != "unix:///var/run/docker.sock" && host != "unix:///run/docker.sock" {
			return remote("--host " + host)
		}
	}
	switch {
	case g.context != "" && g.context != "default":
		return remote("--context " + g.context)
	case g.tls:
		return remote("--tls")
	case g.key != "":
		return remote("--tls... " + g.key)
	case g.level != "" && !slices.Contains(levels(), g.level):
		return verbatim("Unable to parse logging level: %s", g.level)
	}
	return nil
}

// apply heeds the flags in front of the command.
func (s *session) apply(g *globals) error {
	if g.config != "" {
		env := s.env
		s.env = func(key string) (string, bool) {
			if key == "DOCKER_CONFIG" {
				return g.config, true
			}
			return env(key)
		}
	}
	return clientFault(g.check())
}
