package image

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// hostPlatform is the machine's own.
func hostPlatform() Platform {
	return Platform{OS: "linux", Architecture: runtime.GOARCH}.normal()
}

// String returns the platform as docker writes it: linux/arm64/v8.
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// normal returns the one spelling of a platform for which there are several: some
// variants are what an architecture is without one.
func (p Platform) normal() Platform {
	p.OS, p.Variant = strings.ToLower(p.OS), strings.ToLower(p.Variant)
	p.Architecture = architecture(strings.ToLower(p.Architecture))
	switch p.Architecture {
	case "i386", "i486", "i586", "i686":
		p.Architecture, p.Variant = "386", ""
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	}
	switch p.Architecture + "/" + p.Variant {
	case "amd64/v1", "arm64/v8", "arm64/8":
		p.Variant = ""
	case "arm/", "arm/7":
		p.Variant = "v7"
	case "arm/5", "arm/6", "arm/8":
		p.Variant = "v" + p.Variant
	}
	return p
}

// runs lists what a machine of this platform runs, best first: its own variant,
// the older ones, and the 32-bit architecture below a 64-bit one.
func (p Platform) runs() []Platform {
	p = p.normal()
	list := []Platform{{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}}
	older := func(arch string, from, to int) {
		for v := from; v >= to; v-- {
			list = append(list, Platform{OS: p.OS, Architecture: arch, Variant: "v" + strconv.Itoa(v)}.normal())
		}
	}
	level, _ := strconv.Atoi(strings.TrimPrefix(p.Variant, "v"))
	switch p.Architecture {
	case "amd64":
		older("amd64", level-1, 1)
		list = append(list, Platform{OS: p.OS, Architecture: "386"})
	case "arm64":
		if level > 8 {
			older("arm64", level-1, 8)
		}
		older("arm", 8, 5)
	case "arm":
		older("arm", level-1, 5)
	}
	return list
}

// bestFor returns the manifest of an index that suits a platform best. Those that
// do not say what they are for come last: what they are is in their config.
func (x Index) bestFor(p Platform) (Descriptor, error) {
	for _, want := range p.runs() {
		i := slices.IndexFunc(x.Manifests, func(m Descriptor) bool {
			if m.Platform == nil {
				return false
			}
			have := m.Platform.normal()
			return have.OS == want.OS && have.Architecture == want.Architecture && have.Variant == want.Variant
		})
		if i >= 0 {
			return x.Manifests[i], nil
		}
	}
	i := slices.IndexFunc(x.Manifests, func(m Descriptor) bool { return m.Platform == nil && m.ArtifactType == "" })
	if i >= 0 {
		return x.Manifests[i], nil
	}
	return Descriptor{}, fmt.Errorf("no matching manifest for %s in the manifest list entries", p)
}

// suits tells whether an image with this config runs on a machine of platform p. A
// config that names no architecture is believed to.
func (c ImageConfig) suits(p Platform) bool {
	if c.Architecture == "" {
		return true
	}
	have := c.platform().normal()
	return slices.ContainsFunc(p.runs(), func(want Platform) bool {
		return have.OS == want.OS && have.Architecture == want.Architecture && have.Variant == want.Variant
	})
}

func (c ImageConfig) platform() Platform {
	p := Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
	if p.OS == "" {
		p.OS = "linux"
	}
	return p
}
