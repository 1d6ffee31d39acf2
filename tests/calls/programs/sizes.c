// SPDX-License-Identifier: Apache-2.0
// sizes CASE: a fortified function is asked for more than there is room for.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>
#include <wchar.h>

static char room[10];
static wchar_t wide_room[4];
static volatile size_t twelve = 12;
static const char* volatile text = "twelve chars";

int main(int argc, char** argv) {
  const int which = argc > 1 ? atoi(argv[1]) : -1;
  const size_t count = twelve;
  long result = 0;
  switch (which) {
    case 0:
      memcpy(room, text, count);
      break;
    case 1:
      memmove(room, text, count);
      break;
    case 2:
      memset(room, 'x', count);
      break;
    case 3:
      result = (char*)mempcpy(room, text, count) - room;
      break;
    case 4:
      strncpy(room, text, count);
      break;
    case 5:
      result = snprintf(room, count, "%s", text);
      break;
    case 6:
      result = read(0, room, count);
      break;
    case 7:
      result = pread(0, room, count, 0);
      break;
    case 8:
      strcpy(room, text);
      break;
    case 9:
      result = stpcpy(room, text) - room;
      break;
    case 10:
      wmemset(wide_room, L'x', count);
      break;
    case 11:
      strcat(room, text);
      break;
    case 12:
      strncat(room, text, count);
      break;
    case 13:
      result = sprintf(room, "%s", text);
      break;
    case 14: {
      fd_set set;
      FD_ZERO(&set);
      FD_SET((int)count + 2000, &set);
      break;
    }
    default:
      memcpy(room, text, 9);
      break;
  }
  printf("case %d: %ld, \"%.10s\"\n", which, result, room);
  return 0;
}
