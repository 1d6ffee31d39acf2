/* SPDX-License-Identifier: Apache-2.0 */
	.section .init_array, "aw", @init_array
	.balign 8
	.globl kebound_constructors_end
kebound_constructors_end:
