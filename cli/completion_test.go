package cli

import (
	"slices"
	"strings"
	"testing"

	"berth/cli/option"
	"berth/container"
)

// completed are the lines for a command line that is typed as far as "|".
func (w *world) completed(t *testing.T, line string) []string {
	t.Helper()
	args := append([]string{completeCommand}, strings.Split(line, " ")...)
	r := w.berth(t, args...)
	if r.code != 0 || r.err != "" {
		t.Errorf("%q: status %d, stderr %q", line, r.code, r.err)
	}
	return strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
}

// harbour is a world with a container in each state.
func harbour() *world {
	w := newWorld()
	paused, created := running("held", "c1"), stopped("new", "e1")
	paused.Status, created.Status = container.Paused, container.Created
	w.views = []*container.View{running("web", "a1"), running("web2", "b1"), paused, stopped("done", "d1"), created}
	return w
}

// TestComplete lists command lines with the words, and their beginnings, that
// are offered.
func TestComplete(t *testing.T) {
	for line, want := range map[string]string{
		"sto":                            "stop",
		"container l":                    "logs ls",
		"container inspe":                "inspect",
		"imag":                           "image images",
		"help sto":                       "stop",
		"help stop w":                    "web web2",
		"stop ":                          "held web web2",
		"stop web ":                      "held web2",
		"stop -t 5 web2 w":               "web",
		"kill -s INT ":                   "held web web2",
		"start ":                         "done new",
		"exec ":                          "web web2",
		"exec -it web ":                  "",
		"exec web -":                     "",
		"attach ":                        "web web2",
		"rm ":                            "done held new web web2",
		"container rm --force w":         "web web2",
		"logs ":                          "done held new web web2",
		"logs web ":                      "",
		"run ":                           "box img",
		"run im":                         "img",
		"run --rm -it i":                 "img",
		"run img ":                       ":files",
		"run img -":                      ":files -",
		"run -- i":                       "img",
		"rmi ":                           "box img",
		"images ":                        "box img",
		"inspect ":                       "box done held img new web web2",
		"container inspect ":             "done held new web web2",
		"image inspect ":                 "box img",
		"run --pul":                      "--pull",
		"run --pull ":                    "always missing never newer",
		"run --pull=a":                   "--pull=always",
		"run --pull a":                   "always",
		"run --network h":                "host",
		"run --net=n":                    "--net=none",
		"run -a st":                      "stderr stdin stdout",
		"run --cap-add NET_":             "NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW",
		"run --cap-drop AL":              "ALL",
		"run --stop-signal TE":           "TERM",
		"kill -s SIGTE":                  "SIGTERM",
		"kill --signal=US":               "--signal=USR1 --signal=USR2",
		"run --env-file ":                ":files",
		"run --env-file=/e":              ":files /e",
		"run -v /sr":                     ":files /sr",
		"run -v /src:":                   "",
		"run -itv /sr":                   ":files /sr",
		"run --rootfs /":                 ":folders /",
		"run --mount ty":                 "type=bind type=tmpfs",
		"run --mount type=bind,sr":       "type=bind,src=",
		"run --mount type=bind,src=/e":   ":files /e",
		"run --mount=type=bind,src=/e":   ":files /e",
		"run --rm=":                      "--rm=false --rm=true",
		"rmi img:":                       "img:latest",
		"run --volumes-from don":         "done",
		"run --label-file x":             ":files x",
		"run --restart on":               "on-failure on-failure:",
		"run --network con":              "container:",
		"run --network container:w":      "container:web container:web2",
		"run --net=container:h":          "--net=container:held",
		"run --pid=container:web2":       "--pid=container:web2",
		"cp w":                           ":files w web2: web:",
		"cp web:/x ":                     ":files done: held: new: web2: web:",
		"cp ./w":                         ":files ./w",
		"cp web:/":                       "",
		"update --restart=al":            "--restart=always",
		"export -o ":                     ":files",
		"run --name ":                    "",
		"run -e ":                        "",
		"run -x ":                        "box img",
		"ps --filter stat":               "status=created status=dead status=exited status=paused status=removing status=restarting status=running",
		"container ls --filter status=p": "status=paused",
		"images --filter dang":           "dangling=false dangling=true",
		"ps --format j":                  "json",
		"ps --no":                        "--no-trunc",
		"ps ":                            "",
		"completion ":                    "bash fish zsh",
		"completion bash ":               "",
		"explain r":                      "run",
		"explain run --rm im":            "img",
		"explain --format j":             "json",
		"import ":                        ":files",
		"oci sta":                        "start state",
		"oci state ":                     "",
		"-D stopp":                       "",
		"--log-level w":                  "warn",
		"--conf":                         "--config",
		"--config ":                      ":folders",
		"-c ":                            "default",
		"nope ":                          "",
		"container nope ":                "",
		"stop --nope ":                   "held web web2",
		"stop -- ":                       "held web web2",
		"__compl":                        "",
	} {
		var got []string
		for _, l := range harbour().completed(t, line) {
			word, about, _ := strings.Cut(l, "\t")
			if strings.HasPrefix(word, ":") && about != "" {
				word += " " + about
			}
			got = append(got, word)
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%q is completed with %q, want %q", line, text, want)
		}
	}
}

// TestCompleteTells holds what stands beside a candidate.
func TestCompleteTells(t *testing.T) {
	w := harbour()
	if got := w.completed(t, "rm don")[0]; !strings.HasPrefix(got, "done\timg, Exited (") {
		t.Errorf("a container: %q", got)
	}
	if got := w.completed(t, "ru")[0]; got != "run\tCreate and run a new container from an image" {
		t.Errorf("a command: %q", got)
	}
	if got := w.completed(t, "ps --no-t")[0]; got != "--no-trunc\tDon't truncate output" {
		t.Errorf("a flag: %q", got)
	}
}

// TestCompleteWithoutState holds that nothing is said when containers cannot be
// read.
func TestCompleteWithoutState(t *testing.T) {
	s := newSession(Process{Args: []string{"berth"}, LookupEnv: func(string) (string, bool) { return "", false }})
	c := completer{session: s}
	s.open = func() (*backend, error) { return nil, container.ErrNotRunning }
	c.line(t.Context(), []string{"inspect"}, "")
	if len(c.candidates) != 0 {
		t.Errorf("offered: %v", c.candidates)
	}
}

// TestCompletionOfFlags holds the lists of values against the commands: a flag
// takes every whole word that is offered for it, and no list is of a flag that
// nothing has.
func TestCompletionOfFlags(t *testing.T) {
	used := map[string]bool{}
	check := func(c *command, options []*option.Option) {
		for _, o := range options {
			used[o.Name] = true
			from := sourceOf(c, o, "")
			for _, word := range from.words {
				if strings.HasSuffix(word, "=") || strings.HasSuffix(word, ":") || from.pairs {
					continue
				}
				if err := option.Assign([]*option.Option{o}, []string{o.Spell(word)}); err != nil {
					t.Errorf("%s --%s: %s is offered, and refused: %v", c.name, o.Name, word, err)
				}
			}
		}
	}
	for _, c := range commands() {
		options, _ := c.build(newSession(Process{LookupEnv: func(string) (string, bool) { return "", false }}))
		check(c, options)
	}
	var g globals
	check(&command{name: "berth"}, g.options())
	for name := range flagSources() {
		if !used[name] {
			t.Errorf("values are offered for --%s, which no command has", name)
		}
	}
}

// TestOperands holds that every command says what its words are.
func TestOperands(t *testing.T) {
	for _, c := range commands() {
		kinds := operandsOf(c)
		if c.max != unlimited && len(kinds) > c.max && c.manual == "" {
			t.Errorf("%s takes %d words and completes %d", c.name, c.max, len(kinds))
		}
		if strings.Contains(c.args, "CONTAINER") && !slices.ContainsFunc(kinds, func(k operand) bool { return k != nothing && k != anyImage }) {
			t.Errorf("%s %s completes no container", c.name, c.args)
		}
	}
}

func TestScripts(t *testing.T) {
	w := newWorld()
	for _, script := range scripts("berth") {
		if r := w.berth(t, "completion", script.shell); r.out != script.text || r.code != 0 {
			t.Errorf("%s: %+v", script.shell, r)
		}
		r := w.called(t, "docker", "completion", script.shell)
		if strings.Contains(r.out, "berth") || !strings.Contains(r.out, "docker") {
			t.Errorf("%s: the script for docker is about %s", script.shell, r.out)
		}
	}
	if r := w.berth(t, "completion", "powershell"); r.code != 1 || r.err != "Error: no completion for the shell \"powershell\"\nhint: there is bash, zsh and fish\n" {
		t.Errorf("powershell: %+v", r)
	}
}

func FuzzComplete(f *testing.F) {
	f.Add("run\x00--pull\x00a")
	f.Add("container\x00\x00-")
	f.Add("run\x00--mount=\x00type=bind,src=")
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, "\x00")
		if words[0] == completeCommand {
			return
		}
		if r := harbour().berth(t, append([]string{completeCommand}, words...)...); r.code != 0 || r.err != "" {
			t.Errorf("%q: %+v", words, r)
		}
	})
}
