// The wire format between the Go side (encode.go) and the executor.
//
// Both map the same memfd. The host writes batches of steps into it; a batch is
// page-aligned and mapped by the child at PLAN_BASE + its offset, so that the
// pointers inside it can be written as final addresses by the host.
#ifndef BERTH_EXECUTOR_H
#define BERTH_EXECUTOR_H

#include <stdint.h>

#define PLAN_MAGIC 0x68747262u // "brth"
#define PLAN_VERSION 1u
// Low enough for 39-bit address spaces (arm64), high enough to be free of
// program text, heap and mmap areas.
#define PLAN_BASE 0x2000000000ull
#define PLAN_MAX_SLOTS 1024
#define PLAN_MAX_FDS 250
#define PLAN_MAX_STEPS 65536
#define PLAN_MAX_SIZE (64u << 20)

enum plan_op { OP_CALL, OP_SPAWN, OP_SYNC, OP_FORK, OP_INIT, OP_EXIT };
enum plan_kind { KIND_VALUE, KIND_SLOT, KIND_DATA };
enum plan_state { STATE_PENDING, STATE_RUNNING, STATE_DONE, STATE_TOLERATED, STATE_SKIPPED, STATE_FAILED };

// A batch: this header, nsteps steps, nsteps results, then data.
struct plan_batch {
	uint32_t magic;
	uint32_t version;
	uint32_t nsteps;
	uint32_t data;   // offset of the data from the start of the batch
	uint64_t size;   // bytes of the whole batch
	uint64_t unused;
};

struct plan_step {
	uint16_t op;
	uint16_t nargs;
	int32_t out; // slot for the result, or -1
	uint32_t call;
	uint32_t await; // not 0: go on once the host has set the result's go
	uint8_t kind[8];
	uint64_t arg[6]; // value, slot number, or offset into the batch
	uint16_t ok[12]; // tolerated errnos, 0-terminated when fewer
};

struct plan_result {
	int64_t ret;    // what the call returned, or -errno
	uint64_t start; // CLOCK_MONOTONIC, nanoseconds
	uint64_t end;
	uint32_t state; // enum plan_state
	uint32_t go;    // set by the host, see plan_step.await
};

// What the host sends on the control socket. Descriptors for slot[0..nfds)
// come along as SCM_RIGHTS; a message with size 0 brings only descriptors.
struct plan_message {
	uint32_t nfds;
	uint32_t ack; // answer with one byte when the batch is done
	uint64_t offset;
	uint64_t size;
	int32_t slot[PLAN_MAX_FDS];
};

// plan_check returns NULL when the batch of size bytes is well formed, or what
// is wrong with it.
const char *plan_check(const void *batch, uint64_t size);

#endif
