/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program under the suite does: one real BOUND with given registers, and threads that do it
 * when they are told to. On x86-64 the BOUND is in 32-bit code that the 64-bit process jumps into;
 * such a program is linked below 4 GiB. */
#ifndef KEBOUND_TESTS_CONFORMANCE_PROGRAM_RUN_BOUND_H
#define KEBOUND_TESTS_CONFORMANCE_PROGRAM_RUN_BOUND_H

#include "../shared.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the thread went on, and with which registers. */
struct run_outcome {
  struct conformance_registers out;
  uint32_t landing; /* kLanding... */
  uint32_t trap;    /* the trap number that a handler saw */
};

/* Executes `bound %eax, (%edx)` with those registers; esp is that of the calling thread's own
 * stack, on x86-64 `stack_top`, which is below 4 GiB. DS is null if `null_ds`. */
void run_bound(const struct conformance_registers* in, int null_ds, void* stack_top,
               struct run_outcome* outcome);

/* The program's own handler of SIGSEGV: ends the calling thread's run_bound(). The program ends
 * with status 3 if something else has faulted. */
void run_bound_on_signal(void* context);

/* Addresses of the BOUND, and of a place where a thread may be sent instead. */
uintptr_t run_bound_address(void);
uintptr_t run_elsewhere_address(void);

/* Carries out one order; or all that ever come. Before the first a thread's stack_top is good. */
void take_order(struct conformance_slot* slot, void* stack_top);
void take_orders(struct conformance_slot* slot, void* stack_top, uint32_t* waiting);

#ifdef __cplusplus
}
#endif

#endif
