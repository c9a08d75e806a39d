package cgroup

// FilesystemType is the hierarchy's type for fsopen(2).
func (x *Hierarchy) FilesystemType() string {
	if x.V2 {
		return "cgroup2"
	}
	return "cgroup"
}

// Option is one parameter for fsconfig(2). A flag has no value.
type Option struct{ Key, Value string }

// Options are the parameters that make fsopen(2) show this hierarchy, and not
// try to make a new one: on v1 its controllers, or its name.
func (x *Hierarchy) Options() []Option {
	if x.V2 {
		return nil
	}
	if x.Named != "" {
		// A named hierarchy without controllers must say so.
		return []Option{{Key: "none"}, {Key: "name", Value: x.Named}}
	}
	out := make([]Option, len(x.Controllers))
	for i, name := range x.Controllers {
		out[i] = Option{Key: name}
	}
	return out
}

// Links are the names beside [Hierarchy.Name] that programs look controllers
// up by: "cpu" and "cpuacct" for the directory "cpu,cpuacct". Each is a
// symbolic link to Name.
func (x *Hierarchy) Links() []string {
	if x.V2 || len(x.Controllers) < 2 {
		return nil
	}
	return x.Controllers
}
