package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
