package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/cli"
	"berth/container"
)

const comingFromDocker = "coming-from-docker.md"

// TestEveryCommandAndFlag holds the page on coming from docker to the code: each
// command and flag of docker's is there or refused, nothing is said of what is
// not, and the page is the one that is made of that.
func TestEveryCommandAndFlag(t *testing.T) {
	c, err := compare()
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join("..", comingFromDocker))
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.page(have)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("docs/%s is not what the commands say: run make man", comingFromDocker)
	}
	for _, problem := range c.problems {
		t.Error(problem)
	}
	for what := range c.refused {
		if !c.known(what) {
			t.Errorf("%q is refused, but docker has nothing of that name", what)
		}
	}
	for what := range c.differs {
		command, flag, isFlag := strings.Cut(what, " --")
		_, have := c.berth[command]
		if isFlag && have {
			_, have = flagOf(c.berth[command], flag)
		}
		if !have || !c.known(what) {
			t.Errorf("a difference of %q is told, which berth or docker does not have", what)
		}
	}
}

// known tells whether docker has a command, a group or a flag.
func (c *comparison) known(what string) bool {
	command, flag, isFlag := strings.Cut(what, " --")
	for _, d := range c.docker {
		if !isFlag && (d.name == command || strings.HasPrefix(d.name, command+" ")) {
			return true
		}
		for _, long := range d.long {
			if !isFlag && long == command {
				return true
			}
		}
		for _, f := range d.flags {
			if isFlag && d.name == command && f.name == flag {
				return true
			}
		}
	}
	return false
}

// TestRefusedFlags gives each flag that berth knows and only refuses to berth. The
// image is there, and the state's folders are the test's own, so that nothing but
// the flag can be what is refused.
func TestRefusedFlags(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for what, said := range differences() {
		if said.refused == "" {
			continue
		}
		_, flag, _ := strings.Cut(what, " ")
		env := map[string]string{"BERTH_ROOT": t.TempDir(), "BERTH_RUNROOT": t.TempDir(), "PATH": os.Getenv("PATH")}
		complaint, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
		if err != nil {
			t.Fatal(err)
		}
		code := cli.Main(t.Context(), cli.Process{
			Args:      append([]string{"berth"}, strings.Fields(said.refused)...),
			LookupEnv: func(k string) (string, bool) { v, ok := env[k]; return v, ok },
			Stdio:     container.Stdio{In: null, Out: null, Err: complaint},
		})
		text, err := os.ReadFile(complaint.Name())
		if err != nil {
			t.Fatal(err)
		}
		if code != 125 && code != 1 || !strings.HasPrefix(string(text), "Error: ") || strings.Contains(string(text), "No such image") || !strings.Contains(said.refused, flag) {
			t.Errorf("%s: status %d, %q; the page says that it is refused", said.refused, code, text)
		}
		if list, err := os.ReadDir(env["BERTH_ROOT"]); err != nil || len(list) > 0 {
			t.Errorf("%s: berth got as far as its state: %v, %v", said.refused, list, err)
		}
	}
}

func TestReadSurface(t *testing.T) {
	list, err := readSurface("# x\n\nps = container ls, container ps: a,all n,last= size\nwait:\n")
	if err != nil || len(list) != 2 || list[0].name != "ps" || len(list[0].long) != 2 || len(list[0].flags) != 3 || list[1].name != "wait" {
		t.Fatalf("%+v, %v", list, err)
	}
	if f := list[0].flags[1]; f != (dockerFlag{"n", "last", true}) || f.label() != "`-n`, `--last`" {
		t.Errorf("%+v", f)
	}
	if _, err := readSurface("ps\n"); err == nil {
		t.Error("a line without a colon is read")
	}
}
