package nsenter

import "golang.org/x/sys/unix"

// Hint returns the likely cause of an error.
func Hint(call uintptr, errno unix.Errno) string { return "" }
