package tests

import (
	"github.com/rogpeppe/go-internal/testscript"

	"berth/tests/registries"
)

// cmdRegistry starts a registry that ends with the script: "registry KIND [NAME]"
// sets $NAME, or $REGISTRY, to its host and port, and with TLS $NAME_CA to the
// certificate of its authority.
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: registry KIND [NAME]")
	}
	name := append(args, "REGISTRY")[1]
	r, err := registries.Open(args[0])
	ts.Check(err)
	ts.Defer(func() { ts.Check(r.Close()) })
	ts.Setenv(name, r.Host)
	ts.Setenv(name+"_CA", r.CAFile)
}
