// Package callers drives berth as the OCI runtime of the programs that it is a
// drop-in for: Debian's dockerd, podman and containerd. Each gets sockets, data
// and state of its own, no network, and is stopped by pid at the end; a
// ledger then finds what is left. It has tests only, which need root.
//
// BERTH_CALLERS_RUNTIME=/usr/sbin/runc runs the same tables on another runtime:
// what fails there too is the machine or the caller. Not for what a bundle
// alone can show: that is tested where berth's OCI commands are.
package callers
