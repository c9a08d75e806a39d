package cli

import (
	"strings"
	"testing"
)

// TestBothNames holds what berth says under its own name and called as docker;
// docker's texts are those of docker's client 28.2.
func TestBothNames(t *testing.T) {
	for _, tt := range []struct{ args, berth, docker string }{
		{"--version", "berth version 1.2.3\n", "Docker version 28.5.0, build berth-1.2.3\n"},
		{"-v", "berth version 1.2.3\n", "Docker version 28.5.0, build berth-1.2.3\n"},
		{"", "Usage:  berth [OPTIONS] COMMAND\n\nRun containers without a daemon\n", "Usage:  docker [OPTIONS] COMMAND\n\nA self-sufficient runtime for containers\n"},
		{"container", "Usage:  berth container COMMAND\n\nManage containers\n", "Usage:  docker container COMMAND\n\nManage containers\n"},
		{"stop nope", "Error: No such container: nope\n", "Error response from daemon: No such container: nope\n"},
		{"run --pull never nope", "Error: No such image: nope:latest\n", "docker: Error response from daemon: No such image: nope:latest\n"},
		{"foo", "Error: unknown command: berth foo\n\nRun 'berth --help' for more information\n", "docker: unknown command: docker foo\n\nRun 'docker --help' for more information\n"},
		{
			"container foo",
			"Error: unknown command: berth container foo\n\nUsage:  berth container COMMAND\n\nRun 'berth container --help' for more information\n",
			"docker: unknown command: docker container foo\n\nUsage:  docker container\n\nRun 'docker container --help' for more information\n",
		},
		{
			"container --foo",
			"Error: unknown flag: --foo\n\nUsage:  berth container COMMAND\n\nRun 'berth container --help' for more information\n",
			"unknown flag: --foo\n\nUsage:  docker container\n\nRun 'docker container --help' for more information\n",
		},
		{
			"run --nope",
			"Error: unknown flag: --nope\n\nUsage:  berth run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'berth run --help' for more information\n",
			"unknown flag: --nope\n\nUsage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'docker run --help' for more information\n",
		},
		{
			"--foo",
			"Error: unknown flag: --foo\n\nUsage:  berth [OPTIONS] COMMAND [ARG...]\n\nRun 'berth --help' for more information\n",
			"unknown flag: --foo\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n\nRun 'docker --help' for more information\n",
		},
		{
			"ps -Z",
			"Error: unknown shorthand flag: 'Z' in -Z\n\nUsage:  berth ps [OPTIONS]\n\nRun 'berth ps --help' for more information\n",
			"unknown shorthand flag: 'Z' in -Z\n\nUsage:  docker ps [OPTIONS]\n\nRun 'docker ps --help' for more information\n",
		},
		{
			"ps a b",
			"Error: 'berth ps' accepts no arguments\n\nUsage:  berth ps [OPTIONS]\n\nRun 'berth ps --help' for more information\n",
			"docker: 'docker ps' accepts no arguments\n\nUsage:  docker ps [OPTIONS]\n\nRun 'docker ps --help' for more information\n",
		},
		{
			"rm",
			"Error: 'berth rm' requires at least 1 argument\n\nUsage:  berth rm [OPTIONS] CONTAINER [CONTAINER...]\n\nRun 'berth rm --help' for more information\n",
			"docker: 'docker rm' requires at least 1 argument\n\nUsage:  docker rm [OPTIONS] CONTAINER [CONTAINER...]\n\nSee 'docker rm --help' for more information\n",
		},
		{
			"images a b",
			"Error: 'berth images' requires at most 1 argument\n\nUsage:  berth images [OPTIONS] [REPOSITORY[:TAG]]\n\nRun 'berth images --help' for more information\n",
			"docker: 'docker images' requires at most 1 argument\n\nUsage:  docker images [OPTIONS] [REPOSITORY[:TAG]]\n\nRun 'docker images --help' for more information\n",
		},
		{
			"run --memory=x img",
			"Error: invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'\n\nUsage:  berth run ",
			"invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'\n\nUsage:  docker run ",
		},
		{"-l loud ps", "Error: Unable to parse logging level: loud\n", "Unable to parse logging level: loud\n"},
		{"-H tcp://x ps", "Error: --host tcp://x: berth connects to no daemon\nhint: ", "--host tcp://x: berth connects to no daemon\nhint: "},
		{"container ls a", "Error: 'berth container ls' accepts no arguments\n\nUsage:  berth container ls [OPTIONS]\n", "docker: 'docker container ls' accepts no arguments\n\nUsage:  docker container ls [OPTIONS]\n"},
		{
			"rename a",
			"Error: 'berth rename' requires 2 arguments\n\nUsage:  berth rename CONTAINER NEW_NAME\n\nRun 'berth rename --help' for more information\n",
			"docker: 'docker rename' requires 2 arguments\n\nUsage:  docker rename CONTAINER NEW_NAME\n\nRun 'docker rename --help' for more information\n",
		},
		{
			"port a b c",
			"Error: 'berth port' requires at least 1 and at most 2 arguments\n\nUsage:  berth port ",
			"docker: 'docker port' requires at least 1 and at most 2 arguments\n\nUsage:  docker port CONTAINER [PRIVATE_PORT[/PROTO]]\n\nRun 'docker port --help' for more information\n",
		},
		{"run --pull", "Error: flag needs an argument: --pull\n\nUsage:  berth run ", "flag needs an argument: --pull\n\nUsage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'docker run --help' for more information\n"},
		{"help nope", "Error: unknown command: berth nope\n", "unknown help topic: nope\n"},
	} {
		for program, want := range map[string]string{"/usr/bin/berth": tt.berth, "/usr/bin/docker": tt.docker} {
			r := newWorld().called(t, program, strings.Fields(tt.args)...)
			if got := r.out + r.err; !strings.HasPrefix(got, want) {
				t.Errorf("%s %s:\n%s\nwant\n%s", program, tt.args, got, want)
			}
			if r.out != "" && r.err != "" {
				t.Errorf("%s %s: output on both: %q and %q", program, tt.args, r.out, r.err)
			}
		}
	}
}

// TestDockerHasNoOwnCommands holds that berth's own command line for bundles is
// out of sight under docker's name, where the word is no command.
func TestDockerHasNoOwnCommands(t *testing.T) {
	w := newWorld()
	if r := w.called(t, "docker", "--help"); strings.Contains(r.out, " oci ") {
		t.Errorf("the help lists oci:\n%s", r.out)
	}
	if r := w.called(t, "docker", "oci", "list"); r.code != exitFailed || !strings.HasPrefix(r.err, "docker: unknown command: docker oci\n") {
		t.Errorf("oci: %+v", r)
	}
}

// TestHelpLayout holds the headings of docker's help, the order of its common
// commands, and the line of a command's other names.
func TestHelpLayout(t *testing.T) {
	w := newWorld()
	at := 0
	help := w.called(t, "docker", "--help").out
	for _, want := range []string{
		"Usage:  docker [OPTIONS] COMMAND\n\nA self-sufficient runtime for containers\n\nCommon Commands:\n  run ", "\n  exec ", "\n  ps ", "\n  images ",
		"\n\nManagement Commands:\n  container ", "\n\nCommands:\n  attach ", "\n\nGlobal Options:\n      --config string ",
		"\n\nRun 'docker COMMAND --help' for more information on a command.\n",
	} {
		next := strings.Index(help[at:], want)
		if next < 0 {
			t.Fatalf("no %q behind byte %d of the help:\n%s", want, at, help)
		}
		at += next
	}
	for _, args := range []string{"ps", "container ls", "container list"} {
		out := w.called(t, "docker", append(strings.Fields(args), "--help")...).out
		want := "Usage:  docker " + args + " [OPTIONS]\n\nList containers\n\nAliases:\n  docker container ls, docker container list, docker container ps, docker ps\n\nOptions:\n"
		if !strings.HasPrefix(out, want) {
			t.Errorf("%s --help prints\n%s\nwant\n%s", args, out, want)
		}
	}
	const attach = "Options:\n" +
		"      --detach-keys string   Override the key sequence for detaching a\n                             container\n" +
		"      --no-stdin             Do not attach STDIN\n" +
		"      --sig-proxy            Proxy all received signals to the process\n                             (default true)\n" +
		"  -h, --help                 Print usage\n"
	if out := w.called(t, "docker", "attach", "--help").out; !strings.HasSuffix(out, attach) {
		t.Errorf("attach --help prints\n%s\nwant at its end\n%s", out, attach)
	}
	const forms = "Usage:  docker cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH\n\n"
	if r := w.called(t, "docker", "cp"); !strings.Contains(r.err, forms) {
		t.Errorf("cp has no usage of two forms:\n%s", r.err)
	}
	if r := w.called(t, "docker"); r.out != "" || !strings.HasPrefix(r.err, "Usage:  docker [OPTIONS] COMMAND\n") {
		t.Errorf("without a command: %q on stdout, %q on stderr", r.out, r.err)
	}
	if out := w.berth(t, "container", "inspect", "--help").out; strings.Contains(out, "Aliases:") {
		t.Errorf("a command of one form has aliases:\n%s", out)
	}
}
