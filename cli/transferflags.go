package cli

import (
	"berth/cli/option"
	"berth/image"
)

// transferFlags are the flags that pull and push have in common.
type transferFlags struct {
	registry   registryFlags
	all, quiet bool
	platform   string
	warn       []string
}

// options are all of them; what --all-tags and --platform mean differs.
func (f *transferFlags) options(all string, platform *option.Option) []*option.Option {
	return sortOptions(append(f.registry.options(),
		option.Switch(&f.all, "a,all-tags", all),
		contentTrust(&f.warn),
		platform,
		option.Switch(&f.quiet, "q,quiet", "Suppress verbose output"),
	))
}

// begin is what comes before either, once the reference is known to be one.
func (f *transferFlags) begin(s *session) (*backend, image.Platform, error) {
	platform, err := parsePlatform(f.platform)
	if err != nil {
		return nil, platform, err
	}
	for _, text := range f.warn {
		s.warn(text)
	}
	b, err := s.open()
	return b, platform, err
}
