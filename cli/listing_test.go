package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
	"berth/state"
)

func view(name, id string) *container.View {
	return &container.View{Config: &container.Config{
		ID: strings.Repeat(id, 32), Name: name, Image: container.ImageRef{Ref: "img"}, Network: "bridge",
		Created: time.Now().Add(-3 * time.Hour), Labels: map[string]string{"tier": "web"}, Log: container.LogConfig{Driver: "json-file"},
		Entrypoint: []string{"sh", "-c"}, Cmd: []string{"sleep 1000; echo done"},
		Spec: &specs.Spec{
			Root: &specs.Root{}, Linux: &specs.Linux{}, Hostname: "h",
			Process: &specs.Process{Args: []string{"sh", "-c", "sleep 1000; echo done"}, Cwd: "/"},
			Mounts:  []specs.Mount{{Type: "bind", Source: "/src", Destination: "/dst", Options: []string{"rbind", "rro"}}},
		},
	}}
}

func running(name, id string) *container.View {
	v := view(name, id)
	v.Status = container.Running
	v.Live = &container.Live{Started: time.Now().Add(-2 * time.Hour), Payload: state.Process{PID: 77}}
	return v
}

func stopped(name, id string) *container.View {
	v := view(name, id)
	v.Status = container.Exited
	v.Exit = &container.Exit{Code: to(137), Started: time.Now().Add(-time.Hour), Finished: time.Now().Add(-5 * time.Second)}
	return v
}

func psWorld() *world {
	w := newWorld()
	made := view("new", "c3")
	made.Status = container.Created
	lost := stopped("lost", "d4")
	lost.Exit.Code = nil
	broken := &container.View{Config: &container.Config{ID: strings.Repeat("e5", 32)}, Status: container.Broken, Err: fmt.Errorf("read /x: %w: unexpected end", state.ErrCorrupt)}
	w.views = []*container.View{running("up", "a1"), stopped("down", "b2"), made, lost, broken}
	return w
}

func TestPs(t *testing.T) {
	w := psWorld()
	want := "CONTAINER ID   IMAGE     COMMAND                  CREATED       STATUS       PORTS     NAMES\n" +
		"a1a1a1a1a1a1   img       \"sh -c 'sleep 1000; …\"   3 hours ago   Up 2 hours             up\n"
	if got := w.berth(t, "ps").out; got != want {
		t.Errorf("ps prints\n%s\nwant\n%s", got, want)
	}
	for args, want := range map[string]string{
		"ps -a --format {{.Names}}={{.Status}}":   "up=Up 2 hours\ndown=Exited (137) 5 seconds ago\nnew=Created\nlost=Exited (unknown) 5 seconds ago\n=Broken: record is corrupt\n",
		"ps -aq":                                  "a1a1a1a1a1a1\nb2b2b2b2b2b2\nc3c3c3c3c3c3\nd4d4d4d4d4d4\ne5e5e5e5e5e5\n",
		"ps -q --no-trunc":                        strings.Repeat("a1", 32) + "\n",
		"ps -n 2 -q":                              "a1a1a1a1a1a1\nb2b2b2b2b2b2\n",
		"ps -lq":                                  "a1a1a1a1a1a1\n",
		"ps -a -f name=down --format {{.Names}}":  "down\n",
		"ps -a -f name=^d --format {{.Names}}":    "down\n",
		"ps -f status=exited --format {{.Names}}": "down\nlost\n",
		"ps -f status=exited -f status=created --format {{.Names}}": "down\nnew\nlost\n",
		"ps -a -f exited=137 --format {{.Names}}":                   "down\n",
		"ps -a -f id=b2 --format {{.Names}}":                        "down\n",
		"ps -f label=tier=web --format {{.Names}}":                  "up\n",
		"ps -f label=tier=web -f label=no --format {{.Names}}":      "",
		"ps -f ancestor=img --format {{.Names}}":                    "up\n",
		"ps -f network=host --format {{.Names}}":                    "",
		"ps -f volume=/dst --format {{.Names}}":                     "up\n",
		"ps -f publish=80 --format {{.Names}}":                      "",
		"ps -f status=broken --no-trunc --format {{.Status}}":       "Broken: read /x: record is corrupt: unexpected end\n",
		"ps -f status=broken -q":                                    "e5e5e5e5e5e5\n",
		`ps --format table\ {{.ID}}\t{{.Label\ "tier"}}`:            "CONTAINER ID   tier\na1a1a1a1a1a1   web\n",
		"ps --format {{json\\ .Names}}":                             "\"up\"\n",
		"ps --format {{.Mounts|upper}}":                             "/SRC\n",
	} {
		words := strings.Fields(args)
		for i := range words { // "\ " is a blank within a word
			words[i] = strings.TrimSuffix(words[i], `\`) + map[bool]string{true: " "}[strings.HasSuffix(words[i], `\`)]
		}
		if got := w.berth(t, joinWords(words)...); got.out != want {
			t.Errorf("%s prints %q, want %q (stderr %q)", args, got.out, want, got.err)
		}
	}
}

// joinWords puts words together that end in a blank with the ones behind.
func joinWords(words []string) []string {
	var list []string
	for i, w := range words {
		if i > 0 && strings.HasSuffix(list[len(list)-1], " ") {
			list[len(list)-1] += w
			continue
		}
		list = append(list, w)
	}
	return list
}

func TestPsJSON(t *testing.T) {
	got := psWorld().berth(t, "ps", "--format", "json", "--no-trunc").out
	for _, part := range []string{`"ID":"` + strings.Repeat("a1", 32) + `"`, `"Names":"up"`, `"State":"running"`, `"Labels":"tier=web"`, `"Networks":"bridge"`} {
		if !strings.Contains(got, part) {
			t.Errorf("ps --format json prints %s, want %s in it", got, part)
		}
	}
	if strings.Count(got, "\n") != 1 {
		t.Errorf("one container gives %q", got)
	}
}

func TestImages(t *testing.T) {
	w := newWorld()
	img := w.images.list["img"]
	img.Created, img.Size, img.Digest = time.Now().Add(-48*time.Hour), 5_130_000, "sha256:bb"
	w.images.list["img"] = img
	img.Ref, img.ID = "", "sha256:cccccccccccccccc"
	w.images.list["nameless"] = img
	for args, want := range map[string]string{
		"images":                               "REPOSITORY   TAG       IMAGE ID       CREATED      SIZE\n<none>       <none>    cccccccccccc   2 days ago   5.13MB\nimg          latest    aaaaaaaaaaaa   2 days ago   5.13MB\n",
		"images img --digests":                 "REPOSITORY   TAG       DIGEST      IMAGE ID       CREATED      SIZE\nimg          latest    sha256:bb   aaaaaaaaaaaa   2 days ago   5.13MB\n",
		"images -q img:latest":                 "aaaaaaaaaaaa\n",
		"images -q i*":                         "aaaaaaaaaaaa\n",
		"images -q other":                      "",
		"images -q -f dangling=true":           "cccccccccccc\n",
		"images -q --no-trunc -f reference=im": "",
		"image ls --format {{.Repository}}:{{.Tag}} -f reference=img": "img:latest\n",
	} {
		if got := w.berth(t, strings.Fields(args)...); got.out != want {
			t.Errorf("%s prints\n%s\nwant\n%s\n(stderr %q)", args, got.out, want, got.err)
		}
	}
}

func TestInspect(t *testing.T) {
	w := psWorld()
	w.views[0].Spec.Linux.Resources = &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: to(int64(1 << 20))},
		CPU:    &specs.LinuxCPU{Quota: to(int64(50000)), Period: to(uint64(100000))},
	}
	w.views[0].From = map[string]string{"linux.resources.cpu.quota": "--cpus", "mounts[/dst]": "--volume"}
	for args, want := range map[string]string{
		"inspect -f {{.State.Pid}} up":                         "77\n",
		"inspect -f {{.Name}} up down":                         "/up\n/down\n",
		"inspect -f {{.State.ExitCode}} down":                  "137\n",
		"inspect -f {{json}} up":                               "\n",
		"inspect -f {{json\u00a0.State.ExitCode}} lost":        "null\n",
		"inspect -f {{.HostConfig.NanoCpus}} up":               "500000000\n",
		"inspect -f {{.HostConfig.Memory}} up":                 "1048576\n",
		"inspect -f {{.HostConfig.Binds}} up":                  "[/src:/dst:ro]\n",
		"inspect -f {{(index\u00a0.Mounts\u00a00).RW}} up":     "false\n",
		"inspect --type container -f {{.Config.Hostname}} up":  "h\n",
		"inspect --type image -f {{.RepoTags}} img":            "[img:latest]\n",
		"inspect -f {{.Id}} img":                               "sha256:" + strings.Repeat("a", 64) + "\n",
		"inspect nope":                                         "[]\n",
		"inspect --format json nope":                           "[]\n",
		"inspect -f {{.ID}} img":                               "sha256:" + strings.Repeat("a", 64) + "\n",
		"inspect -f {{.HostConfig.CpuQuota}} up":               "0\n",
		"inspect -f {{.HostConfig.NanoCPUs}} up":               "500000000\n",
		"inspect -f {{len\u00a0.NetworkSettings.Networks}} up": "1\n",
	} {
		words := strings.Fields(strings.ReplaceAll(args, "\u00a0", "\x01"))
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "\x01", " ")
		}
		if got := w.berth(t, words...); got.out != want {
			t.Errorf("%s prints %q, want %q (stderr %q)", args, got.out, want, got.err)
		}
	}
	r := w.berth(t, "inspect", "up", "nope", "img")
	if r.code != 1 || r.err != "Error: No such object: nope\n" {
		t.Errorf("status %d, stderr %q", r.code, r.err)
	}
	if !strings.HasPrefix(r.out, "[\n    {\n        \"Id\": \"a1a1") || strings.Count(r.out, "\n    {\n") != 2 {
		t.Errorf("inspect prints %s", r.out)
	}
}
