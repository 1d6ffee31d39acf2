// SPDX-License-Identifier: Apache-2.0
/*
 * corrector: gives each failed check the nearest index, and says what it was asked about.
 */
#include <linux/module.h>

#include "hosts/linux_module/kebound_module.h"

static ulong corrected, refused;
module_param(corrected, ulong, 0600);
module_param(refused, ulong, 0600);

/* source, confidence, index, lower, upper, check, doubt */
static long last[7];
module_param_array(last, long, NULL, 0400);

static u64 handle;

static unsigned int on_bound(void *context, const kebound_event *event, kebound_registers *registers)
{
	last[0] = event->source;
	last[1] = event->confidence;
	last[2] = event->index;
	last[3] = event->lower;
	last[4] = event->upper;
	last[5] = event->check;
	last[6] = event->doubt;
	if (event->ip != registers->ip)
		pr_warn("corrector: FAILED the thread is not seen at its check\n");
	if (kebound_set_index(event, registers, event->index < event->lower ? event->lower : event->upper)) {
		__atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
		return 0;
	}
	__atomic_fetch_add(&corrected, 1, __ATOMIC_RELAXED);
	return 1;
}

static int __init corrector_init(void)
{
	handle = kebound_register_callback(on_bound, NULL, 0);
	return handle ? 0 : -EBUSY;
}

static void __exit corrector_exit(void)
{
	if (kebound_deregister_callback(handle))
		pr_warn("corrector: FAILED it was registered\n");
}

module_init(corrector_init);
module_exit(corrector_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test: corrects indices");
