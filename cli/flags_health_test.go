package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/container"
	"berth/image"
)

func TestHealthFlags(t *testing.T) {
	of := &image.Healthcheck{Test: []string{"CMD", "/probe"}, Interval: time.Minute, Timeout: time.Second, StartPeriod: time.Hour, StartInterval: 2 * time.Second, Retries: 5}
	fromImage := `{"test":["CMD","/probe"],"interval":60000000000,"timeout":1000000000,"start_period":3600000000000,"start_interval":2000000000,"retries":5}`
	for _, tt := range []struct {
		name, flags string
		image       *image.Healthcheck
		want        string
	}{
		{"nothing", "", nil, `null`},
		{"command", "--health-cmd true", nil, `{"test":["CMD-SHELL","true"]}`},
		{"all", "--health-cmd=x --health-interval 1m --health-timeout 1s --health-retries 4 --health-start-period 1h30m --health-start-interval 1ms", nil,
			`{"test":["CMD-SHELL","x"],"interval":60000000000,"timeout":1000000000,"start_period":5400000000000,"start_interval":1000000,"retries":4}`},
		{"settings without a test", "--health-retries 2", nil, `{"retries":2}`},
		{"disabled", "--no-healthcheck", nil, `{"test":["NONE"]}`},
		{"not disabled", "--no-healthcheck=false", nil, `null`},
		{"image", "", of, fromImage},
		{"image and interval", "--health-interval 3s", of, strings.Replace(fromImage, "60000000000", "3000000000", 1)},
		{"image and command", "--health-cmd true", of, strings.Replace(fromImage, `"CMD","/probe"`, `"CMD-SHELL","true"`, 1)},
		{"image disabled", "--no-healthcheck", of, `{"test":["NONE"]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.setImage(image.Config{Cmd: []string{"sh"}, Healthcheck: tt.image})
			wants(t, tt.flags, w.created(t, append(strings.Fields(tt.flags), "img")...).HealthCheck, tt.want)
		})
	}
}

func TestHealthShell(t *testing.T) {
	w := newWorld()
	w.setImage(image.Config{Cmd: []string{"sh"}, Shell: []string{"/bin/ash", "-ec"}})
	wants(t, "shell", w.created(t, "--health-cmd", "true", "img").HealthCheck, `{"test":["CMD-SHELL","true"],"shell":["/bin/ash","-ec"]}`)
}

func TestHealthFlagsRefused(t *testing.T) {
	w := newWorld()
	for flags, text := range map[string]string{
		"--no-healthcheck --health-cmd x":       "--no-healthcheck conflicts with --health-* options",
		"--no-healthcheck --health-retries 1":   "--no-healthcheck conflicts with --health-* options",
		"--health-interval -1s":                 "--health-interval cannot be negative",
		"--health-timeout -1s":                  "--health-timeout cannot be negative",
		"--health-start-period -1s":             "--health-start-period cannot be negative",
		"--health-start-interval -1s":           "--health-start-interval cannot be negative",
		"--health-retries -1":                   "--health-retries cannot be negative",
		"--health-cmd x --health-interval 1us":  "Interval in Healthcheck cannot be less than 1ms",
		"--health-cmd x --health-timeout 999us": "Timeout in Healthcheck cannot be less than 1ms",
		"--health-start-period 1ns":             "StartPeriod in Healthcheck cannot be less than 1ms",
		"--health-start-interval 1ns":           "StartInterval in Healthcheck cannot be less than 1ms",
	} {
		w.refused(t, text, append(strings.Fields(flags), "img")...)
	}
	for flag, value := range map[string]string{"--health-interval": "soon", "--health-timeout": "5", "--health-retries": "two"} {
		r := w.berth(t, "create", flag, value, "img")
		if want := fmt.Sprintf("invalid argument %q for %q flag: ", value, flag); r.code != exitBerth || !strings.Contains(r.err, want) {
			t.Errorf("%s %s: status %d, %s", flag, value, r.code, r.err)
		}
	}
}

// sick is a running container with health.
func sick(name, id string, status container.HealthStatus) *container.View {
	v := running(name, id)
	v.HealthCheck = &container.HealthCheck{Test: []string{"CMD-SHELL", "probe"}, Interval: time.Second, Retries: 2}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	v.Health = &container.Health{Status: status, FailingStreak: 1, Log: []container.ProbeResult{{Start: at, End: at.Add(time.Second), ExitCode: 1, Output: "no\n"}}}
	return v
}

func TestHealthInPs(t *testing.T) {
	w := newWorld()
	paused := sick("still", "d4", container.Healthy)
	paused.Status = container.Paused
	w.views = []*container.View{
		sick("young", "a1", container.Starting), sick("well", "b2", container.Healthy), sick("ill", "c3", container.Unhealthy), paused, running("plain", "e5"),
	}
	for args, want := range map[string]string{
		"ps --format {{.Names}}={{.Status}}":                           "young=Up 2 hours (health: starting)\nwell=Up 2 hours (healthy)\nill=Up 2 hours (unhealthy)\nstill=Up 2 hours (Paused)\nplain=Up 2 hours\n",
		"ps -f health=starting --format {{.Names}}":                    "young\n",
		"ps -f health=healthy -f health=unhealthy --format {{.Names}}": "well\nill\nstill\n",
		"ps -f health=none --format {{.Names}}":                        "plain\n",
	} {
		if r := w.berth(t, strings.Fields(args)...); r.out != want {
			t.Errorf("%s prints\n%s%s, want\n%s", args, r.out, r.err, want)
		}
	}
	if r := w.berth(t, "ps", "-f", "health=good"); r.code != exitFailed || !strings.Contains(r.err, "unrecognised filter value for health: good") {
		t.Errorf("status %d, %s", r.code, r.err)
	}
}

func TestHealthInInspect(t *testing.T) {
	w := newWorld()
	w.views = []*container.View{sick("ill", "a1", container.Unhealthy), running("plain", "b2")}
	want := `{"Status":"unhealthy","FailingStreak":1,"Log":[{"Start":"2026-01-02T03:04:05.000000006Z","End":"2026-01-02T03:04:06.000000006Z","ExitCode":1,"Output":"no\n"}]} ` +
		`{"Test":["CMD-SHELL","probe"],"Interval":1000000000,"Retries":2}` + "\n"
	if r := w.berth(t, "inspect", "-f", "{{json .State.Health}} {{json .Config.Healthcheck}}", "ill"); r.out != want {
		t.Errorf("got %s%s", r.out, r.err)
	}
	if r := w.berth(t, "inspect", "plain"); r.code != 0 || strings.Contains(r.out, "Health") {
		t.Errorf("a container without a check: %s", r.out)
	}
}

func TestHealthcheckRun(t *testing.T) {
	w := newWorld()
	for _, tt := range []struct {
		code int
		err  error
		want result
	}{
		{0, nil, result{0, "", ""}},
		{3, nil, result{1, "unhealthy\n", ""}},
		{0, errors.New("disk full"), result{0, "", "WARNING: disk full\n"}},
		{3, errors.New("disk full"), result{1, "unhealthy\n", "WARNING: disk full\n"}},
		{0, fmt.Errorf("container x %w", container.ErrNoHealthCheck), result{125, "", "Error: container x has no defined healthcheck\n"}},
	} {
		w.code, w.err = tt.code, tt.err
		if got := w.berth(t, "healthcheck", "run", "x"); got != tt.want {
			t.Errorf("got %+v, want %+v", got, tt.want)
		}
	}
	if r := w.berth(t, "healthcheck", "--help"); !strings.Contains(r.out, "run") {
		t.Errorf("help: %s", r.out)
	}
	if r := w.berth(t, "healthcheck", "run"); r.code != exitFailed || !strings.Contains(r.err, "'berth healthcheck run' requires 1 argument") {
		t.Errorf("no argument: %d %s", r.code, r.err)
	}
}
