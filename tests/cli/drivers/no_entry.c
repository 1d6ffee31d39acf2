// SPDX-License-Identifier: Apache-2.0
// A shared object, but no driver.
int not_the_entry(void);
int not_the_entry(void) { return 0; }
