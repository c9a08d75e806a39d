// Package tests runs the real berth binary: scripts/*.txtar with testscript, a leak
// ledger around each. README.md in this folder says how to write one and what
// the folders beside it are for.
package tests
