// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/inproc_rules.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "hosts/posix/file.h"
#include "hosts/posix/launch.h"
#include "report/reporter.h"
#include "report/rule_ranges.h"
#include "rules/table_builder.h"

extern char** environ;

namespace kebound::tool {
namespace {

constexpr size_t kMaxListing = 1 << 20;

std::string canonical(const std::string& path) {
  std::error_code ignored;  // then it stays as it was given
  const std::filesystem::path full = std::filesystem::canonical(path, ignored);
  return full.empty() ? path : full.string();
}

// What /proc/self/exe will say: of a script, its interpreter.
std::string executable_of(const std::string& path) {
  const std::string head = posix::File(path).read(0, 256);
  if (!head.starts_with("#!")) return canonical(path);
  const size_t begin = head.find_first_not_of(" \t", 2);
  if (begin == std::string::npos) return canonical(path);
  return canonical(head.substr(begin, head.find_first_of(" \t\n", begin) - begin));
}

// What the program's loader prints when it is asked what it would load. Empty on any failure.
std::string ask_loader(const std::string& path) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  std::string question = "LD_TRACE_LOADED_OBJECTS=1";
  environment.push_back(question.data());
  environment.push_back(nullptr);
  std::string name = path;
  char* arguments[] = {name.data(), nullptr};
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, path.c_str(), &actions, nullptr, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  if (error == 0) {
    char buffer[4096];
    ssize_t count = 0;
    while (text.size() < kMaxListing && (count = read(ends[0], buffer, sizeof buffer)) != 0) {
      if (count > 0) text.append(buffer, static_cast<size_t>(count));
      if (count < 0 && errno != EINTR) break;
    }
  }
  close(ends[0]);
  int status = 0;
  if (error == 0) waitpid(pid, &status, 0);
  return status == 0 ? text : std::string();
}

// "\tlibc.so.6 => /lib/libc.so.6 (0xf7c00000)", "\t/lib/ld-linux.so.2 (0xf7f00000)"
std::vector<std::string> libraries_in(const std::string& listing) {
  std::vector<std::string> paths;
  for (size_t at = 0; at < listing.size();) {
    const size_t end = std::min(listing.find('\n', at), listing.size());
    std::string line = listing.substr(at, end - at);
    at = end + 1;
    const size_t address = line.rfind(" (0x");
    if (address == std::string::npos) continue;
    line.resize(address);
    const size_t arrow = line.find(" => ");
    line.erase(0, arrow != std::string::npos ? arrow + 4 : line.find_first_not_of(" \t"));
    if (line.find('/') != std::string::npos) paths.push_back(std::move(line));
  }
  return paths;
}

}  // namespace

std::optional<Message> find_rule_for_supervisor(const std::vector<rules::Rule>& rules) {
  const auto found = std::find_if(rules.begin(), rules.end(), rules::is_for_supervisor_only);
  if (found == rules.end()) return std::nullopt;
  return Message{found->place(), "a rule with 'caller' needs the supervisor",
                 "use --host supervisor or auto, or leave the rule out"};
}

std::optional<std::vector<uint8_t>> make_rules_table(const std::vector<rules::Rule>& rules,
                                                     const std::string& program, Message& why) {
  std::vector<rules::KnownModule> modules;
  if (std::any_of(rules.begin(), rules.end(), rules::needs_ranges)) {
    const auto names = report::RuleRanges::start(rules, report::Options{}.debug_path);
    const std::string path = posix::find_program(program);
    std::vector<std::string> files = libraries_in(ask_loader(path));
    files.insert(files.begin(), executable_of(path));
    for (const std::string& file : files) {
      auto module = names ? names->find(file) : std::nullopt;
      if (module) modules.push_back(std::move(*module));
    }
  }
  auto table = rules::build_table(rules, modules);
  if (!table) {
    why = {rules[0].file, "the rules are about too much code for the in-process host",
           "give them a module, or use --host supervisor"};
  }
  return table;
}

}  // namespace kebound::tool
