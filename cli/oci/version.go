package oci

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// printVersion answers in runc's shape. go-runc and dockerd read the lines by
// what they begin with; a line that is not true is left out, so there is none on
// libseccomp. The number stands without the v of a tag: callers compare it.
func (s *session) printVersion() error {
	_, err := fmt.Fprintf(s.out, "%s version %s\ncommit: %s\nspec: %s\ngo: %s\n",
		s.versionName, strings.TrimPrefix(s.version, "v"), s.version, specs.Version, runtime.Version())
	return err
}
