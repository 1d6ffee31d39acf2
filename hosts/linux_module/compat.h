/* SPDX-License-Identifier: Apache-2.0
 *
 * What differs between kernels. Written for 6.1, which is what it is tested on; what moved up to 6.18 is here. */
#ifndef KEBOUND_HOSTS_LINUX_MODULE_COMPAT_H
#define KEBOUND_HOSTS_LINUX_MODULE_COMPAT_H

#include <linux/module.h>
#include <linux/version.h>

#include "kernel.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "kebound.ko needs Linux 6.1 or newer"
#endif
#ifndef CONFIG_X86_64
#error "kebound.ko is for x86-64"
#endif
#ifdef CONFIG_PREEMPT_RT
#error "kebound.ko wakes sleepers with interrupts off, which PREEMPT_RT cannot"
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
static inline void kb_fill_image(const struct module *module, struct kb_image *image)
{
	image->text_begin = (unsigned long)module->mem[MOD_TEXT].base;
	image->text_end = image->text_begin + module->mem[MOD_TEXT].size;
	image->begin = image->text_begin;
	image->end = image->text_end;
}
#else
static inline void kb_fill_image(const struct module *module, struct kb_image *image)
{
	image->text_begin = (unsigned long)module->core_layout.base;
	image->text_end = image->text_begin + module->core_layout.text_size;
	image->begin = image->text_begin;
	image->end = image->text_begin + module->core_layout.size;
}
#endif

#endif
