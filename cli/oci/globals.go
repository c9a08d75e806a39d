package oci

import (
	"fmt"

	"berth/cli/option"
)

// globals are the flags in front of the command.
type globals struct {
	root, logPath, logFormat, logLevel string
	debug, systemd                     bool
	cgroupManager, rootless, criu      string
	help, version                      bool
}

func (g *globals) options() []*option.Option {
	g.logFormat, g.rootless = "text", "auto"
	return []*option.Option{
		switchOption(&g.debug, "debug", "Write debug lines to the log"),
		option.Text(&g.logPath, "log", "file", "Append the log to a file (stderr)"),
		option.Parsed(&g.logFormat, parseLogFormat, "log-format", "format", "Write the log as text or json"),
		option.Parsed(&g.logLevel, parseLogLevel, "log-level", "level", "Write this level to the log: debug, info, warning or error"),
		option.Text(&g.root, "root", "dir", "Keep the containers' state below a folder (/run/berth/oci)"),
		switchOption(&g.systemd, "systemd-cgroup", `Have systemd make the cgroups; cgroupsPath is then "slice:prefix:name"`),
		option.Parsed(&g.cgroupManager, parseCgroupManager, "cgroup-manager", "manager", "Who makes the cgroups: cgroupfs or systemd"),
		option.Parsed(&g.rootless, parseRootless, "rootless", "value", "Accepted for callers of runc: true, false or auto"),
		ignored(option.Text(&g.criu, "criu", "path", "")),
		switchOption(&g.help, "help,h,?", "Show this help"),
		switchOption(&g.version, "version,v,V", "Show the version"),
	}
}

// apply opens the log and settles what two flags say.
func (g *globals) apply(l *logger) error {
	l.json = g.logFormat == "json"
	l.debug = g.debug || g.logLevel == levelDebug
	l.quiet = !l.debug && (g.logLevel == levelError || g.logLevel == "fatal" || g.logLevel == "panic")
	if g.logPath != "" {
		if err := l.open(g.logPath); err != nil {
			return err
		}
	}
	switch g.cgroupManager {
	case "systemd":
		g.systemd = true
	case "disabled":
		l.warnf("--cgroup-manager disabled: the container gets a cgroup all the same")
	}
	return nil
}

func parseLogFormat(s string) (string, error) {
	return s, among("log-format", s, "text", "json")
}

func parseLogLevel(s string) (string, error) {
	return s, among("log-level", s, levelDebug, "info", levelWarning, "warn", levelError, "fatal", "panic")
}

func parseCgroupManager(s string) (string, error) {
	return s, among("cgroup-manager", s, "cgroupfs", "systemd", "disabled")
}

func parseRootless(s string) (string, error) {
	return s, among("rootless", s, "true", "false", "auto")
}

// among refuses a word that is none of several.
func among(what, word string, words ...string) error {
	for _, w := range words {
		if w == word {
			return nil
		}
	}
	return fmt.Errorf("invalid %s %q: must be one of %q", what, word, words)
}
