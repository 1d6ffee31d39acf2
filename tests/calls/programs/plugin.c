// SPDX-License-Identifier: Apache-2.0
static int table[20];
int plugin_pick(int index);
int plugin_pick(int index) { return table[index]; }
