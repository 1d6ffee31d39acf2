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

#include "bound_encodings.h"

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
void try_one(const char* name, const uint8_t* bytes, size_t size, int index_register, int sib_index,
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
  code = map(0x21000000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  try_all_encodings();
  printf("@check %s %d encodings (%s), %d wrong\n", failures ? "FAILED" : "ok", encodings, argv[1], failures);
  return failures != 0 || encodings < 40;
}
