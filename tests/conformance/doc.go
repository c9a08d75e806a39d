// Package conformance runs the validation programs of the OCI's runtime-tools
// against berth's OCI command line. build.sh makes them, from the versions that
// the module in programs pins, into .build/conformance; testdata/known.txt lists
// what berth fails with the established runtimes, and why; testdata/results is
// what each runtime was seen to do, from which docs/conformance.md is made. Not
// for what berth promises beyond the OCI's documents: those tests are elsewhere.
package conformance
