// SPDX-License-Identifier: Apache-2.0
/*
 * kebound.ko: the module, its parameters, and the way from an exception to the C++ part.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/kdebug.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/task_work.h>
#include <linux/wait.h>
#include <asm/msr.h>
#include <asm/ptrace.h>
#include <asm/trapnr.h>

#include "compat.h"
#include "device.h"

static char *profile = "default";
module_param(profile, charp, 0444);
MODULE_PARM_DESC(profile, "default: a chain of 64 callbacks; windows: one, as strict as Windows is");

static ulong livelock_limit = 10000;
module_param(livelock_limit, ulong, 0444);
MODULE_PARM_DESC(livelock_limit,
		 "exceptions handled in a row at one place with the same registers before the process is killed; 0: never");

/* Deferred exceptions under way: the module's text stays until they are through. */
static atomic_t deferred = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(deferred_done);

static __always_inline void to_registers(const struct pt_regs *regs, struct kb_registers *out)
{
	out->gpr[0] = regs->ax;
	out->gpr[1] = regs->cx;
	out->gpr[2] = regs->dx;
	out->gpr[3] = regs->bx;
	out->gpr[4] = regs->sp;
	out->gpr[5] = regs->bp;
	out->gpr[6] = regs->si;
	out->gpr[7] = regs->di;
	out->gpr[8] = regs->r8;
	out->gpr[9] = regs->r9;
	out->gpr[10] = regs->r10;
	out->gpr[11] = regs->r11;
	out->gpr[12] = regs->r12;
	out->gpr[13] = regs->r13;
	out->gpr[14] = regs->r14;
	out->gpr[15] = regs->r15;
	out->rip = regs->ip;
	out->rflags = regs->flags;
	out->cs = regs->cs;
	out->ss = regs->ss;
	/* The kernel leaves these alone until it switches tasks: they are still the user's. */
	asm("movw %%ds, %0" : "=m"(out->ds));
	asm("movw %%es, %0" : "=m"(out->es));
	asm("movw %%fs, %0" : "=m"(out->fs));
	asm("movw %%gs, %0" : "=m"(out->gs));
	out->zero = 0;
	/* Most checks have nothing to do with them: kb_read_bases(). */
	out->fs_base = 0;
	out->gs_base = 0;
}

void kb_registers_at(const void *trap, struct kb_registers *out)
{
	to_registers(trap, out);
}

void kb_read_bases(struct kb_registers *out)
{
	rdmsrl(MSR_FS_BASE, out->fs_base);
	rdmsrl(MSR_KERNEL_GS_BASE, out->gs_base);
}

static __always_inline void set_general(const struct kb_registers *from, struct pt_regs *regs)
{
	regs->ax = from->gpr[0];
	regs->cx = from->gpr[1];
	regs->dx = from->gpr[2];
	regs->bx = from->gpr[3];
	regs->sp = from->gpr[4];
	regs->bp = from->gpr[5];
	regs->si = from->gpr[6];
	regs->di = from->gpr[7];
	regs->r8 = from->gpr[8];
	regs->r9 = from->gpr[9];
	regs->r10 = from->gpr[10];
	regs->r11 = from->gpr[11];
	regs->r12 = from->gpr[12];
	regs->r13 = from->gpr[13];
	regs->r14 = from->gpr[14];
	regs->r15 = from->gpr[15];
	regs->ip = from->rip;
}

static void from_registers(const struct kb_registers *from, struct pt_regs *regs)
{
	set_general(from, regs);
	regs->flags = from->rflags;
	regs->cs = from->cs;
	regs->ss = from->ss;
}

/* What a native callback edited; native.cc has the same rule for callbacks that sleep. */
static __always_inline void take_native_edits(const struct kb_registers *from, struct pt_regs *regs)
{
	const unsigned long user_flags = KB_USER_FLAGS;

	if (regs->cs == __USER_CS) {
		set_general(from, regs);
	} else {
		/* 32-bit code has eight registers; what a 64-bit process has in the others stays. */
		regs->ax = (u32)from->gpr[0];
		regs->cx = (u32)from->gpr[1];
		regs->dx = (u32)from->gpr[2];
		regs->bx = (u32)from->gpr[3];
		regs->sp = (u32)from->gpr[4];
		regs->bp = (u32)from->gpr[5];
		regs->si = (u32)from->gpr[6];
		regs->di = (u32)from->gpr[7];
		regs->ip = (u32)from->rip;
	}
	regs->flags = (regs->flags & ~user_flags) | (from->rflags & user_flags);
}

static void finish_deferred(void)
{
	if (atomic_dec_and_test(&deferred))
		wake_up(&deferred_done);
}

static void run_deferred(struct callback_head *head)
{
	struct kb_deferred_work *work = (struct kb_deferred_work *)head;
	struct kb_registers registers;

	if (current->flags & PF_EXITING)
		kb_deferred_failed(work->thread);
	else if (kb_deferred(work->thread, &registers))
		from_registers(&registers, task_pt_regs(current));
	finish_deferred();
}

#ifdef KEBOUND_HAS_TASK_WORK
int kb_can_sleep(void)
{
	return 1;
}

static bool defer(struct pt_regs *regs)
{
	struct kb_deferred_work *work = kb_take_deferred_work();
	struct callback_head *head = (struct callback_head *)work;

	BUILD_BUG_ON(sizeof(struct callback_head) > offsetof(struct kb_deferred_work, thread));
	init_task_work(head, run_deferred);
	atomic_inc(&deferred);
	if (regs == task_pt_regs(current) && !task_work_add(current, head, TWA_RESUME))
		return true;
	kb_deferred_failed(work->thread);
	finish_deferred();
	return false;
}
#else
int kb_can_sleep(void)
{
	return 0;
}

static bool defer(struct pt_regs *regs)
{
	return false;
}
#endif

static __always_inline int on_user_trap(struct pt_regs *regs, int vector)
{
	struct kb_registers registers KB_UNINITIALIZED;

	if (!kb_interested())
		return NOTIFY_DONE;
	to_registers(regs, &registers);
	switch (kb_trap(vector, smp_processor_id(), regs, &registers)) {
	case kKbResume:
		take_native_edits(&registers, regs);
		return NOTIFY_STOP;
	case kKbKilled:
		return NOTIFY_STOP;
	case kKbDeferred:
		return defer(regs) ? NOTIFY_STOP : NOTIFY_DONE;
	default:
		return NOTIFY_DONE;
	}
}

static noinline int on_kernel_trap(struct pt_regs *regs, int vector)
{
	u64 resume;

	if (!kb_kernel_trap(vector, regs->ip, &resume))
		return NOTIFY_DONE;
	regs->di = regs->ip;
	regs->ip = resume;
	return NOTIFY_STOP;
}

static int on_die(struct notifier_block *block, unsigned long reason, void *data)
{
	struct die_args *args = data;

	if (reason != DIE_TRAP || !args->regs ||
	    (args->trapnr != X86_TRAP_BR && args->trapnr != X86_TRAP_UD))
		return NOTIFY_DONE;
	return user_mode(args->regs) ? on_user_trap(args->regs, args->trapnr)
				     : on_kernel_trap(args->regs, args->trapnr);
}

static struct notifier_block die_block = { .notifier_call = on_die, .priority = 100 };

static int on_module(struct notifier_block *block, unsigned long state, void *data)
{
	struct module *module = data;
	struct kb_image image = { .name = module->name };

	if (state == MODULE_STATE_COMING) {
		kb_fill_image(module, &image);
		kb_module_coming(module, &image);
	} else if (state == MODULE_STATE_GOING) {
		kb_module_going(module);
	}
	return NOTIFY_OK;
}

static struct notifier_block module_block = { .notifier_call = on_module };

static int __init kebound_init(void)
{
	const bool windows = !strcmp(profile, "windows");
	int error;

	if (!windows && strcmp(profile, "default")) {
		pr_err("profile=%s: there are default and windows\n", profile);
		return -EINVAL;
	}
	kb_init_services();
	error = kb_start(windows, livelock_limit);
	if (error)
		return error;
	error = register_module_notifier(&module_block);
	if (error)
		goto stop;
	error = register_die_notifier(&die_block);
	if (error)
		goto unregister;
	error = kb_start_device();
	if (error)
		goto unregister_die;
	if (!kb_can_sleep())
		pr_warn("this kernel exports no task_work_add: callbacks that may sleep, those of NT drivers among them, cannot be registered\n");
	pr_info("profile %s, livelock limit %lu\n", profile, livelock_limit);
	return 0;
unregister_die:
	unregister_die_notifier(&die_block);
	wait_event(deferred_done, atomic_read(&deferred) == 0);
unregister:
	unregister_module_notifier(&module_block);
stop:
	kb_stop();
	return error;
}

static void __exit kebound_exit(void)
{
	kb_stop_device(); /* nobody has it open */
	unregister_die_notifier(&die_block); /* waits for those who are inside */
	wait_event(deferred_done, atomic_read(&deferred) == 0);
	unregister_module_notifier(&module_block);
	/* The last of them may have been preempted before it left our text. */
	synchronize_rcu_tasks();
	kb_stop();
}

module_init(kebound_init);
module_exit(kebound_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Bound exception callbacks");
