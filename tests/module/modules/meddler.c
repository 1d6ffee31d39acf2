// SPDX-License-Identifier: Apache-2.0
/*
 * meddler: callbacks of both kinds that answer and edit by chance, and look at their user's memory, while user code does
 * what it can (programs/hostile). Counts what it did.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "hosts/linux_module/kebound_module.h"

/* Of the atomic and the sleepable callback. */
static ulong continued[2], handled[2], edited[2], killed[2], read_user;
module_param_array(continued, ulong, NULL, 0400);
module_param_array(handled, ulong, NULL, 0400);
module_param_array(edited, ulong, NULL, 0400);
module_param_array(killed, ulong, NULL, 0400);
module_param(read_user, ulong, 0400);

static u64 handles[2];

static void count(ulong *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static u64 strange_address(void)
{
	switch (get_random_u32() % 4) {
	case 0:
		return 0;
	case 1:
		return (u64)&strange_address; /* no user's */
	case 2:
		return 0x7ffffffff000ull - get_random_u32() % 32;
	default:
		return get_random_u64();
	}
}

static void edit(kebound_registers *registers)
{
	unsigned int i;

	for (i = get_random_u32() % 4; i > 0; i--)
		registers->gpr[get_random_u32() % ARRAY_SIZE(registers->gpr)] = strange_address();
	if (get_random_u32() % 2)
		registers->flags = get_random_u64();
	if (get_random_u32() % 4 == 0)
		registers->ip = strange_address();
}

static unsigned int meddle(int kind, const kebound_event *event, kebound_registers *registers)
{
	const u32 choice = get_random_u32() % 64;

	if (choice < 24) {
		edit(registers); /* does not count */
		count(&continued[kind]);
		return 0;
	}
	if (choice == 63) {
		count(&killed[kind]);
		return 2;
	}
	registers->ip += event->instruction_length ? event->instruction_length : get_random_u32() % 3;
	if (choice < 40) {
		edit(registers);
		count(&edited[kind]);
	} else {
		count(&handled[kind]);
	}
	return 1;
}

static unsigned int on_bound_atomic(void *context, const kebound_event *event, kebound_registers *registers)
{
	return meddle(0, event, registers);
}

static unsigned int on_bound(void *context, const kebound_event *event, kebound_registers *registers)
{
	u8 code[16];
	void *memory;

	might_sleep();
	if (!copy_from_user(code, (const void __user *)event->ip, sizeof(code)) &&
	    !copy_to_user((void __user *)event->ip, code, sizeof(code)))
		count(&read_user);
	if (get_random_u32() % 4 == 0)
		usleep_range(10, 500);
	memory = kmalloc(1 + get_random_u32() % 4096, GFP_KERNEL);
	kfree(memory);
	return meddle(1, event, registers);
}

static int __init meddler_init(void)
{
	handles[0] = kebound_register_callback(on_bound_atomic, NULL, KEBOUND_MODULE_ATOMIC);
	handles[1] = kebound_register_callback(on_bound, NULL, 0);
	return handles[0] && handles[1] ? 0 : -EBUSY;
}

static void __exit meddler_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(handles); i++)
		if (kebound_deregister_callback(handles[i]))
			pr_warn("meddler: FAILED it was registered\n");
}

module_init(meddler_init);
module_exit(meddler_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test: callbacks that answer by chance");
