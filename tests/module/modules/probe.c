// SPDX-License-Identifier: Apache-2.0
/*
 * probe: a native callback whose answer and kind are parameters, and which says what it was asked about.
 */
#include <linux/module.h>

#include "hosts/linux_module/kebound_module.h"

static int answer;
module_param(answer, int, 0600);
MODULE_PARM_DESC(answer, "0, 1, 2 as callbacks answer; 1 steps over the instruction");

static bool atomic;
module_param(atomic, bool, 0400);

static ulong calls;
module_param(calls, ulong, 0600);

/* source, confidence, length, index, lower, upper, resumable */
static long last[7];
module_param_array(last, long, NULL, 0400);

static u64 handle;

static unsigned int on_bound(void *context, const kebound_event *event, kebound_registers *registers)
{
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	last[0] = event->source;
	last[1] = event->confidence;
	last[2] = event->instruction_length;
	last[3] = event->index;
	last[4] = event->lower;
	last[5] = event->upper;
	last[6] = event->resumable;
	if (answer == 1)
		registers->ip += event->instruction_length;
	return answer;
}

static int __init probe_init(void)
{
	handle = kebound_register_callback(on_bound, NULL, atomic ? KEBOUND_MODULE_ATOMIC : 0);
	return handle ? 0 : -EBUSY;
}

static void __exit probe_exit(void)
{
	/* A bug check has removed it. */
	if (kebound_deregister_callback(handle) && answer <= 2)
		pr_warn("probe: FAILED it was registered\n");
	if (!kebound_deregister_callback(handle) || !kebound_deregister_callback(0) ||
	    !kebound_deregister_callback(~0ull))
		pr_warn("probe: FAILED what is no handle was deregistered\n");
}

module_init(probe_init);
module_exit(probe_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test: a native callback");
