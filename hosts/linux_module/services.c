// SPDX-License-Identifier: Apache-2.0
/*
 * What the C++ part is given of the kernel: kernel.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/kallsyms.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <asm/trapnr.h>

#include "compat.h"

void *kb_allocate(size_t size)
{
	return kzalloc(size, GFP_ATOMIC | __GFP_NOWARN);
}

void kb_free(void *memory)
{
	kfree(memory);
}

static DEFINE_RAW_SPINLOCK(nt_lock);
static unsigned long nt_lock_flags; /* of the holder */

void kb_lock(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&nt_lock, flags);
	nt_lock_flags = flags;
}

void kb_unlock(void)
{
	raw_spin_unlock_irqrestore(&nt_lock, nt_lock_flags);
}

/* Waits for a word, hashed by its address. A wake-up takes the queue's lock whether anybody waits or not: whoever looks
 * at the word after having queued sees what was stored before the wake-up, or is in the queue that it finds. */
static wait_queue_head_t word_queues[16];

static wait_queue_head_t *queue_of(const u64 *word)
{
	return &word_queues[hash_ptr((void *)word, 4)];
}

void kb_init_services(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(word_queues); i++)
		init_waitqueue_head(&word_queues[i]);
}

void kb_wait_while_equal(const u64 *word, u64 value)
{
	wait_event_idle(*queue_of(word), READ_ONCE(*word) != value);
}

void kb_wake_all(const u64 *word)
{
	wake_up_all(queue_of(word));
}

static void full_barrier(void *unused)
{
	smp_mb();
}

void kb_heavy_barrier(void)
{
	on_each_cpu(full_barrier, NULL, 1);
}

void kb_park(struct kb_parker *parker, s64 deadline_ns)
{
	ktime_t deadline = ns_to_ktime(deadline_ns);

	WRITE_ONCE(parker->task, current);
	for (;;) {
		set_current_state(TASK_IDLE);
		if (xchg(&parker->token, 0))
			break;
		if (!schedule_hrtimeout(deadline_ns == S64_MAX ? NULL : &deadline, HRTIMER_MODE_ABS))
			break;
	}
	__set_current_state(TASK_RUNNING);
}

/* Under the dispatcher lock, so that the waiter, and its task, are there. */
void kb_unpark(struct kb_parker *parker)
{
	struct task_struct *task;

	if (xchg(&parker->token, 1))
		return;
	task = READ_ONCE(parker->task);
	if (task)
		wake_up_process(task);
}

void *kb_current(void)
{
	return current;
}

u64 kb_current_identity(void)
{
	return current->start_boottime ^ (u64)current->pid << 44;
}

u64 kb_current_pid(void)
{
	return current->tgid;
}

u64 kb_current_tid(void)
{
	return current->pid;
}

void kb_kill_current(void)
{
	send_sig(SIGKILL, current, 1);
}

void kb_signal_bound(void)
{
	current->thread.error_code = 0;
	current->thread.trap_nr = X86_TRAP_BR;
	force_sig(SIGSEGV);
}

s64 kb_monotonic_ns(void)
{
	return ktime_get_ns();
}

s64 kb_realtime_ns(void)
{
	return ktime_get_real_ns();
}

void kb_sleep_ns(s64 ns)
{
	usleep_range(ns / 1000, ns / 1000 + 100);
}

/* Eight to sixteen bytes inside one page: an instruction, a pair of bounds. Two words, which overlap. */
static __always_inline bool read_words(u64 address, void *buffer, size_t size)
{
	const u64 last = size - sizeof(u64);
	bool whole = false;

	if (last > sizeof(u64) || offset_in_page(address) > PAGE_SIZE - 2 * sizeof(u64))
		return false;
	pagefault_disable();
	if (user_access_begin((const void __user *)address, 2 * sizeof(u64))) {
		unsafe_get_user(*(u64 *)buffer, (const u64 __user *)address, fault);
		unsafe_get_user(*(u64 *)(buffer + last), (const u64 __user *)(address + last), fault);
		whole = true;
fault:
		user_access_end();
	}
	pagefault_enable();
	return whole;
}

static noinline size_t read_bytes(u64 address, void *buffer, size_t size)
{
	const size_t first = min_t(size_t, size, PAGE_SIZE - offset_in_page(address));

	if (copy_from_user_nofault(buffer, (const void __user *)address, first))
		return 0;
	if (first == size ||
	    copy_from_user_nofault(buffer + first, (const void __user *)(address + first), size - first))
		return first;
	return size;
}

size_t kb_read_user(void *self, u64 address, void *buffer, size_t size)
{
	if (read_words(address, buffer, size))
		return size;
	return read_bytes(address, buffer, size);
}

u64 kb_user_end(void)
{
	return TASK_SIZE_MAX;
}

void kb_log(int severe, const char *text)
{
	if (severe > 1)
		pr_err("%s\n", text);
	else if (severe)
		pr_warn("%s\n", text);
	else
		pr_info("%s\n", text);
}

unsigned int kb_processors(void)
{
	return nr_cpu_ids;
}

/* kallsyms says "symbol+0x1c/0x40 [module]". */
void kb_describe(u64 address, char *out, size_t size)
{
	char name[KSYM_SYMBOL_LEN];
	char *offset, *length, *module;

	snprintf(name, sizeof(name), "%pS", (void *)address);
	offset = strchr(name, '+');
	length = offset ? strchr(offset, '/') : NULL;
	module = length ? strchr(length, '[') : NULL;
	if (!module || !strchr(module, ']')) {
		snprintf(out, size, "0x%llx", address);
		return;
	}
	*strchr(module, ']') = 0;
	*length = 0;
	if (!strcmp(offset, "+0x0"))
		*offset = 0;
	snprintf(out, size, "%s!%s", module + 1, name);
}

static int thread_main(void *object)
{
	kb_system_thread(object);
	module_put_and_kthread_exit(0);
}

int kb_start_thread(void *object, const char *name)
{
	struct task_struct *task;

	__module_get(THIS_MODULE);
	task = kthread_run(thread_main, object, "%s", name);
	if (!IS_ERR(task))
		return 0;
	module_put(THIS_MODULE);
	return PTR_ERR(task);
}

void kb_stop_task(void)
{
	pr_err("the task %s[%d] may not go on and has nowhere to go: it sleeps for ever\n",
	       current->comm, current->pid);
	for (;;)
		schedule_timeout_idle(MAX_SCHEDULE_TIMEOUT);
}
