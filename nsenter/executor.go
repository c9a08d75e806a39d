package nsenter

/*
#cgo CFLAGS: -O2 -Wall -Wextra -std=gnu11
#include "executor.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// check asks the executor's own validator whether a batch is well formed: what
// passes here is what the child will accept.
func check(batch []byte) error {
	if len(batch) == 0 {
		return fmt.Errorf("check plan: %s", "size out of range")
	}
	if why := C.plan_check(unsafe.Pointer(&batch[0]), C.uint64_t(len(batch))); why != nil {
		return fmt.Errorf("check plan: %s", C.GoString(why))
	}
	return nil
}
