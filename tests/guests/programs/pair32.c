// SPDX-License-Identifier: Apache-2.0
//
// pair32 [ROUNDS]: two threads whose bound exceptions meet inside the driver. Thread A raises index
// 1000, thread B index 2000; the driver `meet` lets neither go before both are inside its callback.
// Whoever stalls one target thread while the callback of another blocks never ends this program.
#include <pthread.h>

#include "guest.h"

static long rounds = 10;

static void* work(void* opaque) {
  const int32_t index = *(const int32_t*)opaque;
  const struct bounds32 bounds = {0, 9};
  for (long i = 0; i < rounds; ++i) CHECK(bound32(index, &bounds) == 9);
  return NULL;
}

int main(int argc, char** argv) {
  if (argc > 1) rounds = parse_number(argv[1]);
  static int32_t indices[2] = {1000, 2000};
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) CHECK(pthread_create(&threads[i], NULL, work, &indices[i]) == 0);
  for (int i = 0; i < 2; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  succeed();
}
