/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers that the kernel's C++, its assembly and its linker script agree on. */
#ifndef KEBOUND_HOSTS_BARE_LAYOUT_H
#define KEBOUND_HOSTS_BARE_LAYOUT_H

/* Physical memory is mapped from here on, 1 GiB of it; the kernel is linked to run there. */
#define BARE_BASE 0xffffffff80000000

/* Selectors. Those of user mode are Windows' and Linux', and trap/ and nt/ know them. */
#define BARE_KERNEL_CS 0x10
#define BARE_KERNEL_SS 0x18
#define BARE_USER_CS32 0x23
#define BARE_USER_DS 0x2b
#define BARE_USER_CS64 0x33
#define BARE_TSS 0x40

#endif
