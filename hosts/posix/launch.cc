// SPDX-License-Identifier: Apache-2.0
#include "hosts/posix/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "hosts/posix/signals_at_start.h"

namespace kebound::posix {
namespace {

bool is_regular_executable(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

// In the child: only async-signal-safe calls.
[[noreturn]] void become_program(const char* path, char* const* arguments, char* const* environment,
                                 int go_fd, int error_fd) noexcept {
  char go = 0;
  ssize_t got;
  do {
    got = read(go_fd, &go, 1);
  } while (got < 0 && errno == EINTR);
  if (got != 1) _exit(127);  // our host did not get ready
  set_signals(signals_at_start());
  execve(path, arguments, environment);
  const int error = errno;
  static_cast<void>(!write(error_fd, &error, sizeof error));
  _exit(127);
}

// Our own environment with some variables replaced. The strings stay whose they are.
std::vector<char*> environment_with(const std::vector<std::string>& changes) {
  std::vector<char*> result;
  const auto is_changed = [&](std::string_view variable) {
    const std::string_view name = variable.substr(0, variable.find('='));
    return std::any_of(changes.begin(), changes.end(), [&](std::string_view change) {
      return change.substr(0, change.find('=')) == name;
    });
  };
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    if (!is_changed(*variable)) result.push_back(*variable);
  }
  for (const std::string& change : changes) result.push_back(const_cast<char*>(change.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

// As execvp(3) looks a program up, without its fallback to a shell: a file that the kernel cannot
// execute is an error here. Empty when PATH has none.
std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* const path = getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  for (;;) {
    const size_t colon = rest.find(':');
    const std::string_view directory = rest.substr(0, colon);
    std::string candidate = directory.empty() ? "./" + name : fmt::format("{}/{}", directory, name);
    if (is_regular_executable(candidate)) return candidate;
    if (colon == std::string_view::npos) return {};
    rest.remove_prefix(colon + 1);
  }
}

Outcome launch_failure(std::string why, std::string remedy, bool not_found) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::Failed;
  outcome.why = std::move(why);
  outcome.remedy = std::move(remedy);
  outcome.not_found = not_found;
  return outcome;
}

ScopedTerminalSignals::ScopedTerminalSignals() noexcept {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGINT, &ignore, &interrupt_);
  sigaction(SIGQUIT, &ignore, &quit_);
}

ScopedTerminalSignals::~ScopedTerminalSignals() {
  sigaction(SIGINT, &interrupt_, nullptr);
  sigaction(SIGQUIT, &quit_, nullptr);
}

Launched launch(const LaunchSpec& spec, const PrepareChild& prepare) {
  Launched launched;
  const std::string path = find_program(spec.program);
  if (path.empty()) {
    launched.failure = launch_failure("not found in PATH",
                                      "name an existing program, with its path if need be", true);
    return launched;
  }
  std::vector<char*> arguments;
  for (const std::string& argument : spec.arguments)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const std::vector<char*> environment = environment_with(spec.environment);

  int go[2];
  int error[2];
  if (pipe2(go, O_CLOEXEC) != 0) {
    launched.failure = launch_failure(strerror(errno), "free some file descriptors", false);
    return launched;
  }
  if (pipe2(error, O_CLOEXEC) != 0) {
    launched.failure = launch_failure(strerror(errno), "free some file descriptors", false);
    close(go[0]);
    close(go[1]);
    return launched;
  }
  const pid_t child = fork();
  if (child == 0) {
    close(go[1]);
    close(error[0]);
    become_program(path.c_str(), arguments.data(), environment.data(), go[0], error[1]);
  }
  const int fork_error = errno;
  close(go[0]);
  close(error[1]);
  if (child < 0) {
    launched.failure = launch_failure(fmt::format("cannot fork: {}", strerror(fork_error)),
                                      "raise the limit on processes", false);
  } else if (!prepare || prepare(child, launched.failure)) {
    launched.pid = child;
    launched.exec_error_fd = error[0];
    const char byte = 1;
    static_cast<void>(
        !write(go[1], &byte, 1));  // fails only if the child is dead, which waitpid tells
  }
  close(go[1]);
  if (launched.pid == 0) {
    close(error[0]);
    if (child > 0) waitpid(child, nullptr, 0);
  }
  return launched;
}

bool wait_for_exec(Launched& launched, int& error) {
  ssize_t got;
  do {
    got = read(launched.exec_error_fd, &error, sizeof error);
  } while (got < 0 && errno == EINTR);
  close(launched.exec_error_fd);
  launched.exec_error_fd = -1;
  return got != sizeof error;
}

Outcome explain_failed_exec(const Launched& launched, const LaunchSpec& spec) {
  int error = 0;
  const bool told = read(launched.exec_error_fd, &error, sizeof error) == sizeof error;
  close(launched.exec_error_fd);
  if (!told)
    return launch_failure("was killed while the kernel loaded it",
                          "the file may be damaged: copy or build it again", false);
  return explain_exec_error(error, spec);
}

Outcome explain_exec_error(int error, const LaunchSpec& spec) {
  const bool exists = access(find_program(spec.program).c_str(), F_OK) == 0;
  switch (error) {
    case ENOENT:
      if (!exists) return launch_failure("no such file", "name an existing program", true);
      return launch_failure(
          "its interpreter or dynamic loader is missing",
          "install it; a 32-bit program needs the 32-bit C library (Debian: libc6-i386)", false);
    case EACCES:
      return launch_failure("permission denied",
                            "make it an executable file (chmod +x), not a directory", false);
    case ENOEXEC:
      return launch_failure("not an executable of this machine",
                            "name an x86 ELF program, or a script that begins with #!", false);
    default:
      return launch_failure(strerror(error), "see execve(2)", false);
  }
}

}  // namespace kebound::posix
