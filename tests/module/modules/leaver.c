// SPDX-License-Identifier: Apache-2.0
/*
 * leaver: forgets to deregister.
 */
#include <linux/module.h>

#include "hosts/linux_module/kebound_module.h"

static bool atomic;
module_param(atomic, bool, 0400);

static unsigned int leaver_callback(void *context, const kebound_event *event, kebound_registers *registers)
{
	return 0;
}

static int __init leaver_init(void)
{
	return kebound_register_callback(leaver_callback, NULL, atomic ? KEBOUND_MODULE_ATOMIC : 0) ? 0 : -EBUSY;
}

static void __exit leaver_exit(void)
{
}

module_init(leaver_init);
module_exit(leaver_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test: a registration left behind");
