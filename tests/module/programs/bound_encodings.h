/* SPDX-License-Identifier: Apache-2.0
 *
 * Encodings of BOUND, and how one is run: shared by the programs that raise them under kebound.ko and in the kernel of
 * hosts/bare. Whoever includes it defines try_one(), and has memory full of pairs 0, 9 at both arenas. */
#ifndef KEBOUND_TESTS_BOUND_ENCODINGS_H
#define KEBOUND_TESTS_BOUND_ENCODINGS_H

#include <stddef.h>
#include <stdint.h>

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };
enum { kArena = 0x40000, kLowArena = 0x4000, kArenaAt = 0x20000000, kLowArenaAt = 0x1000 };

/* The registers that the instruction is run with, and those behind it, esp in neither; it is at run_target, with a RET
 * behind it. */
uint32_t run_in[8];
uint32_t run_out[8];
uint32_t run_saved_esp;
void* run_target;
void run_code(void);
__asm__(
    ".text\n.globl run_code\n.type run_code, @function\nrun_code:\n"
    "  pushal\n"
    "  movl %esp, run_saved_esp\n"
    "  pushl $9\n  pushl $0\n"  // the bounds of %esp-based operands
    "  movl run_in, %eax\n  movl run_in+4, %ecx\n  movl run_in+8, %edx\n  movl run_in+12, %ebx\n"
    "  movl run_in+20, %ebp\n  movl run_in+24, %esi\n  movl run_in+28, %edi\n"
    "  call *run_target\n"
    "  movl %eax, run_out\n  movl %ecx, run_out+4\n  movl %edx, run_out+8\n  movl %ebx, run_out+12\n"
    "  movl %ebp, run_out+20\n  movl %esi, run_out+24\n  movl %edi, run_out+28\n"
    "  movl run_saved_esp, %esp\n"
    "  popal\n  ret\n.size run_code, . - run_code\n");

/* One encoding: `bytes`, with the index, 12, in `index_register`, 8 in `sib_index` (-1: none), `base` in all others. */
void try_one(const char* name, const uint8_t* bytes, size_t size, int index_register, int sib_index, uint32_t base);

#define TRY(name, index_register, sib_index, base, ...)                             \
  do {                                                                              \
    const uint8_t bytes[] = {__VA_ARGS__};                                          \
    try_one(name, bytes, sizeof bytes, index_register, sib_index, base);            \
  } while (0)

static uint8_t modrm(int mod, int reg, int rm) { return (uint8_t)(mod << 6 | reg << 3 | rm); }

static const uint32_t middle = kArenaAt + kArena / 2;

static void addressing_32(void) {
  static const int kBases[] = {ECX, EDX, EBX, ESI, EDI};
  for (int reg = 0; reg < 8; ++reg) {
    if (reg != ESP) TRY("index register", reg, -1, middle, 0x62, modrm(0, reg, reg == EBX ? ECX : EBX));
  }
  for (unsigned i = 0; i < 5; ++i) {
    TRY("base", EAX, -1, middle, 0x62, modrm(0, EAX, kBases[i]));
    TRY("base and disp8", EAX, -1, middle, 0x62, modrm(1, EAX, kBases[i]), 0xf8);
    TRY("base and disp32", EAX, -1, middle, 0x62, modrm(2, EAX, kBases[i]), 0, 0x10, 0, 0);
  }
  TRY("ebp and disp8", EAX, -1, middle, 0x62, modrm(1, EAX, EBP), 0x08);
  TRY("ebp and disp32", EAX, -1, middle, 0x62, modrm(2, EAX, EBP), 0, 0xf0, 0xff, 0xff);
  TRY("disp32", EAX, -1, middle, 0x62, modrm(0, EAX, 5), 0, 0, 0x02, 0x20);
  for (int scale = 0; scale < 4; ++scale) {
    TRY("base, index, scale", EAX, EDX, middle, 0x62, modrm(0, EAX, 4), (uint8_t)(scale << 6 | EDX << 3 | ECX));
    TRY("base, index, scale, disp8", EAX, EDX, middle, 0x62, modrm(1, EAX, 4),
        (uint8_t)(scale << 6 | EDX << 3 | EBP), 0x10);
  }
  TRY("index, scale, disp32", EAX, EDX, middle, 0x62, modrm(0, EAX, 4), 3 << 6 | EDX << 3 | 5, 0, 0, 2, 0x20);
  TRY("esp and disp8", EAX, -1, middle, 0x62, modrm(1, EAX, 4), 0x24, 4);
  TRY("esp and disp32", EAX, -1, middle, 0x62, modrm(2, EAX, 4), 0x24, 4, 0, 0, 0);
}

static void prefixes(void) {
  TRY("ds", EAX, -1, middle, 0x3e, 0x62, 0x03);
  TRY("es", EAX, -1, middle, 0x26, 0x62, 0x03);
  TRY("ss", EAX, -1, middle, 0x36, 0x62, 0x03);
  TRY("cs", EAX, -1, middle, 0x2e, 0x62, 0x03);
  TRY("repne", EAX, -1, middle, 0xf2, 0x62, 0x03);
  TRY("rep", EAX, -1, middle, 0xf3, 0x62, 0x03);
  TRY("16-bit operand", EAX, -1, middle, 0x66, 0x62, 0x03);
  TRY("16-bit operand, disp8", EAX, -1, middle, 0x66, 0x62, 0x43, 0x08);
  TRY("prefixes in any order", EAX, -1, middle, 0xf3, 0x66, 0x3e, 0x62, 0x06);
  TRY("15 bytes", EAX, -1, middle, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x62, 0x03);
}

static void addressing_16(void) {
  const uint32_t low = kLowArenaAt + 0x800;
  TRY("bx", EAX, -1, low, 0x67, 0x62, 0x07);
  TRY("si", EAX, -1, low, 0x67, 0x62, 0x04);
  TRY("di", EAX, -1, low, 0x67, 0x62, 0x05);
  TRY("disp16", EAX, -1, low, 0x67, 0x62, 0x06, 0x00, 0x18);
  TRY("bp and disp8", EAX, -1, low, 0x67, 0x62, 0x46, 0x08);
  TRY("bx, si", EAX, ESI, low, 0x67, 0x62, 0x00);
  TRY("bp, di, disp16", EAX, EDI, low, 0x67, 0x62, 0x83, 0x00, 0x01);
  TRY("bx with a 16-bit operand", EAX, -1, low, 0x66, 0x67, 0x62, 0x07);
}

static void try_all_encodings(void) {
  addressing_32();
  prefixes();
  addressing_16();
}

#endif
