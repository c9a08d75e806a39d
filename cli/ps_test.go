package cli

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"berth/container"
	"berth/image"
)

// portWorld has containers with ports, mounts and images of their own.
func portWorld() *world {
	w := newWorld()
	base, child := w.images.list["img"], w.images.list["img"]
	base.Layers, child.Layers = []string{"/layer/1"}, []string{"/layer/2", "/layer/1"}
	child.ID = "sha256:" + image.Digest(strings.Repeat("b", 64))
	w.images.list["img"], w.images.list["child"] = base, child
	web, db := running("web", "a1"), stopped("db", "b2")
	web.Image = container.ImageRef{Ref: "child", ID: string(child.ID)}
	web.Layers = child.Layers
	web.Ports = []container.Port{{HostIP: "0.0.0.0", HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}, {HostIP: "::", HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}}
	web.Exposed = []container.Port{{ContainerPort: 80, Protocol: "tcp"}, {ContainerPort: 53, Protocol: "udp"}}
	db.Image, db.Layers = container.ImageRef{Ref: "img", ID: string(base.ID)}, base.Layers
	db.Exposed = []container.Port{{ContainerPort: 5432, Protocol: "tcp"}}
	db.Labels = map[string]string{"com.example.some-key": "v", "tier": "db"}
	w.views = []*container.View{web, db}
	return w
}

// TestPsFilters holds docker's filters and what they refuse.
func TestPsFilters(t *testing.T) {
	for _, tt := range []struct {
		filters string
		want    string
		err     string
	}{
		{"id=a1", "web", ""},
		{"id=^b2", "db", ""},
		{"id=zz", "", ""},
		{"name=b", "web db", ""},
		{"name=/db", "db", ""},
		{"name=^b", "", ""},
		{"name=(", "", "invalid filter 'name=(': "},
		{"name=web name=db", "web db", ""},
		{"name=web status=exited", "", ""},
		{"label=tier", "web db", ""},
		{"label=tier=db label=com.example.some-key", "db", ""},
		{"label=tier=db label=none", "", ""},
		{"status=running status=exited", "web db", ""},
		{"status=up", "", "invalid filter 'status=up'"},
		{"exited=137", "db", ""},
		{"exited=0 exited=137", "db", ""},
		{"exited=x", "", "invalid filter 'exited=x'"},
		{"ancestor=img", "web db", ""},
		{"ancestor=child", "web", ""},
		{"ancestor=sha256:none", "", ""},
		{"before=web", "", ""},
		{"before=nope", "", "No such container: nope"},
		{"since=db", "", ""},
		{"volume=/src", "web db", ""},
		{"volume=/dst", "web db", ""},
		{"volume=/else", "", ""},
		{"network=bridge", "web db", ""},
		{"network=host", "", ""},
		{"publish=8080", "web", ""},
		{"publish=8000-8100/tcp", "web", ""},
		{"publish=8080/udp", "", ""},
		{"publish=80", "", ""},
		{"publish=80:80", "", "filter for 'publish' should not contain ':': 80:80"},
		{"expose=80", "web", ""},
		{"expose=53/udp", "web", ""},
		{"expose=53", "", ""},
		{"expose=50-60/udp expose=5432", "web db", ""},
		{"expose=0", "", "invalid filter 'expose=0': invalid port: 0"},
		{"expose=9-8", "", "invalid filter 'expose=9-8': invalid port: 9-8"},
		{"health=none", "web db", ""},
		{"is-nothing=1", "", "invalid filter 'is-nothing'"},
		{"NAME=db", "db", ""},
	} {
		t.Run(tt.filters, func(t *testing.T) {
			args := []string{"ps", "-a", "--format", "{{.Names}}"}
			for _, f := range strings.Fields(tt.filters) {
				args = append(args, "-f", f)
			}
			r := portWorld().berth(t, args...)
			if got := strings.Join(strings.Fields(r.out), " "); got != tt.want {
				t.Errorf("lists %q, want %q (stderr %q)", got, tt.want, r.err)
			}
			if tt.err == "" && r.err != "" || !strings.HasPrefix(r.err, "Error: "+tt.err) && tt.err != "" {
				t.Errorf("stderr %q, want %q", r.err, tt.err)
			}
		})
	}
}

// TestPsFormats holds what the forms of --format print.
func TestPsFormats(t *testing.T) {
	for _, tt := range []struct{ name, format, want string }{
		{"functions", `{{upper .Names}} {{title .State}} {{truncate .Image 3}} {{pad .Names 1 2}}| {{join (split .Names "e") "-"}} {{json .Names}} {{lower .Command}}`,
			"WEB Running chi  web  | w-b \"web\" \"sh -c 'sleep 1000; …\"\nDB Exited img  db  | db \"db\" \"sh -c 'sleep 1000; …\"\n"},
		{"title of letters beyond ascii", `{{title "émile hello-world"}}`, "Émile Hello-World\nÉmile Hello-World\n"},
		{"headings", `table {{upper .Names}}\t{{json .State}}\t{{truncate .Image 2}}\t{{.Label "com.example.some-key"}}`,
			"NAMES     STATE       IMAGE     some key\nWEB       \"running\"   ch        \nDB        \"exited\"    im        v\n"},
		{"ports", "{{.Ports}}", "53/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp\n\n"},
		{"label", `{{.Label "tier"}} {{.Labels}}`, "web tier=web\ndb com.example.some-key=v,tier=db\n"},
		{"mounts", "{{.Mounts}} {{.LocalVolumes}} {{.Networks}}", "/src 0 bridge\n/src 0 bridge\n"},
		{"status", "{{.State}}: {{.Status}}; {{.RunningFor}}{{.HealthStatus}}", "running: Up 2 hours; 3 hours ago\nexited: Exited (137) 5 seconds ago; 3 hours ago\n"},
		{"escapes", `{{.Names}}\t{{.State}}\n`, "web\trunning\n\ndb\texited\n\n"},
		{"literal", "x", "x\nx\n"},
		{"table alone", "table", "CONTAINER ID   IMAGE     COMMAND                  CREATED       STATUS                       PORTS                                                 NAMES\n" +
			"a1a1a1a1a1a1   child     \"sh -c 'sleep 1000; …\"   3 hours ago   Up 2 hours                   53/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp       web\n" +
			"b2b2b2b2b2b2   img       \"sh -c 'sleep 1000; …\"   3 hours ago   Exited (137) 5 seconds ago                                                         db\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := portWorld().berth(t, "ps", "-a", "--format", tt.format)
			if r.code != 0 || !sameColumns(r.out, tt.want) {
				t.Errorf("prints\n%q\nwant\n%q\n%s", r.out, tt.want, r.err)
			}
			w := portWorld()
			w.env["DOCKER_CONFIG"] = t.TempDir()
			setting, err := json.Marshal(map[string]string{"psFormat": tt.format})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(w.env["DOCKER_CONFIG"]+"/config.json", setting, 0o600); err != nil {
				t.Fatal(err)
			}
			if own := w.berth(t, "ps", "-a"); own.out != r.out {
				t.Errorf("psFormat prints %q, --format %q", own.out, r.out)
			}
			if plain := w.berth(t, "ps", "-a", "--format", "table {{.ID}}"); !strings.HasPrefix(plain.out, "CONTAINER ID\na1a1a1a1a1a1\n") {
				t.Errorf("--format does not win over psFormat: %q", plain.out)
			}
		})
	}
}

// sameColumns compares tables whatever their columns' widths.
func sameColumns(a, b string) bool {
	squeeze := func(s string) string {
		for strings.Contains(s, "    ") {
			s = strings.ReplaceAll(s, "    ", "   ")
		}
		return s
	}
	return squeeze(a) == squeeze(b)
}

func TestPsLimits(t *testing.T) {
	for args, want := range map[string]string{
		"-n 1": "web", "-n 2": "web db", "-n 0": "web", "-n -1": "web", "-l": "web", "": "web", "-a": "web db",
		"-l -f status=exited": "db", "-n 1 -f label=tier=db": "db", "-f exited=137": "", "-f status=exited": "db",
	} {
		r := portWorld().berth(t, append([]string{"ps", "--format", "{{.Names}}"}, strings.Fields(args)...)...)
		if got := strings.Join(strings.Fields(r.out), " "); got != want {
			t.Errorf("ps %s lists %q, want %q (%s)", args, got, want, r.err)
		}
	}
}

// TestPsSize holds that files are walked only for what asks for their size.
func TestPsSize(t *testing.T) {
	for args, want := range map[string]string{
		"--format {{.Size}}": "0B (virtual 0B)\n", "-s --format {{.Size}}": "0B (virtual 0B)\n",
	} {
		if r := portWorld().berth(t, append([]string{"ps"}, strings.Fields(args)...)...); r.out != want && r.out != "0B\n" {
			t.Errorf("ps %s prints %q", args, r.out)
		}
	}
	var row map[string]string
	if err := json.Unmarshal([]byte(portWorld().berth(t, "ps", "--format", "json").out), &row); err != nil || row["Size"] != "0B" || len(row) != 15 {
		t.Errorf("json gives %v, %v", row, err)
	}
	if r := portWorld().berth(t, "ps", "-s"); !strings.Contains(r.out, "SIZE\n") {
		t.Errorf("ps -s prints %q", r.out)
	}
}

func TestStatusText(t *testing.T) {
	now := time.Now()
	live := &container.Live{Started: now.Add(-70 * time.Minute)}
	ended := func(code *int) *container.Exit {
		return &container.Exit{Code: code, Finished: now.Add(-3 * time.Second)}
	}
	for _, tt := range []struct {
		view container.View
		want string
	}{
		{container.View{Status: container.Created}, "Created"},
		{container.View{Status: container.Running, Live: live}, "Up About an hour"},
		{container.View{Status: container.Paused, Live: live}, "Up About an hour (Paused)"},
		{container.View{Status: container.Exited, Exit: ended(to(137))}, "Exited (137) 3 seconds ago"},
		{container.View{Status: container.Exited, Exit: ended(nil)}, "Exited (unknown) 3 seconds ago"},
		{container.View{Status: container.Removing}, "Removal In Progress"},
		{container.View{Status: container.Dead}, "Dead"},
	} {
		tt.view.Config = &container.Config{}
		if got := statusText(&tt.view, now); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.view.Status, got, tt.want)
		}
	}
}

func TestPortsText(t *testing.T) {
	tcp := func(host, inside uint16) container.Port {
		return container.Port{HostIP: "0.0.0.0", HostPort: host, ContainerPort: inside, Protocol: "tcp"}
	}
	bare := func(inside uint16, protocol string) container.Port {
		return container.Port{ContainerPort: inside, Protocol: protocol}
	}
	for _, tt := range []struct {
		published, exposed []container.Port
		want               string
	}{
		{nil, nil, ""},
		{nil, []container.Port{bare(443, "tcp"), bare(80, "tcp")}, "80/tcp, 443/tcp"},
		{nil, []container.Port{bare(80, "tcp"), bare(81, "tcp"), bare(82, "tcp"), bare(90, "tcp")}, "80-82/tcp, 90/tcp"},
		{[]container.Port{tcp(80, 80), tcp(81, 81)}, []container.Port{bare(80, "tcp"), bare(80, "udp")}, "0.0.0.0:80-81->80-81/tcp, 80/udp"},
		{[]container.Port{tcp(8080, 80), tcp(81, 81)}, nil, "0.0.0.0:81->81/tcp, 0.0.0.0:8080->80/tcp"},
		{[]container.Port{{HostIP: "::1", HostPort: 80, ContainerPort: 80, Protocol: "sctp"}}, nil, "[::1]:80->80/sctp"},
		{[]container.Port{{HostPort: 9, ContainerPort: 80, Protocol: "tcp"}}, nil, "0.0.0.0:9->80/tcp"},
	} {
		if got := portsText(tt.published, tt.exposed); got != tt.want {
			t.Errorf("%v %v: %q, want %q", tt.published, tt.exposed, got, tt.want)
		}
	}
}

func TestPort(t *testing.T) {
	for _, tt := range []struct {
		program, args string
		code          int
		out, err      string
	}{
		{"berth", "port web", 0, "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n", ""},
		{"berth", "port web 80", 0, "0.0.0.0:8080\n[::]:8080\n", ""},
		{"berth", "container port web 80/tcp", 0, "0.0.0.0:8080\n[::]:8080\n", ""},
		{"berth", "port web 81/tcp", 1, "", "Error: No public port '81/tcp' published for web\n"},
		{"berth", "port web 53", 1, "", "Error: No public port '53' published for web\n"},
		{"berth", "port web x", 1, "", "Error: invalid port (x): strconv.ParseUint: parsing \"x\": invalid syntax\n"},
		{"berth", "port db", 0, "", ""},
		{"berth", "port nope", 1, "", "Error: No such container: nope\n"},
		{"docker", "port nope", 1, "", "Error response from daemon: No such container: nope\n"},
		{"docker", "port web 81/tcp", 1, "", "Error: No public port '81/tcp' published for web\n"},
	} {
		if r := portWorld().called(t, tt.program, strings.Fields(tt.args)...); (r != result{tt.code, tt.out, tt.err}) {
			t.Errorf("%s %s: got %+v", tt.program, tt.args, r)
		}
	}
}

// FuzzPsFilter: no filter ends the program, and what is refused says so.
func FuzzPsFilter(f *testing.F) {
	for _, seed := range []string{"name=web", "publish=1-2/udp", "expose=:", "status=", "=x", "label=a=b", "volume=/src", "exited=1e9", "id=["} {
		f.Add(seed)
	}
	w := portWorld()
	b := &backend{lookup: w, images: w.images}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseFilter(text)
		if err != nil {
			return
		}
		filters, err := parsePsFilters([]string{parsed}, b, w.views)
		if (err == nil) == (filters == nil) {
			t.Fatalf("%q: %v, %v", text, filters, err)
		}
		for _, v := range w.views {
			if err == nil {
				filters.match(v)
			}
		}
	})
}

// FuzzTemplate: no template ends the program or reaches what no field names.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"{{.ID}}", "table {{.Names}}", "{{truncate .Names -1}}", "{{pad .Names -3 9}}", "{{index .Labels 99}}", "{{range .}}{{end}}", `{{.Label "x"}}`, "{{json .}}"} {
		f.Add(seed)
	}
	w := portWorld()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "printf") || strings.Contains(text, "pad") {
			return // their widths can ask for any amount of memory
		}
		rows := []containerRow{{view: w.views[0], backend: &backend{lookup: w, images: w.images}}}
		_ = listing[containerRow]{headings: psHeadings(), columns: psColumns}.print(new(strings.Builder), text, rows)
	})
}
