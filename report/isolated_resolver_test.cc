// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <random>
#include <thread>

#include "report/resolver.h"
#include "report/symbol_process.h"
#include "report/testing/capture.h"
#include "report/wire.h"

namespace kebound::report {
namespace {

using ::testing::IsEmpty;
using ::testing::Optional;
using namespace std::chrono_literals;

std::string fixture(const std::string& name) {
  return std::string(KEBOUND_REPORT_FIXTURES) + "/" + name;
}

// What the two ways of resolving say must not differ.
void expect_same(const std::vector<StackFrame>& left, const std::vector<StackFrame>& right) {
  ASSERT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    EXPECT_EQ(left[i].pc, right[i].pc);
    EXPECT_EQ(left[i].location.module, right[i].location.module);
    EXPECT_EQ(left[i].location.offset, right[i].location.offset);
    ASSERT_EQ(left[i].location.frames.size(), right[i].location.frames.size());
    for (size_t k = 0; k < left[i].location.frames.size(); ++k) {
      const auto& one = left[i].location.frames[k];
      const auto& other = right[i].location.frames[k];
      EXPECT_EQ(one.function, other.function);
      EXPECT_EQ(one.file, other.file);
      EXPECT_EQ(one.line, other.line);
      EXPECT_EQ(one.inlined, other.inlined);
    }
  }
}

TEST(IsolatedResolver, SaysWhatTheLocalOneSays) {
  const auto isolated = make_isolated_resolver("/usr/lib/debug");
  const auto local = make_local_resolver("/usr/lib/debug");
  ASSERT_TRUE(isolated);
  for (const auto* name : {"chain64", "chain32", "inlined64", "chain64_stripped"}) {
    const auto capture = testing::capture_fault({fixture(name)});
    ASSERT_TRUE(capture.ok) << capture.why;
    const uint64_t ip = capture.registers.rip;
    expect_same({{ip, isolated->locate(*capture.modules, ip)}},
                {{ip, local->locate(*capture.modules, ip)}});
    expect_same(isolated->backtrace(capture.registers, capture.stack, *capture.modules),
                local->backtrace(capture.registers, capture.stack, *capture.modules));
  }
}

TEST(IsolatedResolver, OpensFilesThatThisProcessHoldsOpen) {
  const auto capture = testing::capture_fault({fixture("chain64")});
  ASSERT_TRUE(capture.ok) << capture.why;
  const auto resolver = make_isolated_resolver("");
  ASSERT_TRUE(resolver);
  const int fd =
      open(fixture("chain64").c_str(), O_RDONLY | O_CLOEXEC);  // after the process was made
  ASSERT_GE(fd, 0);
  events::ModuleMap map;
  map.generation = 1;
  map.is_64bit = true;
  map.mappings = capture.modules->mappings;
  for (auto& mapping : map.mappings) {
    if (mapping.path == fixture("chain64"))
      mapping.open_path = "/proc/self/fd/" + std::to_string(fd);
  }
  const auto location = resolver->locate(map, capture.registers.rip);
  close(fd);
  ASSERT_EQ(location.frames.size(), 1u);
  EXPECT_EQ(location.frames[0].function, "pick");
}

// Hangs over one module, as a reader may over a crafted file.
class HangingResolver final : public Resolver {
 public:
  Location locate(const events::ModuleMap& modules, uint64_t address) override {
    if (modules.mappings.at(0).path == "/hangs") pause();
    if (modules.mappings.at(0).path == "/crashes") raise(SIGSEGV);
    return {modules.mappings.at(0).path, address, {{"found", "", 0, false}}};
  }
  std::vector<StackFrame> backtrace(const x86::Registers&, const events::StackSnapshot&,
                                    const events::ModuleMap&) override {
    pause();
    return {};
  }
};

TEST(IsolatedResolver, GivesUpAFileThatHangsTheReaderAndGoesOn) {
  const auto resolver =
      make_isolated_resolver([] { return std::make_unique<HangingResolver>(); }, 1);
  ASSERT_TRUE(resolver);
  const auto map_of = [](const char* path) {
    auto map = std::make_unique<events::ModuleMap>();
    map->mappings.push_back({0, 0x1000, 0, true, path, path});
    return map;
  };
  const auto start = std::chrono::steady_clock::now();
  for (const auto* hostile : {"/hangs", "/crashes"}) {
    const auto location = resolver->locate(*map_of(hostile), 1);
    EXPECT_EQ(location.module, hostile);
    EXPECT_FALSE(location.offset.has_value());
    EXPECT_THAT(location.frames, IsEmpty());
    EXPECT_EQ(resolver->locate(*map_of("/healthy"), 1).frames.at(0).function, "found");
  }
  // A backtrace that cannot be had is the one frame that is certain.
  x86::Registers registers;
  registers.rip = 7;
  const auto trace = resolver->backtrace(registers, {}, *map_of("/healthy"));
  ASSERT_EQ(trace.size(), 1u);
  EXPECT_EQ(trace[0].pc, 7u);
  EXPECT_EQ(trace[0].location.frames.at(0).function, "found");
  // Files that hang it again and again cost a bounded number of time limits.
  for (int i = 0; i < 100; ++i)
    EXPECT_THAT(resolver->locate(*map_of("/hangs"), 1).frames, IsEmpty());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 30s);
}

TEST(IsolatedResolver, ReturnsFromDebugInformationThatGoesInCircles) {
  const auto hostile = testing::capture_fault({fixture("hostile_dwarf")});
  ASSERT_TRUE(hostile.ok) << hostile.why;
  const auto resolver = make_isolated_resolver("", 5);
  ASSERT_TRUE(resolver);
  EXPECT_EQ(resolver->locate(*hostile.modules, hostile.registers.rip).module,
            fixture("hostile_dwarf"));
}

TEST(SymbolProcess, ReplacesAWorkerThatDiesAndOneThatThrows) {
  const auto process = SymbolProcess::start(
      [](std::string_view request) -> std::string {
        if (request == "crash") raise(SIGSEGV);
        if (request == "throw") throw std::bad_alloc();
        if (request == "sleep") pause();
        return "<" + std::string(request) + ">";
      },
      1);
  ASSERT_TRUE(process);
  EXPECT_THAT(process->ask("a"), Optional(std::string("<a>")));
  EXPECT_THAT(process->ask(std::string(1'000'000, 'x')), Optional(::testing::SizeIs(1'000'002)));
  for (const auto* deadly : {"crash", "throw", "sleep"}) {
    EXPECT_EQ(process->ask(deadly), std::nullopt) << deadly;
    EXPECT_THAT(process->ask("b"), Optional(std::string("<b>"))) << deadly;
  }
  EXPECT_EQ(process->workers_started(), 4u);
}

TEST(SymbolProcess, IsNobodysChildToWaitFor) {
  const auto process = SymbolProcess::start([](std::string_view) { return std::string("x"); }, 1);
  ASSERT_TRUE(process);
  EXPECT_TRUE(process->ask("a"));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(SymbolProcess, HoldsNoDescriptorOfItsOwnerOpen) {
  for (int i = 0; i < 50; ++i) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const auto process = SymbolProcess::start([](std::string_view) { return std::string(); }, 1);
    ASSERT_TRUE(process);
    close(ends[1]);
    struct pollfd readable = {ends[0], POLLIN, 0};
    EXPECT_EQ(poll(&readable, 1, 0), 1) << "another writer is left";
    close(ends[0]);
  }
}

TEST(SymbolProcess, EndsWithItsOwner) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t owner = fork();
  if (owner == 0) {
    auto process =
        SymbolProcess::start([](std::string_view) { return std::to_string(getpid()); }, 1);
    const auto worker = process ? process->ask("pid") : std::nullopt;
    if (worker && write(ends[1], worker->data(), worker->size()) > 0) raise(SIGKILL);
    _exit(1);
  }
  close(ends[1]);
  int status = 0;
  ASSERT_EQ(waitpid(owner, &status, 0), owner);
  ASSERT_TRUE(WIFSIGNALED(status));
  char text[32] = {};
  ASSERT_GT(read(ends[0], text, sizeof text - 1),
            0);  // nobody else holds the pipe: it reads to its end
  close(ends[0]);
  const pid_t worker = atoi(text);
  bool gone = false;
  for (int i = 0; i < 500 && !gone; ++i) {
    std::ifstream stat("/proc/" + std::to_string(worker) + "/stat");
    std::string line;
    std::getline(stat, line);
    const size_t name_end = line.rfind(')');
    gone = name_end == std::string::npos || line[name_end + 2] == 'Z';
    if (!gone) std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(gone) << worker;
}

TEST(Wire, ReadsBackWhatWasWrittenAndRefusesEverythingCutShort) {
  std::vector<StackFrame> frames = {{1, {"/m", 2, {{"f", "g.c", 3, true}, {"h", "", 0, false}}}},
                                    {4, {"", std::nullopt, {}, {}}}};
  wire::Writer out;
  wire::put(out, frames);
  wire::Reader whole(out.bytes());
  expect_same(wire::get_frames(whole), frames);
  for (size_t size = 0; size < out.bytes().size(); ++size) {
    wire::Reader cut(std::string_view(out.bytes()).substr(0, size));
    EXPECT_THAT(wire::get_frames(cut), IsEmpty());
  }
  std::mt19937 random(5);
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = out.bytes();
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    wire::Reader in(bytes);
    EXPECT_LE(wire::get_frames(in).size(), bytes.size());
  }
}

}  // namespace
}  // namespace kebound::report
