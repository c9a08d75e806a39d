// Package archive turns trees of files into tar streams and tar streams into
// trees, and compares trees: what export, cp, commit, diff and the unpacking of
// image layers have in common.
//
// A tree is a descriptor of its root, and every file in it is reached by
// descriptors from there: a component is opened without being followed, or
// openat2(2) confines the walk to the root. So a tree may change while it is
// read or written, by whoever lives in it, and no link leads out of it
// (CVE-2018-15664, CVE-2019-14271). Nothing of a tree is executed.
//
// The package guarantees that what it writes as a tar and reads again is the
// same tree: types, owners, modes, times to the nanosecond, extended
// attributes, devices, hard links, holes. Sockets are left out.
//
// It knows nothing of containers and images. Not for archives whose names are
// taken from untrusted sources without a tree to confine them to.
package archive
