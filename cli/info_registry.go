package cli

import (
	"fmt"
	"strings"

	"berth/registry/hosts"
)

// hubName is what docker calls the registry of names without a host.
const hubName = "docker.io"

// registryConfig is docker's RegistryConfig of info.
type registryConfig struct {
	InsecureRegistryCIDRs []string
	IndexConfigs          map[string]indexConfig
	Mirrors               []string
}

// indexConfig is one registry of which the files say something.
type indexConfig struct {
	Name             string
	Mirrors          []string
	Secure, Official bool
}

// registries tells what is configured of registries. Files that cannot be read
// are worth a warning here: it is pulls that they stand in the way of.
func (s *session) registries(info *information) {
	found, err := hosts.New(hosts.Options{LookupEnv: s.userEnv}).Summary()
	if err != nil {
		info.Warnings = append(info.Warnings, "WARNING: "+plain(err.Error()))
	}
	mirrors := append([]string{}, found.HubMirrors...)
	c := &registryConfig{InsecureRegistryCIDRs: found.Ranges, Mirrors: mirrors, IndexConfigs: map[string]indexConfig{
		hubName: {Name: hubName, Mirrors: mirrors, Secure: true, Official: true},
	}}
	for _, name := range found.Insecure {
		c.IndexConfigs[name] = indexConfig{Name: name, Mirrors: []string{}, Official: name == hubName}
	}
	info.RegistryConfig = c
	info.insecure = found.Insecure
}

// writeRegistries writes docker's lines about registries.
func (i *information) writeRegistries(b *strings.Builder) {
	list := func(title string, lines ...string) {
		if len(lines) > 0 {
			fmt.Fprintf(b, " %s:\n", title)
		}
		for _, line := range lines {
			fmt.Fprintf(b, "  %s\n", plain(line))
		}
	}
	list("Insecure Registries", append(i.insecure, i.RegistryConfig.InsecureRegistryCIDRs...)...)
	list("Registry Mirrors", i.RegistryConfig.Mirrors...)
}
