package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"berth/cli/option"
)

// What berth is compatible with: numbers that docker's clients compare.
const (
	dockerVersion    = "28.5.0"
	dockerAPI        = "1.51"
	dockerMinimumAPI = "1.44"
)

// versions is what version shows; the names are docker's.
type versions struct {
	Client clientVersion
	Server serverVersion
	// The rest is for templates that are about berth alone.
	Version       string `json:"-"`
	GoVersion     string `json:"-"`
	Os            string `json:"-"`
	Arch          string `json:"-"`
	KernelVersion string `json:"-"`
}

type clientVersion struct {
	Version           string
	APIVersion        string `json:"ApiVersion"`
	DefaultAPIVersion string
	GitCommit         string
	GoVersion         string
	Os, Arch          string
	BuildTime         string `json:",omitempty"`
	Context           string
}

type serverVersion struct {
	Platform      struct{ Name string }
	Components    []component
	Version       string
	APIVersion    string `json:"ApiVersion"`
	MinAPIVersion string
	GitCommit     string
	GoVersion     string
	Os, Arch      string
	KernelVersion string
	Experimental  bool
	BuildTime     string `json:",omitempty"`
}

type component struct {
	Name, Version string
	Details       map[string]string
}

func versionCommand() *command {
	return &command{
		name: "version", category: categoryOther, args: "[OPTIONS]", short: "Show the version information",
		about: "Version prints the version of berth, of the Go it was built with, and of the running kernel. Templates have docker's fields: .Client.Version, .Server.Version and the others.",
		mixed: true,
		examples: []example{
			{"The version alone.", "berth version --format '{{.Version}}'"},
			{"What docker's clients ask for.", "berth version --format '{{.Server.Version}}'"},
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
		return "Docker version " + dockerVersion + ", build " + s.build()
	}
	return "berth version " + s.version
}

// build is docker's word for the commit that a program was made from.
func (s *session) build() string { return "berth-" + s.version }

// numbered is the version that templates and docker's layout show.
func (s *session) numbered() string {
	if s.program == "docker" {
		return dockerVersion
	}
	return s.version
}

func (s *session) versions() versions {
	v := versions{
		Version: s.version, GoVersion: runtime.Version(), Os: runtime.GOOS, Arch: runtime.GOARCH, KernelVersion: kernelRelease(),
	}
	v.Client = clientVersion{
		Version: s.numbered(), APIVersion: dockerAPI, DefaultAPIVersion: dockerAPI, GitCommit: s.build(),
		GoVersion: v.GoVersion, Os: v.Os, Arch: v.Arch, Context: "default",
	}
	v.Server = serverVersion{
		Version: s.numbered(), APIVersion: dockerAPI, MinAPIVersion: dockerMinimumAPI, GitCommit: s.build(),
		GoVersion: v.GoVersion, Os: v.Os, Arch: v.Arch, KernelVersion: v.KernelVersion,
	}
	v.Server.Platform.Name = "berth"
	v.Server.Components = []component{
		{"Engine", s.numbered(), map[string]string{
			"ApiVersion": dockerAPI, "Arch": v.Arch, "BuildTime": "", "Experimental": "false", "GitCommit": s.build(),
			"GoVersion": v.GoVersion, "KernelVersion": v.KernelVersion, "MinAPIVersion": dockerMinimumAPI, "Os": v.Os,
		}},
		{"berth", s.version, map[string]string{"GitCommit": s.build()}},
	}
	return v
}

func (s *session) printVersion(format string) error {
	v := s.versions()
	switch {
	case format == "json":
		return jsonLines(s.out, []versions{v})
	case format != "":
		return printObject(s.out, format, v)
	case s.program == "docker":
		return printDockerVersion(s.out, v)
	}
	return printPairs(s.out, "berth", " ", [][2]string{
		{"Version", v.Version}, {"Go version", v.GoVersion}, {"OS/Arch", v.Os + "/" + v.Arch}, {"Kernel", v.KernelVersion},
	}, 14)
}

// printObject prints one object by a template.
func printObject(out io.Writer, format string, object any) error {
	i, err := newInspector(format)
	if err != nil {
		return err
	}
	if err := i.add(object); err != nil {
		return err
	}
	return i.flush(out)
}

// printDockerVersion has docker's two parts, which here are one program.
func printDockerVersion(out io.Writer, v versions) error {
	c, e := v.Client, v.Server
	if err := printPairs(out, "Client:", " ", [][2]string{
		{"Version", c.Version}, {"API version", c.APIVersion}, {"Go version", c.GoVersion}, {"Git commit", c.GitCommit},
		{"OS/Arch", c.Os + "/" + c.Arch}, {"Context", c.Context},
	}, 19); err != nil {
		return err
	}
	if err := printPairs(out, "\nServer: "+e.Platform.Name+"\n Engine:", "  ", [][2]string{
		{"Version", e.Version}, {"API version", e.APIVersion + " (minimum version " + e.MinAPIVersion + ")"}, {"Go version", e.GoVersion},
		{"Git commit", e.GitCommit}, {"OS/Arch", e.Os + "/" + e.Arch}, {"Experimental", "false"},
	}, 18); err != nil {
		return err
	}
	return printPairs(out, " berth:", "  ", [][2]string{{"Version", v.Version}, {"GitCommit", e.GitCommit}}, 18)
}

// printPairs prints a heading and lines of names and values below it.
func printPairs(out io.Writer, heading, indent string, pairs [][2]string, width int) error {
	var b strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&b, "%s%-*s%s\n", indent, width, p[0]+":", p[1])
	}
	_, err := fmt.Fprintf(out, "%s\n%s", heading, b.String())
	return err
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
