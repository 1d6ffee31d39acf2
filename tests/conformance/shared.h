/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory that a case and its program share: the case orders exceptions, the program carries
 * them out and reports. Fixed-width members only: on the supervisor one side is 64-bit, the other
 * 32-bit. */
#ifndef KEBOUND_TESTS_CONFORMANCE_SHARED_H
#define KEBOUND_TESTS_CONFORMANCE_SHARED_H

#include <stdint.h>

enum {
  kConformanceThreads = 4,
  kConformanceSize = 65536,
  kConformanceMessages = 4096,
  kConformanceAddress = 0x30000000, /* where the guest of the supervisor maps it */
};

/* Where a thread went on. */
enum { kLandingBehind, kLandingElsewhere, kLandingHandler };

struct conformance_registers {
  uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, eflags;
};

struct conformance_slot {
  uint32_t request; /* counts up: an exception is ordered */
  uint32_t done;    /* follows: it has come to an end in a living thread */
  struct conformance_registers in;
  struct conformance_registers out;
  uint32_t landing;
  uint32_t trap;
  uint32_t null_ds;
  uint32_t own_handler;
  uint32_t tid;
  int32_t bounds[2];
};

struct conformance_shared {
  uint32_t quit;   /* the case is over */
  uint32_t result; /* and failed, if not 0 */
  uint32_t
      ready; /* generation of the worker process whose threads all wait for orders; 0: none yet */
  uint32_t deaths;     /* of worker processes */
  int32_t last_status; /* of the last death, as waitpid gives it */
  uint32_t bound_address;
  uint32_t elsewhere_address;
  uint32_t unmapped_address;
  uint32_t address; /* of this, in the program */
  int32_t controller_pid;
  int32_t worker_pid;
  struct conformance_slot slots[kConformanceThreads];
  uint32_t messages_used;
  char messages[kConformanceMessages];
};

#endif
