// Package registry owns the protocol that image registries speak: the OCI
// distribution specification, which docker's registries share.
//
// It guarantees that credentials go to the host they are for and to no other,
// whatever a server answers, and that a transfer which broke goes on where it
// was. It verifies nothing of what it reads: package image does, for which a
// Client is a source and a target of images. Not for what is stored.
//
// A server can name other hosts: in redirects, as the place of an upload, as its
// token server, as the next page of a list, in a layer's urls. These are the rules
// for them, of which none can be switched off:
//
//   - An Authorization goes to the scheme, host and port of the endpoint that it
//     is for. On the way of redirects it is dropped for good at the first other
//     one. There are no cookies.
//   - A token server is another host by design. It is told who the user is to the
//     registry that names it, and nobody else's secrets, and only with TLS, unless
//     the registry itself is spoken to without or is on loopback like its token
//     server. What it redirects to learns nothing.
//   - Nothing leads from a registry with TLS to a host without it.
//   - A registry with a public address leads to public addresses only, one on a
//     private network not to this machine, and none to link-local addresses, where
//     clouds keep keys. The address is looked at that is connected to, not the
//     name. Behind a proxy, which looks up names itself, only addresses that stand
//     in the place of a name can be judged.
//   - A list goes on at the same host or not at all. The urls of layers are not
//     followed.
//
// What the user calls insecure (plain http, certificates that nobody verifies) is
// trusted as far as that goes, as by docker.
package registry
