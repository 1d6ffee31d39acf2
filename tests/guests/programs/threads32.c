// SPDX-License-Identifier: Apache-2.0
//
// threads32 [THREADS [EXCEPTIONS]]: each thread raises that many bound exceptions (default 4 x
// 25,000); every repaired index goes into a sum, which is right only if each was repaired to the
// nearest bound, once. Indices lie outside on both sides in turn, bounds differ by thread and turn,
// registers never repeat in a row.
#include <pthread.h>
#include <sys/syscall.h>

#include "guest.h"

enum { kMaxThreads = 64 };
static long exceptions = 25000;

struct worker {
  pthread_t thread;
  long number;
  long tid;
  int64_t sum;
  int64_t expected;
  long misplaced;
};

static void* work(void* opaque) {
  struct worker* const self = opaque;
  self->tid = syscall(SYS_gettid);
  for (long i = 0; i < exceptions; ++i) {
    const struct bounds32 bounds = {(int32_t)(self->number * 1000 + i % 7),
                                    (int32_t)(self->number * 1000 + 100 + i % 13)};
    const int above = (int)(i & 1);
    const int32_t index = (int32_t)(above ? bounds.upper + 1 + i : bounds.lower - 1 - i);
    const int32_t nearest = above ? bounds.upper : bounds.lower;
    const int32_t repaired = bound32(index, &bounds);
    if (repaired != nearest) ++self->misplaced;
    self->sum += repaired;
    self->expected += nearest;
  }
  return NULL;
}

int main(int argc, char** argv) {
  const long threads = argc > 1 ? parse_number(argv[1]) : 4;
  if (argc > 2) exceptions = parse_number(argv[2]);
  if (threads < 1 || threads > kMaxThreads || exceptions < 0) return 2;
  static struct worker workers[kMaxThreads];
  for (long i = 0; i < threads; ++i) {
    workers[i].number = i;
    CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
  }
  int64_t sum = 0;
  int64_t expected = 0;
  for (long i = 0; i < threads; ++i) {
    CHECK(pthread_join(workers[i].thread, NULL) == 0);
    printf("thread %ld tid %ld exceptions %ld misplaced %ld\n", i, workers[i].tid, exceptions,
           workers[i].misplaced);
    sum += workers[i].sum;
    expected += workers[i].expected;
  }
  printf("sum %lld expected %lld\n", (long long)sum, (long long)expected);
  if (sum != expected) fail("the sum is wrong");
  succeed();
}
