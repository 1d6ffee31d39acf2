// SPDX-License-Identifier: Apache-2.0
#include "report/testing/capture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>

namespace kebound::report::testing {
namespace {

x86::Registers from_user(const user_regs_struct& user) {
  x86::Registers out;
  const unsigned long long gprs[16] = {user.rax, user.rcx, user.rdx, user.rbx, user.rsp, user.rbp,
                                       user.rsi, user.rdi, user.r8,  user.r9,  user.r10, user.r11,
                                       user.r12, user.r13, user.r14, user.r15};
  for (int i = 0; i < 16; ++i) out.gpr[i] = gprs[i];
  out.rip = user.rip;
  out.rflags = user.eflags;
  out.cs = static_cast<uint16_t>(user.cs);
  out.ss = static_cast<uint16_t>(user.ss);
  out.ds = static_cast<uint16_t>(user.ds);
  out.es = static_cast<uint16_t>(user.es);
  return out;
}

std::shared_ptr<events::ModuleMap> read_maps(pid_t pid, bool is_64bit) {
  static std::atomic<uint64_t> generation{1};
  auto map = std::make_shared<events::ModuleMap>();
  map->generation = generation++;
  map->is_64bit = is_64bit;
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    unsigned long offset = 0;
    char rights[5] = {};
    int path_at = 0;
    if (sscanf(line.c_str(), "%lx-%lx %4s %lx %*s %*s %n", &begin, &end, rights, &offset,
               &path_at) < 4) {
      continue;
    }
    events::Mapping mapping;
    mapping.begin = begin;
    mapping.end = end;
    mapping.file_offset = offset;
    mapping.executable = rights[2] == 'x';
    mapping.path = line.substr(static_cast<size_t>(path_at));
    mapping.open_path = mapping.path;
    map->mappings.push_back(mapping);
  }
  return map;
}

events::StackSnapshot read_stack(pid_t pid, uint64_t sp, const events::ModuleMap& map) {
  events::StackSnapshot snapshot{sp, {}};
  size_t size = 0;
  for (const auto& mapping : map.mappings) {
    if (sp >= mapping.begin && sp < mapping.end)
      size = std::min<uint64_t>(mapping.end - sp, 256 * 1024);
  }
  snapshot.bytes.resize(size);
  const int fd = open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t count = pread(fd, snapshot.bytes.data(), size, static_cast<off_t>(sp));
  snapshot.bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
  close(fd);
  return snapshot;
}

}  // namespace

Capture capture_fault(const std::vector<std::string>& command) {
  Capture capture;
  const pid_t pid = fork();
  if (pid < 0) return capture;
  if (pid == 0) {
    std::vector<char*> argv;
    for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execv(argv[0], argv.data());
    _exit(127);
  }
  for (int status = 0;;) {
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
      capture.why = "the fixture ended without a fault";
      return capture;
    }
    capture.signal = WSTOPSIG(status);
    if (capture.signal == SIGSEGV || capture.signal == SIGILL) break;
    ptrace(PTRACE_CONT, pid, 0, capture.signal == SIGTRAP ? 0 : capture.signal);
  }
  user_regs_struct user;
  ptrace(PTRACE_GETREGS, pid, 0, &user);
  capture.registers = from_user(user);
  capture.modules = read_maps(pid, capture.registers.cs == 0x33);
  capture.stack = read_stack(pid, capture.registers.gpr[x86::Rsp], *capture.modules);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  capture.ok = true;
  return capture;
}

}  // namespace kebound::report::testing
