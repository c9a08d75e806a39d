// Package bundle owns containers that are made from OCI bundles, as runc and
// crun run them: a folder with a config.json and a root file system goes in,
// and the operations of the runtime specification (create, start, state, kill,
// delete) work on the container by its id.
//
// It keeps one folder for each container below [Runtime.Dir], with its state,
// a copy of its configuration, and, until it is started, the FIFO that its
// first process waits at. Whether that process lives is asked of the kernel
// every time, so a record is never wrong about it.
//
// Not for this package: images, names, logs, and anything that stays resident:
// those are the engine's (package container).
package bundle
