/* SPDX-License-Identifier: Apache-2.0
 *
 * include/kebound/abi.h in a C file of a kernel module. */
#include <linux/types.h>
