// SPDX-License-Identifier: Apache-2.0
/*
 * churn: registers and deregisters callbacks of both kinds for as long as it is loaded, and counts those that run when
 * their registration is gone.
 */
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include "hosts/linux_module/kebound_module.h"

static ulong rounds, calls, late;
module_param(rounds, ulong, 0400);
module_param(calls, ulong, 0400);
module_param(late, ulong, 0400);

struct registration {
	unsigned int flags;
	bool alive;
	struct task_struct *task;
};
static struct registration registrations[2] = { { .flags = 0 }, { .flags = KEBOUND_MODULE_ATOMIC } };

static void check(const struct registration *registration)
{
	if (!READ_ONCE(registration->alive))
		__atomic_fetch_add(&late, 1, __ATOMIC_RELAXED);
}

static unsigned int on_bound(void *context, const kebound_event *event, kebound_registers *registers)
{
	const struct registration *registration = context;
	unsigned int i;

	/* Whose registration is gone may even be called as if it were an NT driver's, with nothing. */
	if (!registration) {
		__atomic_fetch_add(&late, 1, __ATOMIC_RELAXED);
		return 0;
	}
	check(registration);
	/* Stays inside for a while, so that a deregistration that does not wait meets it. */
	for (i = 0; i < 200; i++)
		cpu_relax();
	/* Where rundown does not wait, the context may be the sleepable one's in the exception itself. */
	if (!registration->flags && !irqs_disabled())
		usleep_range(20, 40);
	check(registration);
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	return 0;
}

static int churn(void *argument)
{
	struct registration *registration = argument;
	u64 handle;

	while (!kthread_should_stop()) {
		WRITE_ONCE(registration->alive, true);
		handle = kebound_register_callback(on_bound, registration, registration->flags);
		usleep_range(50, 300);
		if (!handle || kebound_deregister_callback(handle))
			__atomic_fetch_add(&late, 1, __ATOMIC_RELAXED);
		WRITE_ONCE(registration->alive, false);
		__atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
		usleep_range(20, 60);
	}
	return 0;
}

static int __init churn_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(registrations); i++) {
		registrations[i].task = kthread_run(churn, &registrations[i], "churn");
		if (IS_ERR(registrations[i].task))
			return PTR_ERR(registrations[i].task);
	}
	return 0;
}

static void __exit churn_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(registrations); i++)
		kthread_stop(registrations[i].task);
	pr_info("churn: rounds %lu calls %lu late %lu\n", rounds, calls, late);
}

module_init(churn_init);
module_exit(churn_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test: registrations that come and go");
