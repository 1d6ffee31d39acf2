// SPDX-License-Identifier: Apache-2.0
//
// bench_quiet PRELOAD: what the preload library costs a program that raises no exception. Runs
// itself in turns with and without it. Prints one line for each kind of work: microseconds of
// processor time without and with (medians), and the median of the ratios of the pairs.
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

extern char** environ;

namespace {

constexpr int kThreads = 200;

void start_only() {}

// What programs do all day: computing, allocating, system calls.
void steady_work() {
  uint64_t random = 88172645463325252u;
  std::vector<std::string> strings;
  for (int i = 0; i < 100'000; ++i) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    strings.push_back(std::to_string(random));
    if (i % 64 == 0 && write(-1, "", 0) == 0) abort();
  }
  std::sort(strings.begin(), strings.end());
  if (strings.front() > strings.back()) abort();
}

void create_threads() {
  for (int i = 0; i < kThreads; ++i) {
    pthread_t thread;
    if (pthread_create(
            &thread, nullptr, [](void* p) { return p; }, nullptr) != 0)
      abort();
    pthread_join(thread, nullptr);
  }
}

struct Work {
  const char* name;
  void (*run)();
  int rounds;
};
constexpr Work kWorks[] = {{"start and end", start_only, 200},
                           {"steady work", steady_work, 40},
                           {"200 threads, one by one", create_threads, 60}};

double microseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

// Processor time of one run; not the elapsed time, which others on the machine have a part in.
double run_once(const char* work, const std::string& preload) {
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  if (!preload.empty()) environment.push_back(const_cast<char*>(preload.c_str()));
  environment.push_back(nullptr);
  char self[] = "/proc/self/exe";
  char* const words[] = {self, const_cast<char*>(work), nullptr};
  pid_t child = 0;
  if (posix_spawn(&child, self, nullptr, nullptr, words, environment.data()) != 0) abort();
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child || status != 0) {
    fprintf(stderr, "bench_quiet: the program ended with %#x\n", static_cast<unsigned>(status));
    exit(1);
  }
  return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

double median(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void compare(const Work& work, const std::string& preload) {
  std::vector<double> without;
  std::vector<double> with;
  std::vector<double> ratios;
  for (int i = 0; i < work.rounds; ++i) {
    without.push_back(run_once(work.name, ""));
    with.push_back(run_once(work.name, preload));
    ratios.push_back(with.back() / without.back());
  }
  printf("%-28s %8.0f without, %8.0f with   ratio %.3f\n", work.name, median(without), median(with),
         median(ratios));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fputs("usage: bench_quiet PRELOAD\n", stderr);
    return 2;
  }
  for (const Work& work : kWorks) {
    if (strcmp(argv[1], work.name) != 0) continue;
    work.run();
    return 0;
  }
  printf("%d bits; microseconds of processor time of a program that raises no exception\n",
         static_cast<int>(sizeof(void*) * 8));
  unsetenv("LD_PRELOAD");
  for (const Work& work : kWorks) compare(work, std::string("LD_PRELOAD=") + argv[1]);
}
