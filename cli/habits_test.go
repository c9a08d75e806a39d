package cli

import (
	"slices"
	"strings"
	"testing"

	"berth/container"
)

// TestStreamsAndStatuses holds what docker's client 28.2 was seen to print where,
// and the status it ended with.
func TestStreamsAndStatuses(t *testing.T) {
	const absent = "Error response from daemon: No such container: nope\n"
	for _, tt := range []struct {
		args     string
		code     int
		out, err string
	}{
		{"rm -f aa nope", 0, "aa\n", absent},
		{"rm aa nope", 1, "aa\n", absent},
		{"start aa nope", 1, "aa\n", absent + "Error: failed to start containers: nope\n"},
		{"start nope none", 1, "", absent + "Error response from daemon: No such container: none\nError: failed to start containers: nope, none\n"},
		{"rename nope x", 1, "", absent + "Error: failed to rename container named nope\n"},
		{"create --pull never nope", 1, "", "Error response from daemon: No such image: nope:latest\nhint: "},
		{"create --name a/b img", 1, "", "Error response from daemon: Invalid container name (a/b), "},
		{"create UPPER", 125, "", "docker: invalid reference format"},
		{"run --name a/b img", 125, "", "docker: Error response from daemon: Invalid container name (a/b), "},
		{"update -m 1k aa", 1, "", "Error response from daemon: Minimum memory limit allowed is "},
		{"run -m 1k img", 125, "", "docker: Error response from daemon: Minimum memory limit allowed is "},
		{"create -m 1k img", 1, "", "Error response from daemon: Minimum memory limit allowed is "},
		{"run --cpus 100000 img", 125, "", "docker: Error response from daemon: Range of CPUs is from 0.01 to "},
		{"run --log-driver nope img", 125, "", "docker: Error response from daemon: logger: no log driver named 'nope' is registered\n"},
		{"run --mount type=bind,src=/nope/nope,dst=/x img", 125, "", "docker: Error response from daemon: invalid mount config for type \"bind\": "},
		{"run --ipc bad img", 125, "", "docker: Error response from daemon: invalid IPC mode: bad\n"},
		{"run -w here img", 125, "", "docker: Error response from daemon: the working directory 'here' is invalid"},
		{"run --cap-add nope img", 125, "", "docker: Error response from daemon: invalid CapAdd: unknown capability: \"CAP_NOPE\"\n"},
		{"run --oom-score-adj 5000 img", 125, "", "docker: Error response from daemon: Invalid value 5000, "},
		{"run --health-cmd x --health-interval 1us img", 125, "", "docker: Error response from daemon: Interval in Healthcheck cannot be less than 1ms\n"},
		{"run --cidfile /dev/null img", 125, "", "docker: container ID file found, "},
		{"run --security-opt bad img", 125, "", "docker: Invalid --security-opt: \"bad\"\n"},
		{"commit aa UPPER", 1, "", "invalid reference format: repository name (library/UPPER) must be lowercase\n"},
		{"logs --since never aa", 1, "", "invalid value for \"since\": failed to parse value as time or duration: \"never\"\n"},
		{"events --since never", 1, "", "failed to parse value as time or duration: \"never\"\n"},
		{"logs -n some aa", 0, "to stdout\n", "to stderr\n"},
	} {
		w := newWorld()
		w.views = []*container.View{describedAs("aa")}
		r := w.called(t, "docker", strings.Fields(tt.args)...)
		if r.code != tt.code || r.out != tt.out || !strings.HasPrefix(r.err, tt.err) || tt.err == "" && r.err != "" {
			t.Errorf("docker %s: status %d\n%q\n%q\nwant %d\n%q\n%q", tt.args, r.code, r.out, r.err, tt.code, tt.out, tt.err)
		}
	}
}

func describedAs(name string) *container.View {
	v := described()
	v.Name = name
	return v
}

// TestInspectShowsTheVariablesAskedFor holds that what every container is given
// is not among the variables of its own.
func TestInspectShowsTheVariablesAskedFor(t *testing.T) {
	w := newWorld()
	w.views = []*container.View{describedAs("aa")}
	spec := w.views[0].Spec
	spec.Process.Terminal = true
	spec.Process.Env = []string{"PATH=/bin", "HOSTNAME=web", "TERM=xterm", "A=1"}
	if r := w.berth(t, "inspect", "-f", "{{json .Config.Env}}", "aa"); r.out != `["PATH=/bin","A=1"]`+"\n" {
		t.Errorf("prints %q %q", r.out, r.err)
	}
	spec.Process.Env = []string{"HOSTNAME=other", "TERM=vt100"}
	if r := w.berth(t, "inspect", "-f", "{{join .Config.Env \" \"}}", "aa"); r.out != strings.Join(spec.Process.Env, " ")+"\n" {
		t.Errorf("prints %q %q", r.out, r.err)
	}
	if !slices.Contains(spec.Process.Env, "HOSTNAME=other") {
		t.Error("inspect changed the record")
	}
	if r := w.berth(t, "ps", "--format", "json"); !strings.Contains(r.out, `"Platform":null,`) {
		t.Errorf("ps prints %q", r.out)
	}
}
