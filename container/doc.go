// Package container owns containers: it compiles an OCI spec to the plan that
// starts it, supervises what the plan has started, and keeps the records by
// which any number of berth processes manage it together.
//
// There is no daemon. The parent of a payload is its supervisor: the command
// itself for a foreground run, a small monitor process (this binary again) for
// a detached one. Records are files; who finds one whose supervisor is dead
// settles it: ends what is left of the payload, records that its exit code is
// unknown, and clears up. So no crash leaves anything for ever.
//
// The package guarantees that a plan is compiled from data alone ([Compile]),
// that an exit code which was not seen is never made up, that signals reach
// only the very process they are meant for, and that no lock is held while a
// payload runs.
//
// It knows nothing of images, registries or networks: the layers and the spec
// come from the caller.
package container
