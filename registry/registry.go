// Package registry owns the protocol that image registries speak: the OCI
// distribution specification, which docker's registries share.
//
// It guarantees that credentials go to the host they are for and to no other,
// whatever a server answers, and that a transfer which broke goes on where it
// was. It verifies nothing of what it reads: package image does, for which a
// Client is a source and a target of images. Not for what is stored.
package registry
