/* SPDX-License-Identifier: Apache-2.0
 *
 * What the module around an NT driver asks of kebound.ko. */
#ifndef KEBOUND_DRIVER_MODULE_H
#define KEBOUND_DRIVER_MODULE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Calls DriverEntry (`entry`). 0, or -ENOMEM; -EIO: it failed, or a bug check ended it. Context: the module's init. */
int kb_driver_load(void* module, const char* name, void* entry, int integritycheck, void** driver);
/* Calls DriverUnload, if the driver has one. Context: the module's exit. */
void kb_driver_unload(void* driver);

/* What a driver's own C objects may define: called before DriverEntry, whose module is not loaded if it returns other
 * than 0, and after DriverUnload, or when DriverEntry failed. */
int kebound_driver_prepare(void);
void kebound_driver_cleanup(void);

#ifdef __cplusplus
}
#endif

#endif
