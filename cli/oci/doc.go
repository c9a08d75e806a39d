// Package oci is the command line of an OCI runtime: what containerd, dockerd,
// podman, CRI-O and conmon call runc or crun for. It owns the reading of their
// flags, the output that they parse and the words that they look for in errors;
// the containers are package bundle's.
//
// Callers are programs that were written against runc. So flags take one dash or
// two, errors end with status 1 and appear as one line in the file of --log, and
// texts stay as they are known. crun's callers put flags behind the id, too:
// commands whose arguments cannot be confused with flags accept that.
//
// Not for this package: images, names, logs of containers. Those are berth's own
// commands (package cli), which share some names with these and no meaning.
package oci
