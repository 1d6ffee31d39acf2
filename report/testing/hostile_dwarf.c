// SPDX-License-Identifier: Apache-2.0
//
// Debug information in which an entry is its own sibling, one level below the entries that a reader
// steps over: who follows siblings blindly never returns. Build without -g.
__asm__(
    ".pushsection .debug_abbrev,\"\",@progbits\n"
    ".byte 1, 0x11, 1, 0x11, 0x01, 0x12, 0x07, 0, 0\n"  // compile_unit with children: low_pc,
                                                        // high_pc
    ".byte 2, 0x04, 1, 0, 0\n"                          // enumeration_type with children
    ".byte 3, 0x28, 0, 0x01, 0x13, 0, 0\n"              // enumerator: sibling
    ".byte 0\n"
    ".popsection\n"
    ".pushsection .debug_info,\"\",@progbits\n"
    "unit: .long end - start\n"
    "start: .short 4\n"
    ".long 0\n"
    ".byte 8\n"
    ".byte 1\n"
    ".quad pick\n"
    ".quad 16\n"
    ".byte 2\n"
    "self: .byte 3\n"
    ".long self - unit\n"
    ".byte 0, 0\n"
    "end:\n"
    ".popsection\n");

__attribute__((noinline)) void pick(void) { __asm__ volatile("ud2"); }

int main(void) {
  pick();
  return 0;
}
