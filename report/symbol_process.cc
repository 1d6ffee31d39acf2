// SPDX-License-Identifier: Apache-2.0
#include "report/symbol_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <utility>

#include "report/wire.h"

namespace kebound::report {
namespace {

constexpr uint64_t kMemoryForFiles = uint64_t{6} << 30;
constexpr int kControl = 3;  // the keeper's only descriptor besides 0 to 2
constexpr int kWorker = 4;

bool send_all(int fd, const void* data, size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t count = send(fd, bytes, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

bool receive_all(int fd, void* data, size_t size) {
  auto* bytes = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t count = recv(fd, bytes, size, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

bool send_message(int fd, const std::string& message) {
  if (message.size() > wire::kMaxMessage) return false;
  const auto size = static_cast<uint32_t>(message.size());
  return send_all(fd, &size, sizeof size) && send_all(fd, message.data(), message.size());
}

std::optional<std::string> receive_message(int fd) {
  uint32_t size = 0;
  if (!receive_all(fd, &size, sizeof size) || size > wire::kMaxMessage) return std::nullopt;
  std::string message(size, '\0');
  if (!receive_all(fd, message.data(), size)) return std::nullopt;
  return message;
}

bool send_descriptor(int socket, int fd) {
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  char byte = 0;
  struct iovec data = {&byte, 1};
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  struct cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

int receive_descriptor(int socket) {
  int fd = -1;
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  char byte = 0;
  struct iovec data = {&byte, 1};
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t count = 0;
  do {
    count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  const struct cmsghdr* const header = count == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return -1;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

// A file may ask for any amount of memory: beyond what is reasonable the worker gets none.
void limit_memory() {
  unsigned long pages = 0;
  if (FILE* const statm = fopen("/proc/self/statm", "re")) {
    if (fscanf(statm, "%lu", &pages) != 1) pages = 0;
    fclose(statm);
  }
  const rlim_t limit = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + kMemoryForFiles;
  const struct rlimit memory = {limit, limit};
  const struct rlimit no_core = {0, 0};
  if (pages != 0) setrlimit(RLIMIT_AS, &memory);
  setrlimit(RLIMIT_CORE, &no_core);
}

[[noreturn]] void run_worker(int socket, const SymbolProcess::Handler& handler, unsigned seconds) {
  signal(SIGALRM, SIG_DFL);
  signal(SIGCHLD, SIG_DFL);
  limit_memory();
  while (const auto request = receive_message(socket)) {
    alarm(seconds);
    std::string answer;
    try {
      answer = handler(*request);
    } catch (const std::exception&) {
      _exit(1);  // the other side learns it from the closed socket, as of any other death
    }
    alarm(0);
    if (!send_message(socket, answer)) break;
  }
  _exit(0);
}

[[noreturn]] void run_keeper(const SymbolProcess::Handler& handler, unsigned seconds) {
  char request = 1;
  if (send(kControl, &request, 1, MSG_NOSIGNAL) != 1)
    _exit(1);  // ready: nothing is held open any more
  while (recv(kControl, &request, 1, 0) == 1) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) _exit(1);
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(pair[1], kWorker);
      close_range(kWorker + 1, ~0u, 0);
      close(kControl);
      run_worker(kWorker, handler, seconds);
    }
    const bool sent = pid > 0 && send_descriptor(kControl, pair[0]);
    close(pair[0]);
    close(pair[1]);
    if (!sent) _exit(1);
  }
  _exit(0);
}

// The keeper must neither hold the report's or the terminal's descriptors open nor get the
// terminal's signals.
void become_keeper(int control) {
  setsid();
  prctl(PR_SET_NAME, "kebound-symbols");
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  const int safe = fcntl(control, F_DUPFD_CLOEXEC, 16);
  for (int fd = 0; fd < kControl; ++fd) dup2(null, fd);
  dup2(safe, kControl);
  close_range(kControl + 1, ~0u, 0);
  struct sigaction action = {};
  for (int number = 1; number < NSIG; ++number) {
    action.sa_handler = number == SIGCHLD ? SIG_IGN : SIG_DFL;  // ignored: workers leave no zombies
    sigaction(number, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

std::unique_ptr<SymbolProcess> SymbolProcess::start(Handler handler, unsigned seconds) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return nullptr;
  const pid_t pid = fork();
  if (pid == 0) {
    if (fork() != 0) _exit(0);  // so that the keeper is not our child
    become_keeper(pair[1]);
    run_keeper(handler, seconds);
  }
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    return nullptr;
  }
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  char ready = 0;
  if (!receive_all(pair[0], &ready, sizeof ready)) {
    close(pair[0]);
    return nullptr;
  }
  return std::unique_ptr<SymbolProcess>(new SymbolProcess(pair[0]));
}

SymbolProcess::~SymbolProcess() {
  if (worker_ >= 0) close(worker_);
  close(control_);
}

bool SymbolProcess::ensure_worker() {
  if (worker_ >= 0) return true;
  const char request = 1;
  if (send(control_, &request, 1, MSG_NOSIGNAL) != 1) return false;
  worker_ = receive_descriptor(control_);
  if (worker_ >= 0) ++workers_;
  return worker_ >= 0;
}

std::optional<std::string> SymbolProcess::ask(const std::string& request) {
  if (!ensure_worker()) return std::nullopt;
  if (send_message(worker_, request)) {
    if (auto answer = receive_message(worker_)) return answer;
  }
  close(worker_);
  worker_ = -1;
  return std::nullopt;
}

}  // namespace kebound::report
