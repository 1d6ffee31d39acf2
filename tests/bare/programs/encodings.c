// SPDX-License-Identifier: Apache-2.0
//
// Every encoding of the shared list, run once. Argument 0: somebody steps over each. 1: each comes to
// the program's own handler, with all registers as they were.
#include "tests/module/programs/bound_encodings.h"

#include "user.h"

static uint8_t* code;
static size_t length;
static const char* wrong;
static unsigned exceptions, wanted, encodings, failures;

void on_exception(struct user_context* context) {
  ++exceptions;
  if (context->vector != 5 || context->error != 0) wrong = "vector";
  if (context->rip != (uintptr_t)code) wrong = "instruction pointer";
  for (int i = 0; i < 8; ++i)
    if (i != ESP && context->gpr[i] != run_in[i]) wrong = "registers";
  context->rip += length;
}

void try_one(const char* name, const uint8_t* bytes, size_t size, int index_register, int sib_index,
             uint32_t base) {
  for (size_t i = 0; i < size; ++i) code[i] = bytes[i];
  code[size] = 0xc3;
  length = size;
  for (int i = 0; i < 8; ++i) run_in[i] = base;
  if (sib_index >= 0) run_in[sib_index] = 8;
  run_in[index_register] = 12;
  run_target = code;
  wrong = NULL;
  exceptions = 0;
  run_code();
  for (int i = 0; i < 8; ++i)
    if (i != ESP && run_out[i] != run_in[i]) wrong = "registers behind it";
  if (exceptions != wanted) wrong = "exceptions";
  ++encodings;
  if (wrong == NULL) return;
  ++failures;
  say(0, name, encodings);
  say(0, wrong, exceptions);
}

static int fill(uintptr_t address, size_t size) {
  int32_t* const pairs = map_memory(address, size);
  if (pairs == NULL) return 0;
  for (size_t i = 0; i < size / sizeof *pairs; ++i) pairs[i] = i % 2 ? 9 : 0;
  return 1;
}

unsigned program_main(unsigned argument) {
  code = map_memory(0x21000000, 4096);
  if (code == NULL || !fill(kArenaAt, kArena) || !fill(kLowArenaAt, kLowArena)) return 0;
  wanted = argument;
  catch_exceptions();
  try_all_encodings();
  say(failures == 0 && encodings >= 40, "encodings as they should be", encodings - failures);
  return encodings;
}
