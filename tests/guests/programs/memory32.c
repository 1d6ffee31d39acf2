// SPDX-License-Identifier: Apache-2.0
//
// memory32 COMMAND: hands the driver `memory` a command (esi) and a pointer (edi) with a bound
// exception and looks at what it did to this program's memory. The commands are in
// drivers/memory.c; `memory` is the one that comes back, for all others the program must not
// survive and say so.
#include <sys/mman.h>

#include "guest.h"

static int32_t ask(int32_t command, void* pointer) {
  static const struct bounds32 bounds = {5, 9};
  int32_t index = 77;
  __asm__ volatile("boundl %%eax, (%%edx)"
                   : "+a"(index)
                   : "d"(&bounds), "S"(command), "D"(pointer)
                   : "memory");
  return index;
}

static void check_reversed(char* memory, const char* text) {
  strcpy(memory, text);
  memset(memory + 32, '?', 32);
  CHECK(ask(1, memory) == 5);
  const size_t length = strlen(text);
  for (size_t i = 0; i < length; ++i) CHECK(memory[32 + i] == text[length - 1 - i]);
  CHECK(memory[32 + length] == '\0' && strcmp(memory, text) == 0);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char* const pages =
      mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED);
  CHECK(munmap(pages + 2 * page, page) == 0);

  if (strcmp(argv[1], "memory") == 0) {
    char on_stack[64];
    static char in_data[64];
    check_reversed(on_stack, "stack");
    check_reversed(in_data, "data segment");
    // The same addresses again: what the driver saw before must not be what it sees now.
    check_reversed(on_stack, "kcats");
    check_reversed(in_data, "another text");
    check_reversed(pages, "heap");
    check_reversed(pages + page - 40, "across two pages");
    check_reversed(pages + page - 33, "across two pages!");
    check_reversed(pages + 2 * page - 64, "up to the very end");
    succeed();
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("asking");
  if (strcmp(argv[1], "read-unmapped") == 0) {
    ask(2, pages + 2 * page);
  } else if (strcmp(argv[1], "write-unmapped") == 0) {
    ask(3, pages + 2 * page);
  } else if (strcmp(argv[1], "write-readonly") == 0) {
    CHECK(mprotect(pages, page, PROT_READ) == 0);
    ask(3, pages);
  } else if (strcmp(argv[1], "read-null") == 0) {
    ask(2, NULL);
  } else {
    ask((int32_t)parse_number(argv[1]), pages);
  }
  puts("came back");
  return 1;
}
