/* SPDX-License-Identifier: Apache-2.0
 *
 * What std/, the few names of the C++ library that nt/ uses, takes from a kernel. */
#ifndef KEBOUND_HOSTS_KERNEL_SERVICES_H
#define KEBOUND_HOSTS_KERNEL_SERVICES_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Zeroed, null where there is none. Context: trap. */
void* kb_allocate(size_t size);
void kb_free(void* memory);

/* The one lock of nt/: held for some instructions, never two at a time. Context: trap. */
void kb_lock(void);
void kb_unlock(void);

#ifdef __cplusplus
}
#endif

#endif
