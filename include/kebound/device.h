/* SPDX-License-Identifier: Apache-2.0
 *
 * /dev/kebound, the device of kebound.ko: what happened, and what is to happen where no callback handles an exception.
 *
 * read() gives whole records (kebound_ring_record of abi.h; `sequence` counts from 1 for each open file, and what is
 * missing in between was dropped because the reader was slow); EINVAL where not even one fits, EAGAIN with O_NONBLOCK.
 * poll() says when there is one. An open file sees what happens from its opening on: with CAP_SYS_ADMIN everything, else
 * the processes of its own user; never a process outside the opener's pid namespace, whose numbers the records have. */
#ifndef KEBOUND_DEVICE_H_
#define KEBOUND_DEVICE_H_

#include "abi.h"
#ifdef __KERNEL__
#include <linux/ioctl.h>
#else
#include <sys/ioctl.h>
#endif

#define KEBOUND_DEVICE "/dev/kebound"

enum {
  KEBOUND_POLICY_PROPAGATE = 0, /* the program gets its signal: an exception from a policy behind this one */
  KEBOUND_POLICY_SKIP = 1,      /* a failed BOUND is stepped over; nothing else can be */
  KEBOUND_POLICY_TERMINATE = 2, /* the process is killed */
};

#define KEBOUND_ANY_USER 0xffffffffu

/* The first policy that fits an exception that no callback handled decides. Strings end with a 0. */
typedef struct kebound_device_policy {
  uint32_t size;       /* sizeof(kebound_device_policy) */
  uint32_t action;     /* KEBOUND_POLICY_* */
  uint32_t user;       /* effective user, or KEBOUND_ANY_USER */
  uint32_t per_second; /* how often it acts within a second; then it does not fit. 0: always */
  char program[248];   /* absolute path of the executable; empty: any */
  char cgroup[120];    /* path in the unified hierarchy: that group and those below; empty: any */
} kebound_device_policy;
KEBOUND_ABI_ASSERT(sizeof(kebound_device_policy) == 384);

/* Adds one behind all others, at most 64. EPERM without CAP_SYS_ADMIN; EINVAL: a size, action or string that is none;
 * ENOSPC. Each change is a line of the kernel's log. */
#define KEBOUND_ADD_POLICY _IOW('k', 1, kebound_device_policy)
/* Removes all. EPERM. */
#define KEBOUND_CLEAR_POLICIES _IO('k', 2)
/* How many records this open file has lost. */
#define KEBOUND_GET_DROPPED _IOR('k', 3, uint64_t)

#endif /* KEBOUND_DEVICE_H_ */
