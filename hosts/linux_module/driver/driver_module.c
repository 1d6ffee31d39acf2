// SPDX-License-Identifier: Apache-2.0
/*
 * The module around an NT driver: init calls DriverEntry, exit DriverUnload.
 */
#include <linux/module.h>

#include "driver_module.h"

typedef void (*constructor)(void);
/* Of C++ sources; the first and the last object of the module mark them. */
extern const constructor kebound_constructors_begin[], kebound_constructors_end[];
extern int DriverEntry(void *driver_object, void *registry_path);

static bool integritycheck = KEBOUND_INTEGRITYCHECK;
module_param(integritycheck, bool, 0444);
MODULE_PARM_DESC(integritycheck, "as linked /INTEGRITYCHECK, which the windows profile asks for");

static void *driver;

int __weak kebound_driver_prepare(void)
{
	return 0;
}

void __weak kebound_driver_cleanup(void)
{
}

static int __init driver_init(void)
{
	const constructor *constructor;
	int error = kebound_driver_prepare();

	if (error)
		return error;
	for (constructor = kebound_constructors_begin; constructor != kebound_constructors_end; constructor++)
		(*constructor)();
	error = kb_driver_load(THIS_MODULE, KBUILD_MODNAME, DriverEntry, integritycheck, &driver);
	if (error)
		kebound_driver_cleanup();
	return error;
}

static void __exit driver_exit(void)
{
	kb_driver_unload(driver);
	kebound_driver_cleanup();
}

module_init(driver_init);
module_exit(driver_exit);
MODULE_LICENSE(KEBOUND_DRIVER_LICENSE);
MODULE_DESCRIPTION("NT driver, built for kebound");
