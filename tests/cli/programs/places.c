// SPDX-License-Identifier: Apache-2.0
//
// Fails a check where it is not easy to say where:
//   places                          here
//   places unlink                   here, with its own file deleted
//   places library FILE [unlink]    in a library that it opens, and deletes
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct bounds {
  int lower;
  int upper;
};
static const struct bounds limits = {0, 9};

__attribute__((noinline)) static int pick(int index) {
  __asm__ volatile("bound %0, %1" : "+a"(index) : "m"(limits));  // the program's check
  return index;
}

int main(int argc, char** argv) {
  if (argc > 2 && strcmp(argv[1], "library") == 0) {
    void* const library = dlopen(argv[2], RTLD_NOW);
    if (library == NULL) return fprintf(stderr, "%s\n", dlerror()), 2;
    int (*library_pick)(int) = (int (*)(int))dlsym(library, "library_pick");
    if (argc > 3) unlink(argv[2]);
    return library_pick(12) == 12;
  }
  if (argc > 1) unlink(argv[0]);
  return pick(12) == 12;
}
