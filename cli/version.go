package cli

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"berth/cli/option"
	"berth/cli/status"
)

// versionRow is what version shows; the names are docker's.
type versionRow struct {
	Version, GoVersion, Os, Arch, KernelVersion string
}

func versionCommand() *command {
	return &command{
		name: "version", category: categoryOther, args: "[OPTIONS]", short: "Show the version information",
		about: "Version prints the version of berth, of the Go it was built with, and of the running kernel.",
		mixed: true,
		examples: []example{
			{"The version alone.", "berth version --format '{{.Version}}'"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var format string
			return []*option.Option{option.Text(&format, "f,format", "string", "Format output: json or a Go template")},
				func(context.Context, []string) error { return s.printVersion(format) }
		},
	}
}

// versionLine is the answer to --version.
func (s *session) versionLine() string {
	if s.program == "docker" {
		// The number is what clients compare; the build tells who answers.
		return "Docker version 28.5.0, build berth-" + s.version
	}
	return "berth version " + s.version
}

func (s *session) printVersion(format string) error {
	v := versionRow{Version: s.version, GoVersion: runtime.Version(), Os: runtime.GOOS, Arch: runtime.GOARCH, KernelVersion: kernelRelease()}
	switch format {
	case "":
		var b strings.Builder
		for _, line := range [][2]string{
			{"Version", v.Version}, {"Go version", v.GoVersion}, {"OS/Arch", v.Os + "/" + v.Arch}, {"Kernel", v.KernelVersion},
		} {
			fmt.Fprintf(&b, " %-13s %s\n", line[0]+":", line[1])
		}
		_, err := fmt.Fprintf(s.out, "berth\n%s", b.String())
		return err
	case "json":
		return jsonLines(s.out, []versionRow{v})
	}
	t, err := newTemplate(format)
	if err != nil {
		return &status.Error{Code: exitTemplate, Err: fmt.Errorf("template parsing error: %w", err)}
	}
	return each(s.out, t, []versionRow{v})
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
