package bundle

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// fill sets every field of a value, as deep as types go.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth-1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth-1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth-1)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth-1)
		fill(value, depth-1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	}
}

// TestDecodeSpec: every field of the specification arrives as it does without
// the detour; only what other platforms have is left out.
func TestDecodeSpec(t *testing.T) {
	var full specs.Spec
	fill(reflect.ValueOf(&full).Elem(), 12)
	full.FreeBSD, full.Solaris, full.VM, full.Windows, full.ZOS = nil, nil, nil, nil, nil
	text, err := json.Marshal(&full)
	if err != nil {
		t.Fatal(err)
	}
	var want specs.Spec
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	got, err := decodeSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
	if got.Linux == nil || got.Linux.Seccomp == nil || got.Hooks == nil || len(got.Linux.Devices) != 1 {
		t.Errorf("fields are missing: %s", text)
	}
}

func TestDecodeSpecRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "unexpected end",
		"{":                              "unexpected end",
		"[]":                             "array",
		`{"process": 1}`:                 "process",
		`{"linux": {"resources": []}}`:   "linux.resources",
		`{"hooks": {"poststop": {}}}`:    "hooks",
		`{"linux": {"seccomp": "deny"}}`: "linux.seccomp",
		`{} {}`:                          "after top-level value",
	} {
		if _, err := decodeSpec([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
