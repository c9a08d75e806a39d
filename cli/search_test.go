package cli

import (
	"errors"
	"strings"
	"testing"

	"berth/registry"
)

func TestSearch(t *testing.T) {
	long := strings.Repeat("long ", 12)
	for _, tt := range []struct{ args, asked, out string }{
		{"search nginx", "docker.io nginx 25", "" +
			"NAME      DESCRIPTION                                     STARS     OFFICIAL\n" +
			"nginx     Official build                                  20000     [OK]\n" +
			"a/nginx   " + long[:44] + "…   3         \n"},
		{"search --no-trunc --limit 5 a/nginx", "docker.io a/nginx 5", "" +
			"NAME      DESCRIPTION                                                    STARS     OFFICIAL\n" +
			"nginx     Official build                                                 20000     [OK]\n" +
			"a/nginx   " + long + "   3         \n"},
		{"search -f stars=4 --format {{.Name}} localhost:5000/x/y", "localhost:5000 x/y 25", "nginx\n"},
		{"search -f is-official=false --format {{.Name}}:{{.IsAutomated}} index.docker.io/x", "docker.io x 25", "a/nginx:[OK]\n"},
		// All that a registry has, as with podman.
		{"search --format {{.Name}} -f stars=4 localhost:5000/", "localhost:5000  25", "nginx\n"},
		{"search -f is-official=true -f stars=50000 --format {{.Name}} r.io/x", "r.io x 25", ""},
		{"search -f is-automated=1 --format json x", "docker.io x 25", `{"Description":"` + long[:44] + `…","IsAutomated":"true","IsOfficial":"false","Name":"a/nginx","StarCount":"3"}` + "\n"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			w := newWorld()
			w.remote.found = []registry.SearchResult{
				{Name: "nginx", Description: "Official build", Stars: 20000, Official: true},
				{Name: "a/nginx", Description: long, Stars: 3, Automated: true},
			}
			r := w.berth(t, strings.Fields(tt.args)...)
			prints(t, "stdout", r.out, tt.out)
			if got := strings.Join(w.remote.searched, ","); got != tt.asked || r.code != 0 || r.err != "" || w.remote.closed != 1 {
				t.Errorf("status %d, stderr %q, searched for %q, want %q", r.code, r.err, got, tt.asked)
			}
		})
	}
}

func TestSearchRefused(t *testing.T) {
	for args, text := range map[string]string{
		"search --limit 101 x":        "limit 101 is outside the range of [1, 100]",
		"search --limit -1 x":         "limit -1 is outside the range of [1, 100]",
		"search --limit x x":          `invalid argument "x" for "--limit" flag`,
		"search -f color=red x":       "invalid filter 'color'",
		"search -f stars=many x":      "invalid filter 'stars=many'",
		"search -f is-official=may x": "invalid filter 'is-official=may'",
		"search https://r.io/x":       "invalid repository name: repository name (https://r.io/x) should not have a scheme",
		"search":                      "'berth search' requires 1 argument",
		"search r.io/x":               "search r.io: this registry offers neither",
	} {
		w := newWorld()
		w.remote.err = errors.New("search r.io: this registry offers neither")
		if r := w.berth(t, strings.Fields(args)...); r.code == 0 || !strings.HasPrefix(r.err, "Error: "+text) || r.out != "" {
			t.Errorf("%s: status %d, stderr %q", args, r.code, r.err)
		}
	}
}
