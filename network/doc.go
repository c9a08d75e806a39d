// Package network owns what is done to network devices. For now that is one
// thing: to move a device of the host into a container's network namespace.
//
// It guarantees that a device which cannot arrive under its name stays where
// it is. Once it has left, it is the container's: when the namespace ends, the
// kernel gives a physical device back to the host and destroys a virtual one,
// and this package brings nothing home.
//
// Not for this package: making namespaces, which plans do (package container),
// and loopback devices, which need no netlink.
package network
