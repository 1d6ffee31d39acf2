// SPDX-License-Identifier: Apache-2.0
//
// encodings32 step|signal: many encodings of a BOUND that fails, one after the other. step: somebody
// steps over each, and no register changes. signal: each comes as the SIGSEGV that Linux sends for it.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };
enum { kArena = 0x40000, kLowArena = 0x4000, kArenaAt = 0x20000000, kLowArenaAt = 0x1000 };

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

static uint8_t* code;
static sigjmp_buf behind;
static const char* wrong;
static int signals;
static int failures;
static int encodings;
static int want_signals;

static void on_signal(int number, siginfo_t* info, void* opaque) {
  const greg_t* const r = ((ucontext_t*)opaque)->uc_mcontext.gregs;
  static const int kPlaces[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, -1, REG_EBP, REG_ESI, REG_EDI};
  ++signals;
  if (number != SIGSEGV || info->si_code != SI_KERNEL || info->si_addr != NULL) wrong = "siginfo";
  if (r[REG_TRAPNO] != 5 || r[REG_ERR] != 0) wrong = "trap number";
  if ((uintptr_t)r[REG_EIP] != (uintptr_t)code) wrong = "instruction pointer";
  for (int i = 0; i < 8; ++i)
    if (kPlaces[i] >= 0 && (uint32_t)r[kPlaces[i]] != run_in[i]) wrong = "registers";
  siglongjmp(behind, 1);
}

// One encoding: `bytes`, with the index in `index_register`, a SIB index in `sib_index` (-1: none), all
// others in the middle of an arena full of pairs 0, 9.
static void try_one(const char* name, const uint8_t* bytes, size_t size, int index_register, int sib_index,
                    uint32_t base) {
  memcpy(code, bytes, size);
  code[size] = 0xc3;
  for (int i = 0; i < 8; ++i) run_in[i] = base;
  if (sib_index >= 0) run_in[sib_index] = 8;
  run_in[index_register] = 12;
  run_target = code;
  wrong = NULL;
  const int before = signals;
  if (sigsetjmp(behind, 1) == 0) {
    run_code();
    for (int i = 0; i < 8; ++i)
      if (i != ESP && run_out[i] != run_in[i]) wrong = "registers";
  }
  if (signals - before != want_signals) wrong = want_signals ? "no signal" : "a signal";
  ++encodings;
  if (wrong == NULL) return;
  ++failures;
  printf("@check FAILED %s (", name);
  for (size_t i = 0; i < size; ++i) printf(i == 0 ? "%02x" : " %02x", bytes[i]);
  printf("): %s\n", wrong);
}

#define TRY(name, index_register, sib_index, base, ...)                             \
  do {                                                                              \
    const uint8_t bytes[] = {__VA_ARGS__};                                          \
    try_one(name, bytes, sizeof bytes, index_register, sib_index, base);            \
  } while (0)

static uint32_t middle;

static uint8_t modrm(int mod, int reg, int rm) { return (uint8_t)(mod << 6 | reg << 3 | rm); }

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

static void* map(uintptr_t address, size_t size, int protection) {
  void* const memory =
      mmap((void*)address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (memory == MAP_FAILED) {
    puts("@check FAILED memory can be mapped");
    exit(1);
  }
  return memory;
}

static void fill(uintptr_t address, size_t size) {
  int32_t* const pairs = map(address, size, PROT_READ | PROT_WRITE);
  for (size_t i = 0; i < size / sizeof *pairs; ++i) pairs[i] = i % 2 ? 9 : 0;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  want_signals = strcmp(argv[1], "signal") == 0;
  fill(kArenaAt, kArena);
  fill(kLowArenaAt, kLowArena);
  middle = kArenaAt + kArena / 2;
  code = map(0x21000000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  addressing_32();
  prefixes();
  addressing_16();
  printf("@check %s %d encodings (%s), %d wrong\n", failures ? "FAILED" : "ok", encodings, argv[1], failures);
  return failures != 0 || encodings < 40;
}
