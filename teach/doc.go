// Package teach turns plans into something to read: the listing of
// `berth explain`, the trace of `berth run --trace`, both also as JSON.
//
// It owns the notation. A system call looks as strace(1) would print it, with
// two differences: a descriptor is shown by the name of the slot that holds it,
// as in <root>, because no number exists before the plan has run; and a family
// of constants whose prefix the call's name repeats loses it (move_mount's
// MOVE_MOUNT_F_EMPTY_PATH is F_EMPTY_PATH), unless [Options.Full] is set. JSON
// always has the constants' full names.
//
// What the package guarantees:
//
//   - It shows what would run: arguments are decoded from the very bytes that
//     the interpreters hand to the kernel. A constant that it does not know is
//     shown as a number, never left out.
//   - It writes no control characters, whatever an image or a config puts into
//     a plan: a listing can be sent to a terminal.
//   - It changes nothing and makes no system calls of the plan.
//
// The format of the text may change with any version; programs read the JSON.
package teach
