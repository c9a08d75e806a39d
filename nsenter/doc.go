// Package nsenter owns the plan: the list of system calls that makes a
// container, and the two interpreters that run it.
//
// A [Plan] is an ordered list of [Step]s. Most steps are one system call each.
// A step says who makes the call: the host side (this Go process) or the child
// (the process that becomes the container's payload). The Go interpreter in
// this package makes the host's calls; the C executor in executor.c makes the
// child's. The executor is this same binary, executed anew from a sealed view
// of itself, and it runs as a constructor, before the Go runtime exists: it is
// single-threaded, so it may join any namespace, and small, so it fits into
// any memory limit.
//
// What the package guarantees:
//
//   - The child decides nothing. It receives numbers, pointers and file
//     descriptors, and makes the calls in order until one fails.
//   - Every call that the child makes before its execve is a step of the plan,
//     but for the executor's own handful (receiving the plan, reporting).
//   - Every step's result and time are known afterwards, on a page that both
//     sides share, also when a seccomp filter is already in force.
//
// The package knows nothing of containers: which steps there are, and why, is
// the business of the packages that build plans. Do not use it to run
// arbitrary host commands: os/exec does that.
package nsenter
