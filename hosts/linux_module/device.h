/* SPDX-License-Identifier: Apache-2.0
 *
 * The device, between its C files, and what the C++ part asks of it. */
#ifndef KEBOUND_HOSTS_LINUX_MODULE_DEVICE_H
#define KEBOUND_HOSTS_LINUX_MODULE_DEVICE_H

#include "include/kebound/device.h"

#ifdef __cplusplus
extern "C" {
#endif

int kb_start_device(void);
void kb_stop_device(void);

/* How many open files want records. Context: any. */
extern int kb_reader_count;
static inline int kb_readers(void) { return __atomic_load_n(&kb_reader_count, __ATOMIC_RELAXED); }
/* To all who may see the running task. Fills in time, ids and names; the image only where it may sleep. */
void kb_publish(kebound_ring_record *record, int may_sleep);
/* The file that the running task has the failing check from, and which build of it that is. Context: task. */
void kb_name_image(kebound_ring_record *record);

/* Nonzero while there are policies. Context: any. */
int kb_policies(void);
/* KEBOUND_POLICY_* for an exception of the running task that nobody handled. Context: may sleep. */
int kb_policy(void);

#ifndef __cplusplus
long kb_add_policy(const void __user *argument);
long kb_clear_policies(void);
void kb_free_policies(void);
#endif

#ifdef __cplusplus
}
#endif

#endif
