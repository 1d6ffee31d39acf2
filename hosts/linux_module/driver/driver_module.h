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

#ifdef __cplusplus
}
#endif

#endif
