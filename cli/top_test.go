package cli

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"berth/container/top"
)

// Processes are this one: its columns are tested where they are made.
func (w *world) Processes(_ context.Context, ref string) ([]top.Process, error) {
	w.note("processes " + ref)
	if err := w.known(ref); err != nil {
		return nil, err
	}
	return top.Read([]int{os.Getpid()})
}

func TestTop(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"up"}, `^UID +PID +PPID +C +STIME +TTY +TIME +CMD\n\S+ +` + pid + ` .*\n$`},
		{[]string{"up", "-eo", "pid,comm"}, `^PID +COMMAND\n` + pid + ` +cli\.test\n$`},
		{[]string{"up", "aux"}, `^USER +PID +%CPU .*\n.*\n$`},
		// What stands behind the container is ps's, help too.
		{[]string{"up", "--format", "pid="}, `^` + pid + `\n$`},
	} {
		got := psWorld().berth(t, append([]string{"top"}, c.args...)...)
		if got.code != 0 || got.err != "" || !regexp.MustCompile(c.want).MatchString(got.out) {
			t.Errorf("%q: %+v", c.args, got)
		}
	}
}

func TestTopRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"nothing"}, 1, "Error: No such container: nothing\n"},
		{[]string{"up", "-o", "colour"}, 1, "Error: unknown ps column \"colour\"\nhint: the columns are %cpu %mem addr args "},
		{[]string{"up", "-Z"}, 1, "Error: unknown ps option \"-Z\"\nhint: "},
		{[]string{"up", "-o"}, 1, "Error: ps option \"-o\" needs a list of columns\n"},
		{nil, 1, "requires at least 1 argument"},
		{[]string{"--nope", "up"}, 125, "unknown flag: --nope"},
	} {
		got := psWorld().berth(t, append([]string{"top"}, c.args...)...)
		if got.code != c.code || !strings.Contains(got.err, c.want) || got.out != "" {
			t.Errorf("%q: %+v, want %d and %q", c.args, got, c.code, c.want)
		}
	}
}
