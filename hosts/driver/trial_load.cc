// SPDX-License-Identifier: Apache-2.0
#include "hosts/driver/trial_load.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kebound::driver {

namespace {

constexpr int kTimeoutMs = 10'000;

[[noreturn]] void load_in_child(const char* path, int report) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGTERM})
    signal(number, SIG_DFL);
  const int null = open("/dev/null", O_RDWR);
  if (null >= 0) {
    for (int fd = 0; fd <= 2; ++fd) dup2(null, fd);
  }
  // Whether it can be loaded is the real load's to say, with its message; here it only has to come
  // back.
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) static_cast<void>(dlsym(handle, "DriverEntry"));
  const char survived = 1;
  _exit(write(report, &survived, 1) == 1 ? 0 : 1);
}

// 1: survived; 0: died; -1: neither within the time.
int await_report(int fd) noexcept {
  pollfd poll_for = {fd, POLLIN, 0};
  for (;;) {
    const int ready = poll(&poll_for, 1, kTimeoutMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return -1;
    char byte = 0;
    return read(fd, &byte, 1) == 1 ? 1 : 0;
  }
}

}  // namespace

bool trial_load(const std::string& path, std::string& why) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    why = std::string("cannot be tried: pipe: ") + strerror(errno);
    return false;
  }
  const pid_t child = fork();
  if (child == 0) load_in_child(path.c_str(), ends[1]);
  const int fork_error = errno;
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    why = std::string("cannot be tried: fork: ") + strerror(fork_error);
    return false;
  }
  const int outcome = await_report(ends[0]);
  close(ends[0]);
  if (outcome != 1) kill(child, SIGKILL);
  int status = 0;
  // Another waiter of this process may have been faster; the report has said what we need.
  const pid_t reaped = waitpid(child, &status, 0);
  if (outcome == 1) return true;
  if (outcome < 0) {
    why = "makes the dynamic loader hang: the file is damaged";
  } else if (reaped == child && WIFSIGNALED(status)) {
    why = std::string("makes the dynamic loader crash (") + strsignal(WTERMSIG(status)) +
          "): the file is damaged";
  } else {
    why = "makes the dynamic loader end the process: the file is damaged";
  }
  return false;
}

}  // namespace kebound::driver
