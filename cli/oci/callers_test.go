package oci

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"berth/bundle"
)

// TestCallersUnderstand runs errors through the command line and then through
// what callers do with the text: each row names the caller and how it searches.
func TestCallersUnderstand(t *testing.T) {
	contains := func(words ...string) func(string) bool {
		return func(text string) bool {
			for _, w := range words {
				if strings.Contains(strings.ToLower(text), strings.ToLower(w)) {
					return true
				}
			}
			return false
		}
	}
	// What the plan of a container says of a program, after its own words.
	program := func(cause string) error { return fmt.Errorf("exec: %q: %s", "/bin/nope", cause) }
	tests := map[string]struct {
		args string
		err  error
		heed func(string) bool
	}{
		"containerd's shim: kill, already gone": {"kill id 9", bundle.ErrNotRunning,
			contains("os: process already finished", "container not running", "no such process")},
		"containerd's shim: kill, unknown":  {"kill id 9", bundle.ErrNotExist, contains("does not exist")},
		"podman: state, unknown":            {"state id", bundle.ErrNotExist, contains("does not exist", "No such file")},
		"podman: create, program missing":   {"create id", program("executable file not found in $PATH"), regexp.MustCompile("(?i).*executable file not found in.*|.*no such file or directory.*").MatchString},
		"podman: create, not executable":    {"create id", program("permission denied"), regexp.MustCompile("(?i).*permission denied.*|.*operation not permitted.*").MatchString},
		"dockerd: start, program missing":   {"create id", program("executable file not found in $PATH"), contains("executable file not found", "no such file or directory")},
		"dockerd: start, not executable":    {"create id", program("permission denied"), contains("permission denied")},
		"dockerd: exec, program missing":    {"exec -d id /bin/nope", program("executable file not found in $PATH"), contains("executable file not found")},
		"nomad: create, id taken":           {"create id", bundle.ErrExists, contains("container with given ID already exists", "container with id exists")},
		"kubelet by CRI-O: update, unknown": {"update --memory 5m id", bundle.ErrNotExist, contains("does not exist")},
		"an id that is a path":              {"state ../x", bundle.ErrInvalidID, contains("invalid container ID format")},
		"exec of a stopped container":       {"exec id true", fmt.Errorf("cannot exec in a stopped container: %w", bundle.ErrNotRunning), contains("container not running")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := exampled()
			f.err = tt.err
			o := f.command(t, "", append([]string{"runc"}, strings.Fields(tt.args)...)...)
			if o.code == 0 || !tt.heed(o.stderr) || o.stdout != "" {
				t.Errorf("code %d, stdout %q, stderr %q", o.code, o.stdout, o.stderr)
			}
		})
	}
}
