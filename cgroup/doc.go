// Package cgroup owns control groups: it finds out what the host has, adds the
// steps that make and limit a container's group to a plan, and manages the
// group afterwards (statistics, freezing, killing, updating, removing). It
// speaks cgroup v2, v1, and the hybrid of both; limits come as the OCI
// runtime-spec's LinuxResources.
//
// What the package guarantees:
//
//   - A limit that the host cannot honour is an error that names the missing
//     controller ([ErrController]); none is dropped in silence.
//   - Groups are made only in the hierarchies that something asked for.
//   - No path leaves the hierarchy: "..", "." and empty names are refused.
//   - Only groups named by the caller, and their parents, are touched.
//
// # How a process gets into its groups
//
// A pid written to cgroup.procs takes the kernel's global threadgroup
// semaphore, which waits for an RCU grace period: 5 to 10 ms on an idle
// machine. So the child is born in its v2 group (clone3 with
// CLONE_INTO_CGROUP, +15 µs), and it enters v1 groups by writing "0" to the
// tasks file, through a descriptor that the host opened: for a single thread
// that moves itself the kernel skips the semaphore (80 µs). On a hybrid host
// the v2 hierarchy is always used: even without controllers it gives
// cgroup.kill, cgroup.freeze, cgroup.events, CPU time and the list of threads.
//
// # Device filters
//
// With a v2 hierarchy, device rules become one BPF program. Loading and
// attaching it costs about 0.5 ms, but programs attached to a group hold for
// everything below it. So, where the parent group is berth's own
// ([Group.Share]), the program is attached once to a group that all containers
// with equal rules share, named by the hash of its instructions:
//
//	/berth/devices-1f0c…/ID
//
// Every start asks the kernel whether the program is there (20 µs), and
// attaches it when it is not: after a reboot, or a crash between making the
// group and attaching. Only where bpf(2) is refused, or no v2 hierarchy
// exists, are the rules written to the v1 devices controller, which costs
// 320 µs for each container.
//
// The group with the filter outlives its containers, and so does the parent;
// [Prune] removes both once they are idle.
//
// # What a start costs
//
// Looking at a hybrid host costs 12 to 15 µs, most of it for reading
// /proc/self/cgroup; each v1 hierarchy that is used adds 2 for checking its
// mount. A v2 host without limits is not looked at any further than its type.
//
// On a hybrid host with docker's device rules and no limit: 15 to 25 µs to check
// the filter, 30 to 50 to make the group, 10 to open it, 15 to be born in it,
// 50 to 80 to remove it. Each v1 controller with a limit adds about 60 to make
// its group, 10 to 20 for each file, 25 to join, 50 to remove.
//
// # /sys/fs/cgroup in the container
//
// [Placement.Hierarchies] lists the hierarchies that the container has a group
// of its own in. Only those are worth mounting: in any other the container
// sits in the caller's group, and a mount would show the host's. On v2 it is
// one fsopen("cgroup2"); else a read-only tmpfs with one mount for each
// hierarchy, at [Hierarchy.Name]. The child must make them after it has joined
// its groups and unshared its cgroup namespace, whose root they show.
//
// Not for this package: choosing default limits, talking to systemd, and
// mounting /sys/fs/cgroup in the container.
package cgroup
