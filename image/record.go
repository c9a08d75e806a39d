package image

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A record is Resolve's answer to one query: lines of a keyword and one quoted
// value (two for labels), in any order, between a first line with version and
// stamp and a last line "end", without which the file was cut. It is not JSON
// because decoding JSON in a fresh process costs a millisecond of type
// reflection; berth has three for a whole container.
const recordVersion = "berth-image-2"

func encodeRecord(img Image, at stamp) []byte {
	b := append([]byte(recordVersion), at.String()...)
	b = append(b, '\n')
	line := func(key string, values ...string) {
		b = append(b, key...)
		for _, v := range values {
			b = strconv.AppendQuote(append(b, ' '), v)
		}
		b = append(b, '\n')
	}
	list := func(key string, values []string) {
		for _, v := range values {
			line(key, v)
		}
	}
	c := img.Config
	line("id", string(img.ID))
	line("manifest", string(img.Manifest))
	line("ref", img.Ref)
	line("digest", string(img.Digest))
	line("created", img.Created.Format(time.RFC3339Nano))
	line("platform", img.OS, img.Architecture, img.Variant)
	line("size", strconv.FormatInt(img.Size, 10))
	line("box", string(img.Box))
	for _, l := range img.Layers {
		line("layer", filepath.Base(l))
	}
	line("user", c.User)
	line("workdir", c.WorkingDir)
	line("stopsignal", c.StopSignal)
	line("argsescaped", strconv.FormatBool(c.ArgsEscaped))
	list("env", c.Env)
	list("entrypoint", c.Entrypoint)
	list("cmd", c.Cmd)
	list("shell", c.Shell)
	list("onbuild", c.OnBuild)
	list("port", slices.Sorted(maps.Keys(c.ExposedPorts)))
	list("volume", slices.Sorted(maps.Keys(c.Volumes)))
	for _, k := range slices.Sorted(maps.Keys(c.Labels)) {
		line("label", k, c.Labels[k])
	}
	if h := c.Healthcheck; h != nil {
		line("health", strconv.FormatInt(int64(h.Interval), 10), strconv.FormatInt(int64(h.Timeout), 10),
			strconv.FormatInt(int64(h.StartPeriod), 10), strconv.FormatInt(int64(h.StartInterval), 10), strconv.Itoa(h.Retries))
		list("healthtest", h.Test)
	}
	return append(b, "end\n"...)
}

func (at stamp) String() string {
	return fmt.Sprintf(" %d %d %d %d", at.dev, at.ino, at.size, at.mtime)
}

// decodeRecord refuses a record of another index than at, of another version, or
// damaged. layerDir is where the layers lie.
func decodeRecord(b []byte, at stamp, layerDir string) (Image, error) {
	text, complete := strings.CutSuffix(string(b), "\nend\n")
	first, rest, _ := strings.Cut(text, "\n")
	if !complete || first != recordVersion+at.String() {
		return Image{}, fmt.Errorf("image record: %w: out of date", ErrCorrupt)
	}
	img := Image{}
	d := recordDecoder{img: &img, layerDir: layerDir}
	for l := range strings.SplitSeq(rest, "\n") {
		key, values, _ := strings.Cut(l, " ")
		d.values = values
		d.line(key)
		if d.err != nil {
			return Image{}, fmt.Errorf("image record: line %q: %w", l, d.err)
		}
	}
	if img.ID == "" {
		return Image{}, fmt.Errorf("image record: %w: no id", ErrCorrupt)
	}
	return img, nil
}

// recordDecoder consumes the values of one line at a time; the first error stays.
type recordDecoder struct {
	img      *Image
	layerDir string
	values   string
	err      error
}

func (d *recordDecoder) text() string {
	quoted, err := strconv.QuotedPrefix(d.values)
	if err == nil {
		var v string
		if v, err = strconv.Unquote(quoted); err == nil {
			d.values = strings.TrimPrefix(d.values[len(quoted):], " ")
			return v
		}
	}
	d.fail(err)
	return ""
}

func (d *recordDecoder) number() int64 {
	n, err := strconv.ParseInt(d.text(), 10, 64)
	d.fail(err)
	return n
}

func (d *recordDecoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *recordDecoder) line(key string) {
	if list := d.list(key); list != nil {
		*list = append(*list, d.text())
		return
	}
	if digest := d.digest(key); digest != nil {
		*digest = Digest(d.text())
		return
	}
	img, c := d.img, &d.img.Config
	var err error
	switch key {
	case "ref":
		img.Ref = d.text()
	case "created":
		img.Created, err = time.Parse(time.RFC3339Nano, d.text())
	case "platform":
		img.OS, img.Architecture, img.Variant = d.text(), d.text(), d.text()
	case "size":
		img.Size = d.number()
	case "layer":
		img.Layers = append(img.Layers, d.layerDir+"/"+d.text())
	case "user":
		c.User = d.text()
	case "workdir":
		c.WorkingDir = d.text()
	case "stopsignal":
		c.StopSignal = d.text()
	case "argsescaped":
		c.ArgsEscaped, err = strconv.ParseBool(d.text())
	default:
		d.mapLine(key)
	}
	d.fail(err)
}

// digest returns the digest that a keyword sets, nil for every other keyword.
func (d *recordDecoder) digest(key string) *Digest {
	switch key {
	case "id":
		return &d.img.ID
	case "manifest":
		return &d.img.Manifest
	case "digest":
		return &d.img.Digest
	case "box":
		return &d.img.Box
	}
	return nil
}

// list returns the list that a keyword fills, nil for every other keyword.
func (d *recordDecoder) list(key string) *[]string {
	c := &d.img.Config
	switch key {
	case "env":
		return &c.Env
	case "entrypoint":
		return &c.Entrypoint
	case "cmd":
		return &c.Cmd
	case "shell":
		return &c.Shell
	case "onbuild":
		return &c.OnBuild
	case "healthtest":
		if c.Healthcheck != nil {
			return &c.Healthcheck.Test
		}
	}
	return nil
}

func (d *recordDecoder) mapLine(key string) {
	c := &d.img.Config
	switch key {
	case "port":
		add(&c.ExposedPorts, d.text(), struct{}{})
	case "volume":
		add(&c.Volumes, d.text(), struct{}{})
	case "label":
		k := d.text()
		add(&c.Labels, k, d.text())
	case "health":
		c.Healthcheck = &Healthcheck{
			Interval: time.Duration(d.number()), Timeout: time.Duration(d.number()),
			StartPeriod: time.Duration(d.number()), StartInterval: time.Duration(d.number()), Retries: int(d.number()),
		}
	default:
		d.fail(fmt.Errorf("%w: unknown keyword %q", ErrCorrupt, key))
	}
}

// add puts a key into a map that is made on first use.
func add[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}
