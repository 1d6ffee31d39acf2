/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run_bound.h"

static void on_segv(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)info;
  run_bound_on_signal(context);
}

static void set_own_handler(int wanted) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  if (wanted) {
    action.sa_sigaction = on_segv;
    action.sa_flags = SA_SIGINFO;
  } else {
    action.sa_handler = SIG_DFL;
  }
  if (sigaction(SIGSEGV, &action, NULL) != 0) _exit(4);
}

void take_order(struct conformance_slot* slot, void* stack_top) {
  const uint32_t request = __atomic_load_n(&slot->request, __ATOMIC_ACQUIRE);
  set_own_handler((int)slot->own_handler);
  const struct conformance_registers in = slot->in;
  struct run_outcome outcome;
  run_bound(&in, (int)slot->null_ds, stack_top, &outcome);
  slot->out = outcome.out;
  slot->landing = outcome.landing;
  slot->trap = outcome.trap;
  __atomic_store_n(&slot->done, request, __ATOMIC_RELEASE);
}

void take_orders(struct conformance_slot* slot, void* stack_top, uint32_t* waiting) {
  slot->tid = (uint32_t)syscall(SYS_gettid);
  /* An order to a dead worker stays unserved. */
  uint32_t served = __atomic_load_n(&slot->request, __ATOMIC_ACQUIRE);
  __atomic_add_fetch(waiting, 1, __ATOMIC_RELEASE);
  for (;;) {
    while (__atomic_load_n(&slot->request, __ATOMIC_ACQUIRE) == served) usleep(50);
    served = __atomic_load_n(&slot->request, __ATOMIC_ACQUIRE);
    take_order(slot, stack_top);
  }
}
