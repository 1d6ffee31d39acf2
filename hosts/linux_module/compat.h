/* SPDX-License-Identifier: Apache-2.0
 *
 * What differs between kernels. Written for 6.1, which is what it is tested on; what moved up to 6.18 is here. */
#ifndef KEBOUND_HOSTS_LINUX_MODULE_COMPAT_H
#define KEBOUND_HOSTS_LINUX_MODULE_COMPAT_H

#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
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

/* For what is written whole in a trap: the kernel's compiler flags would zero it first. */
#if __has_attribute(uninitialized)
#define KB_UNINITIALIZED __attribute__((uninitialized))
#else
#define KB_UNINITIALIZED
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

/* The running task's executable, with a reference; null: it has none. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline struct file *kb_executable(void)
{
	struct file *file = NULL;

	rcu_read_lock();
	if (current->mm)
		file = get_file_rcu(&current->mm->exe_file);
	rcu_read_unlock();
	return file;
}
#else
static inline struct file *kb_executable(void)
{
	struct file *file = NULL;

	rcu_read_lock();
	if (current->mm)
		file = rcu_dereference(current->mm->exe_file);
	if (file && !get_file_rcu(file))
		file = NULL;
	rcu_read_unlock();
	return file;
}
#endif

#endif
