package oci

import (
	"slices"
	"testing"
)

func TestClaims(t *testing.T) {
	tests := map[string]struct {
		args          []string
		mode          string
		want          bool
		program, name string
		rest          []string
	}{
		"runc":                      {args: []string{"/usr/sbin/runc", "list"}, want: true, program: "runc", name: "runc", rest: []string{"list"}},
		"crun":                      {args: []string{"crun", "list"}, want: true, program: "crun", name: "crun", rest: []string{"list"}},
		"berth-runc":                {args: []string{"/x/berth-runc"}, want: true, program: "berth-runc", name: "runc"},
		"berth oci":                 {args: []string{"berth", "oci", "list"}, want: true, program: "berth oci", name: "runc", rest: []string{"list"}},
		"berth under any name":      {args: []string{"./berth.new", "oci"}, want: true, program: "berth oci", name: "runc"},
		"berth":                     {args: []string{"berth", "run", "oci"}},
		"berth alone":               {args: []string{"berth"}},
		"docker has no such word":   {args: []string{"docker", "oci", "list"}},
		"no name at all":            {},
		"told to be the engine":     {args: []string{"runc", "ps"}, mode: "engine"},
		"engine, but oci by word":   {args: []string{"docker", "oci", "ps"}, mode: "engine", want: true, program: "berth oci", name: "runc", rest: []string{"ps"}},
		"told to be a runtime":      {args: []string{"berth", "ps"}, mode: "oci", want: true, program: "berth oci", name: "runc", rest: []string{"ps"}},
		"told so, docker":           {args: []string{"docker", "ps"}, mode: "oci", want: true, program: "berth oci", name: "runc", rest: []string{"ps"}},
		"told so, with the word":    {args: []string{"berth", "oci", "ps"}, mode: "oci", want: true, program: "berth oci", name: "runc", rest: []string{"ps"}},
		"another mode says nothing": {args: []string{"runc"}, mode: "other", want: true, program: "runc", name: "runc"},
		"names are whole":           {args: []string{"runc.real", "list"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			env := func(key string) (string, bool) { return tt.mode, key == modeEnv && tt.mode != "" }
			if got := Claims(tt.args, env); got != tt.want {
				t.Fatalf("claims is %t", got)
			}
			if !tt.want {
				return
			}
			program, versionName, rest := personality(tt.args)
			if program != tt.program || versionName != tt.name || !slices.Equal(rest, tt.rest) {
				t.Errorf("got %q, %q, %q", program, versionName, rest)
			}
		})
	}
}
