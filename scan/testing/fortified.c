// SPDX-License-Identifier: Apache-2.0
//
// Three calls of FORTIFY's functions, one of a format that is none of bounds, one stack guard.
#include <stdio.h>
#include <string.h>

char buffer[20];

int main(int argc, char** argv) {
  char local[16];
  strcpy(buffer, argv[0]);
  memcpy(local, argv[0], (size_t)argc);
  snprintf(buffer, (size_t)argc, "%s", local);
  printf(argv[0], argc);
  return buffer[argc] + local[3];
}
