package cli

import "strings"

// absence is a command of docker's client, or a flag of one, that berth does not
// have. The page on coming from docker lists them all.
type absence struct {
	// what is "build", "image build", "swarm" with all that is behind it, or
	// "run --isolation"; run means create as well.
	what string
	// why berth has none of it, and what does the same; empty for nothing.
	why, instead string
}

// absences lists what is refused with a reason.
func absences() []absence {
	const (
		swarm  = "berth runs containers on one machine and has no swarm"
		bridge = "this version has no networks but none and host"
		build  = "this version builds no images"
	)
	return []absence{
		{"build", build, "buildah or docker; berth pull or berth load brings the image in"},
		{"builder", build, ""},
		{"buildx", build, "buildah or docker; berth pull or berth load brings the image in"},
		{"image build", build, "buildah or docker; berth pull or berth load brings the image in"},
		{"checkpoint", "berth does not freeze processes to disk", "berth pause and berth unpause stop and continue them"},
		{"compose", "this version has no compose", "a shell script of berth run -d lines, or systemd units, as in examples/"},
		{"config", swarm, "-v FILE:PATH:ro gives a container a file"},
		{"context", "berth connects to no daemon", "ssh HOST berth ... acts on another machine"},
		{"network", bridge, "--network none, --network host"},
		{"node", swarm, ""},
		{"plugin", "berth loads no code but its own", ""},
		{"secret", swarm, "-v FILE:PATH:ro gives a container a secret"},
		{"service", swarm, "berth run -d --restart, or a systemd unit"},
		{"stack", swarm, ""},
		{"swarm", swarm, ""},
		{"trust", "docker itself has given its content trust up", ""},
		{"volume", "this version has no named volumes", "-v /HOST/FOLDER:/PATH"},

		{"start --checkpoint", "berth does not freeze processes to disk", ""},
		{"start --checkpoint-dir", "berth does not freeze processes to disk", ""},
		{"rm --link", "a link is a line of the hosts file and goes with its container", ""},
		{"images --tree", "an image of berth's store is for one platform, and has no tree", ""},
		{"rmi --platform", "an image of berth's store is for one platform", ""},
	}
}

// absentCommand finds what is said of a command of docker's; words are the rest
// of the command line.
func absentCommand(words []string) (absence, bool) {
	for _, r := range absences() {
		own := strings.Fields(r.what)
		if strings.Contains(r.what, " --") || len(own) > len(words) {
			continue
		}
		if strings.Join(words[:len(own)], " ") == r.what {
			return r, true
		}
	}
	return absence{}, false
}

// absentFlag finds what is said of a flag of docker's.
func absentFlag(command, flag string) (absence, bool) {
	if command == "create" {
		command = "run"
	}
	for _, r := range absences() {
		if r.what == command+" --"+flag {
			return r, true
		}
	}
	return absence{}, false
}

// advice is the hint that goes with an absent command.
func (r absence) advice() string {
	if r.instead == "" {
		return ""
	}
	return "instead: " + r.instead
}

// explained is the hint that goes with an absent flag.
func (r absence) explained() string {
	_, flag, _ := strings.Cut(r.what, " ")
	text := "berth has no " + flag + ": " + r.why
	if r.instead != "" {
		text += "; instead: " + r.instead
	}
	return text
}
