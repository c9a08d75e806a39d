// Package rootfs contributes the steps that make a container's file systems:
// the root (an overlay over image layers, or a folder), every mount of the OCI
// spec, the devices, masked and read-only paths, and pivot_root.
//
// The host side assembles file systems as detached mounts, which no mount
// table shows, and opens each mount point as an O_PATH descriptor. The child
// attaches descriptor to descriptor. It resolves no path of the image, so a
// symbolic link in the image, or a process that swaps folders meanwhile, has
// nothing to act on (CVE-2021-30465, CVE-2024-45310, CVE-2025-31133).
//
// What only the child can make, because it binds to the namespaces of the
// caller (proc, sysfs, mqueue, cgroup), the child makes, and opens mount points
// in it beneath that mount's own descriptor.
//
// For a container with a user namespace ([Assembly.Users]) the host makes
// everything for the mapped ids: tmpfs, terminals, devices and mount points
// belong to the container's users, and image layers are mounted with their ids
// mapped, so that the image's folders stay as they are. A folder of the host
// that is the root is taken as it is: whoever made it has chowned it.
//
// The package writes nothing into the image itself but what is missing: mount
// points, and, where /dev has no tmpfs, device files and links. Reading files
// of a root is [Assembly.Open]'s business, copying a folder into a tmpfs that of
// the mount option tmpcopyup.
package rootfs
