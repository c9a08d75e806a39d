package image

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

func richImage() Image {
	return Image{
		ID: "sha256:1", Manifest: "sha256:2", Ref: "docker.io/library/x:latest", Digest: "sha256:4", Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		OS: "linux", Architecture: "arm", Variant: "v7", Size: 1 << 40, Box: "sha256:3", Layers: []string{"/l/aa", "/l/bb"},
		Config: Config{
			User: "1:2", WorkingDir: "/w \"q\"\n", StopSignal: "SIGINT", ArgsEscaped: true, Env: []string{"A=\x00\xff", "B=ü"},
			Entrypoint: []string{""}, Cmd: []string{"a b", "end"}, Shell: []string{"s"}, OnBuild: []string{"RUN \\"},
			ExposedPorts: map[string]struct{}{"1/tcp": {}}, Volumes: map[string]struct{}{"/v": {}, "": {}}, Labels: map[string]string{"k": "v\nend\n", "": ""},
			Healthcheck: &Healthcheck{Test: []string{"CMD", "x"}, Interval: 1, Timeout: 2, StartPeriod: 3, StartInterval: 4, Retries: 5},
		},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	at := stamp{1, 2, 3, 4}
	for _, img := range []Image{richImage(), {ID: "sha256:1"}} {
		b := encodeRecord(img, at)
		got, err := decodeRecord(b, at, "/l")
		if err != nil || !reflect.DeepEqual(got, img) {
			t.Errorf("got %+v, %v\nwant %+v\n%s", got, err, img, b)
		}
	}
}

// TestRecordKeepsEveryField fails when Config grows a field that records forget.
func TestRecordKeepsEveryField(t *testing.T) {
	img := reflect.ValueOf(richImage())
	for _, v := range []reflect.Value{img, img.FieldByName("Config"), img.FieldByName("Config").FieldByName("Healthcheck").Elem()} {
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Err" {
				t.Errorf("%s.%s is zero in the round-trip test", v.Type(), name)
			}
		}
	}
}

func TestDamagedRecords(t *testing.T) {
	at := stamp{1, 2, 3, 4}
	b := encodeRecord(richImage(), at)
	for cut := range b {
		if _, err := decodeRecord(b[:cut], at, "/l"); err == nil {
			t.Errorf("cut at %d: accepted", cut)
		}
	}
	for name, bad := range map[string][]byte{
		"version":   bytes.Replace(b, []byte("image-2"), []byte("image-1"), 1),
		"keyword":   bytes.Replace(b, []byte("\ncmd "), []byte("\ncmx "), 1),
		"number":    bytes.Replace(b, []byte("size \""), []byte("size \"x"), 1),
		"no values": bytes.Replace(b, []byte("user \"1:2\""), []byte("user"), 1),
	} {
		if _, err := decodeRecord(bad, at, "/l"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := decodeRecord(b, stamp{1, 2, 3, 5}, "/l"); err == nil {
		t.Error("another index: accepted")
	}
}

func FuzzDecodeRecord(f *testing.F) {
	at := stamp{1, 2, 3, 4}
	f.Add(encodeRecord(richImage(), at))
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := decodeRecord(b, at, "/l")
		if err != nil {
			return
		}
		again, err := decodeRecord(encodeRecord(img, at), at, "/l")
		if err != nil || again.ID != img.ID || !reflect.DeepEqual(again.Config, img.Config) {
			t.Errorf("%q: %+v, then %+v, %v", b, img, again, err)
		}
	})
}
