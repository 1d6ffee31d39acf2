// SPDX-License-Identifier: Apache-2.0
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "hosts/linux_module/driver/driver_module.h"
#include "hosts/linux_module/kebound_module.h"
#include "tests/conformance/module_glue.h"

#define MEMORY_SIZE 65536

static char *name = "";
module_param_named(case, name, charp, 0444);
MODULE_PARM_DESC(case, "the case to run");

static void *memory;

static int map(struct file *file, struct vm_area_struct *area)
{
	return remap_vmalloc_range(area, memory, area->vm_pgoff);
}

static const struct file_operations operations = { .owner = THIS_MODULE, .mmap = map };
static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kebound-conformance",
	.fops = &operations,
	.mode = 0600,
};

int kebound_driver_prepare(void)
{
	int error;

	memory = vmalloc_user(MEMORY_SIZE);
	if (!memory)
		return -ENOMEM;
	error = misc_register(&device);
	if (error)
		vfree(memory);
	return error;
}

void kebound_driver_cleanup(void)
{
	misc_deregister(&device);
	vfree(memory);
}

const char *kbc_case_name(void)
{
	return name;
}

void *kbc_memory(void)
{
	return memory;
}

void kbc_pause(void)
{
	usleep_range(50, 100);
}

unsigned long kbc_bug_checks(void)
{
	return kebound_bug_check_count();
}

void kbc_fail(const char *file, int line, const char *what)
{
	pr_warn("conformance: FAILED %s:%d: not so: %s\n", file, line, what);
}

void *kbc_malloc(unsigned long size)
{
	return kmalloc(size, GFP_KERNEL);
}

void kbc_free(void *block)
{
	kfree(block);
}
