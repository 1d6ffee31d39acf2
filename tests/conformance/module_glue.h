/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suite needs of the kernel beside NT's routines. */
#ifndef KEBOUND_TESTS_CONFORMANCE_MODULE_GLUE_H
#define KEBOUND_TESTS_CONFORMANCE_MODULE_GLUE_H

#ifdef __cplusplus
extern "C" {
#endif

const char *kbc_case_name(void);
void *kbc_memory(void);       /* 64 KiB, mapped by who opens /dev/kebound-conformance */
void kbc_pause(void);         /* some 50 us */
unsigned long kbc_bug_checks(void);
void kbc_fail(const char *file, int line, const char *what);
void *kbc_malloc(unsigned long size);
void kbc_free(void *memory);

#ifdef __cplusplus
}
#endif

#endif
