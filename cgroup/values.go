package cgroup

import specs "github.com/opencontainers/runtime-spec/specs-go"

// Value is what a limit writes to a control file.
type Value struct {
	// V2 tells the versions' files apart; some have the same name.
	V2 bool
	// File is the file's newest name.
	File, Value string
}

// Values returns what resources write on a host, for those who keep a copy of
// it, as systemd does. It fails as [Compile] does. A cpu.max whose quota is to
// stay as it is on an update is left out.
func Values(h Host, res *specs.LinuxResources) ([]Value, error) {
	h = h.private()
	l := &limits{host: &h, name: fieldName, update: true}
	list, err := l.settings(res)
	if err != nil {
		return nil, err
	}
	var out []Value
	for i := range list {
		s := &list[i]
		file := s.files[len(s.files)-1]
		if s.periodOnly || s.value == "" {
			continue
		}
		out = append(out, Value{V2: s.on.V2, File: file, Value: s.fileValue(file)})
	}
	return out, nil
}
