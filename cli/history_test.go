package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"berth/image"
)

// Tag gives the image one more name.
func (f fakeImages) Tag(_ context.Context, source, target string) error {
	img, err := f.Resolve(source)
	if err != nil {
		return err
	}
	ref, err := image.ParseReference(target)
	if err != nil {
		return err
	}
	img.Ref = ref.String()
	f.list[target] = img
	return nil
}

func TestTag(t *testing.T) {
	w := newWorld()
	for _, tt := range []struct{ args, want string }{
		{"tag img new:1", ""},
		{"image tag img registry.example.com:5000/new:2", ""},
		{"tag nope x", "Error: No such image: nope:latest\n"},
		{"tag img UP", "Error: Error parsing reference: \"UP\" is not a valid repository/tag: invalid reference format: repository name (library/UP) must be lowercase\n"},
		{"tag img x@sha256:" + strings.Repeat("a", 64), "Error: refusing to create a tag with a digest reference\n"},
		{"tag img", "Error: 'berth tag' requires 2 arguments\n\nUsage:  berth tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]\n\nRun 'berth tag --help' for more information\n"},
	} {
		if r := w.berth(t, strings.Fields(tt.args)...); r.out+r.err != tt.want || (r.code == 0) != (tt.want == "") {
			t.Errorf("%s: status %d, %q, want %q", tt.args, r.code, r.out+r.err, tt.want)
		}
	}
	if _, ok := w.images.list["new:1"]; !ok {
		t.Errorf("not tagged: %v", w.images.list)
	}
}

// made is an image of four steps, two of which left layers.
func made(now time.Time) image.Details {
	at := func(ago time.Duration) *time.Time { t := now.Add(-ago); return &t }
	d := image.Details{LayerSizes: []int64{1234567, 89}}
	d.ID = image.Digest("sha256:" + strings.Repeat("ab", 32))
	d.Config.History = []image.History{
		{Created: at(48 * time.Hour), CreatedBy: "ADD rootfs.tar.gz / # a command\tthat is longer than a table is wide"},
		{Created: at(2 * time.Hour), CreatedBy: "ENV A=1", EmptyLayer: true, Comment: "buildkit"},
		{CreatedBy: "RUN x"},
		{Created: at(time.Minute), CreatedBy: "CMD y", EmptyLayer: true},
	}
	return d
}

func TestHistoryRows(t *testing.T) {
	now := time.Now()
	id := strings.Repeat("ab", 32)
	for _, tt := range []struct {
		flags historyFlags
		want  []string
	}{
		{historyFlags{human: true}, []string{
			id[:12] + "|About a minute ago|CMD y|0B|",
			"<missing>|N/A|RUN x|89B|",
			"<missing>|2 hours ago|ENV A=1|0B|buildkit",
			"<missing>|2 days ago|ADD rootfs.tar.gz / # a command that is long…|1.23MB|",
		}},
		{historyFlags{noTrunc: true}, []string{
			"sha256:" + id + "|" + now.Add(-time.Minute).Format(time.RFC3339) + "|CMD y|0|",
			"<missing>|N/A|RUN x|89|",
			"<missing>|" + now.Add(-2*time.Hour).Format(time.RFC3339) + "|ENV A=1|0|buildkit",
			"<missing>|" + now.Add(-48*time.Hour).Format(time.RFC3339) + "|ADD rootfs.tar.gz / # a command that is longer than a table is wide|1234567|",
		}},
	} {
		rows := tt.flags.rows(made(now), now)
		if len(rows) != len(tt.want) {
			t.Fatalf("%d rows", len(rows))
		}
		for i, r := range rows {
			if got := strings.Join([]string{r.ID, r.CreatedSince, r.CreatedBy, r.Size, r.Comment}, "|"); got != tt.want[i] {
				t.Errorf("row %d is %q, want %q", i, got, tt.want[i])
			}
		}
	}
}

func TestHistory(t *testing.T) {
	w := newWorld()
	img := w.images.list["img"]
	w.images.details = made(time.Now())
	w.images.details.Image = img
	for args, want := range map[string]string{
		"history -q img":                                         strings.Repeat("a", 12) + "\n<missing>\n<missing>\n<missing>\n",
		"image history --format {{.Size}} img":                   "0B\n89B\n0B\n1.23MB\n",
		"history -H=false --format {{.Size}} img":                "0\n89\n0\n1234567\n",
		"history --format {{.Comment}} --platform linux img":     "\n\nbuildkit\n\n",
		"history nope":                                           "Error: No such image: nope:latest\n",
		"history --platform linux/sparc img":                     "Error: image with reference img was found but does not provide the specified platform (linux/sparc)\n",
		"image inspect -f x --platform linux/sparc img":          "\nError: image with reference img was found but does not provide the specified platform (linux/sparc)\n",
		"image inspect -f {{.Architecture}} --platform / img":    "\nError: parse platform \"/\": invalid component \"\"\n",
		"image inspect -f {{.Os}} --platform " + img.OS + " img": "linux\n",
	} {
		if r := w.berth(t, strings.Fields(args)...); r.out+r.err != want {
			t.Errorf("%s: %q, want %q", args, r.out+r.err, want)
		}
	}
	if r := w.berth(t, "history", "img"); !strings.HasPrefix(r.out, "IMAGE          CREATED              CREATED BY ") {
		t.Errorf("the table is\n%s", r.out)
	}
	if r := w.berth(t, "history", "--format", "json", "img"); !strings.HasPrefix(r.out, `{"Comment":"","CreatedAt":"`) || strings.Count(r.out, "\n") != 4 {
		t.Errorf("json is\n%s", r.out)
	}
}
