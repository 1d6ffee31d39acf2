/* SPDX-License-Identifier: Apache-2.0
 *
 * For modules of the Linux kernel that want to be asked about bound exceptions of user programs, without NT's types:
 * kebound.ko exports these to GPL modules. KeRegisterBoundCallback and KeDeregisterBoundCallback are exported as
 * well; drivers written for NT are built with driver/Kbuild.driver. docs/linux-module.md. */
#ifndef KEBOUND_MODULE_H
#define KEBOUND_MODULE_H

#include "include/kebound/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Asked in the exception itself: interrupts off, inside RCU, nothing may sleep or fault; before all others, newest
 * first. Without it a callback runs in the task on its way back to user mode, where it may sleep, in one chain with
 * those of NT drivers. */
#define KEBOUND_MODULE_ATOMIC 1u

/* Answers 0: not mine, ask the next one; 1: handled, the thread goes on with `registers` as they are now; 2: kill the
 * process. Anything else is a bug check: the process is killed, the registration removed, the machine goes on.
 * `registers`: gpr, ip and flags count. Runs on many processors at once. */
typedef unsigned (*kebound_module_callback)(void *context, const kebound_event *event,
                                            kebound_registers *registers);

/* Returns a handle, or 0: no callback, an unknown flag, the callback is not in the text of a module that was loaded
 * after kebound, all 64 registrations of the kind are taken, or (without KEBOUND_MODULE_ATOMIC) this kernel has no
 * hook for callbacks that sleep. Context: may not sleep where an NT thread's IRQL is above APC_LEVEL; else any. */
uint64_t kebound_register_callback(kebound_module_callback callback, void *context, unsigned flags);

/* 0: removed, and it runs on no processor any more; -EINVAL: no such registration. Context: may sleep. */
int kebound_deregister_callback(uint64_t handle);

/* In a callback: the index of `event` is to be `index`, wherever the thread has it. 0; -EOPNOTSUPP: the check cannot be
 * executed again, or its index is not known. It counts if the answer is 1. Context: the callback's. */
int kebound_set_index(const kebound_event *event, kebound_registers *registers, int64_t index);

/* How many bug checks there have been since the module was loaded. Context: any. */
unsigned long kebound_bug_check_count(void);

#ifdef __cplusplus
}
#endif

#endif
