package cgroup

import "slices"

// IsFrozen tells whether the container whose groups lie in dirs was told to
// stand still. It is [Manager.Frozen] for listings: one file is read where v2
// is mounted, and the host is not looked at. Groups that are gone, or that no
// freezer knows, are not frozen.
func IsFrozen(dirs []string) bool {
	for _, file := range [...]string{"/cgroup.freeze", "/freezer.state"} {
		for _, dir := range dirs {
			words, err := readWords(dir + file)
			if err == nil {
				return !slices.Equal(words, []string{"0"}) && !slices.Equal(words, []string{"THAWED"})
			}
		}
	}
	return false
}
