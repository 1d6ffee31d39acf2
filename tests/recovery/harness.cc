// SPDX-License-Identifier: Apache-2.0
//
// Runs the shapes with the compiler's checks, takes the traps, and compares what is recovered with
// what the same program at the source says: which index was outside of which array. Where the check
// may be resumed, it is, with the nearest index, and the shape must come to the result of the source
// with that index. usage: HARNESS [-v]; prints counts as "name value" lines; exits with 1 if
// anything recovered was wrong.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "own_functions.h"
#include "shapes.h"
#include "trap/x86/check_recovery.h"
#include "trap/x86/recovery_cache.h"

extern "C" {
extern const Shape shapes_checked[];
extern const Shape shapes_reference[];
extern const Shape shapes_reference_variable[];
void fill_checked(void);
void fill_reference(void);
void fill_reference_variable(void);
}

namespace {

using namespace kebound;
using namespace kebound::x86;

struct Outside {
  long index;
  long length;
};
std::vector<Outside> notes;

constexpr unsigned kMaxEvents = 1000;
constexpr int kRefused = 1;
constexpr int kEndless = 2;
constexpr int kCrashed = 3;  // gcc reads the old value of a[i] += x before it checks i

RecoveryCache cache;
sigjmp_buf back;
std::vector<BoundEvent> events;
bool verbose = false;

size_t read_own(void*, uint64_t address, void* buffer, size_t size) noexcept {
  iovec local{buffer, size};
  iovec remote{reinterpret_cast<void*>(static_cast<uintptr_t>(address)), size};
  const ssize_t done = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
  return done < 0 ? 0 : static_cast<size_t>(done);
}

#if defined(__x86_64__)
constexpr CodeMode kMode = CodeMode::Bits64;
constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                            REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                            REG_R12, REG_R13, REG_R14, REG_R15};
constexpr int kIp = REG_RIP;
constexpr int kCount = 16;
using Word = unsigned long;
#else
constexpr CodeMode kMode = CodeMode::Bits32;
constexpr int kOrder[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
constexpr int kIp = REG_EIP;
constexpr int kCount = 8;
using Word = unsigned int;
#endif

void on_trap(int, siginfo_t*, void* raw) {
  auto& saved = static_cast<ucontext_t*>(raw)->uc_mcontext.gregs;
  Registers registers;
  for (int i = 0; i < kCount; ++i) registers.gpr[i] = static_cast<Word>(saved[kOrder[i]]);
  registers.rip = static_cast<Word>(saved[kIp]);
  registers.rflags = static_cast<Word>(saved[REG_EFL]);
  const RecoverySource source{kMode, {nullptr, read_own}, recovery_test::own_functions(), {}};
  BoundEvent event;
  Recovery recovery;
  const bool found = recover_check(source, registers, cache, event, recovery);
  if (!found) event.source = BoundSource::X86Bound;  // "not a bounds failure", for the report
  event.trap_ip = registers.rip;
  events.push_back(event);
  if (!found || !event.resumable) siglongjmp(back, kRefused);
  if (events.size() >= kMaxEvents) siglongjmp(back, kEndless);
  registers.rip = event.ip;
  const int64_t nearest = event.index < event.lower ? event.lower : event.upper;
  const Registers seen = registers;
  const ResumePlan plan = plan_resumption(event, recovery, seen, &nearest, registers);
  if (plan.verdict != Resumption::Resume) siglongjmp(back, kRefused);
  for (unsigned i = 0; i < plan.write_count; ++i) {
    memcpy(reinterpret_cast<void*>(static_cast<uintptr_t>(plan.writes[i].address)),
           &plan.writes[i].value, plan.writes[i].size);
  }
  for (int i = 0; i < kCount; ++i) saved[kOrder[i]] = static_cast<greg_t>(registers.gpr[i]);
  saved[kIp] = static_cast<greg_t>(registers.rip);
}

void on_crash(int, siginfo_t*, void*) { siglongjmp(back, kCrashed); }

std::map<std::string, unsigned> counts;
unsigned wrong = 0;

void complain(const Shape& shape, int i, int j, const char* what, const BoundEvent* event) {
  ++wrong;
  printf("WRONG %s(%d, %d): %s", shape.name, i, j, what);
  if (event != nullptr) {
    printf(": trap %s ip %lx, index %lld of %lld..%lld, width %u, %s",
           recovery_test::own_function_name(event->trap_ip), static_cast<long>(event->ip),
           static_cast<long long>(event->index), static_cast<long long>(event->lower),
           static_cast<long long>(event->upper), event->index_width,
           confidence_name(event->confidence));
  }
  printf("\n");
}

bool is_true(const BoundEvent& event, const std::vector<Outside>& truth) {
  const uint64_t mask =
      event.index_width == 64 ? ~uint64_t{0} : (uint64_t{1} << event.index_width) - 1;
  for (const Outside& outside : truth) {
    if ((static_cast<uint64_t>(static_cast<int64_t>(outside.index)) & mask) ==
            (event.index_raw & mask) &&
        event.lower == 0 && event.upper == outside.length - 1) {
      return true;
    }
  }
  return false;
}

// The compiler may have moved uses of the index behind the check that come before it in the source:
// then the result is that of a variable that was corrected as soon as it had its value.
// Runs the reference with the indices as they were corrected, until `accept` takes a result.
template <class Accept>
bool with_corrected(size_t n, int i, int j, Accept accept) {
  std::vector<int> corrected;
  for (const BoundEvent& event : events) {
    corrected.push_back(static_cast<int>(event.index < event.lower ? event.lower : event.upper));
  }
  std::vector<int> firsts = corrected;
  std::vector<int> seconds = corrected;
  firsts.push_back(i);
  seconds.push_back(j);
  for (const int first : firsts) {
    for (const int second : seconds) {
      notes.clear();
      fill_reference();
      if (accept(shapes_reference[n].run(first, second))) return true;
    }
  }
  return false;
}

bool is_earlier_correction(size_t n, int i, int j, long result) {
  const bool is = with_corrected(n, i, j, [result](long other) { return other == result; });
  if (is) ++counts["corrected_earlier"];
  return is;
}

void judge(size_t n, int i, int j, const BoundEvent& event, const std::vector<Outside>& truth) {
  const Shape& shape = shapes_checked[n];
  ++counts["events"];
  if (event.source == BoundSource::X86Bound) {
    ++counts["not_recognized"];
    ++counts[std::string("because_") + doubt_text(event.doubt)];
    return;
  }
  if (truth.empty()) return complain(shape, i, j, "an event, and nothing is out of bounds", &event);
  ++counts[confidence_name(event.confidence)];
  if (event.confidence == Confidence::Unknown) {
    ++counts[std::string("unknown: ") + doubt_text(event.doubt)];
    return;
  }
  // What was corrected before may be in the index by now.
  const auto follows = [&] {
    return &event != &events.front() &&
           with_corrected(n, i, j, [&](long) { return is_true(event, notes); });
  };
  if (!is_true(event, truth) && !follows()) {
    if (event.confidence == Confidence::Likely) {
      ++counts["likely_and_wrong"];
      if (verbose) printf("likely and wrong: %s(%d, %d)\n", shape.name, i, j);
    } else {
      complain(shape, i, j, "index or limit", &event);
    }
  }
  if (!event.resumable) ++counts[std::string("not resumable: ") + doubt_text(event.doubt)];
}

void run(size_t n, int i, int j) {
  const Shape& shape = shapes_checked[n];
  notes.clear();
  fill_reference();
  const long first = shapes_reference[n].run(i, j);
  fill_reference_variable();
  const long second = shapes_reference_variable[n].run(i, j);
  const std::vector<Outside> truth = notes;
  events.clear();
  fill_checked();
  ++counts["runs"];
  const int how = sigsetjmp(back, 1);
  volatile long result = 0;
  if (how == 0) result = shape.run(i, j);
  for (const BoundEvent& event : events) judge(n, i, j, event, truth);
  if (verbose) {
    for (const BoundEvent& event : events) {
      printf("%s(%d, %d): %s index %lld upper %lld, %s, %s, ip %lx\n", shape.name, i, j,
             source_name(event.source), static_cast<long long>(event.index),
             static_cast<long long>(event.upper), confidence_name(event.confidence),
             event.resumable ? "resumable" : doubt_text(event.doubt), static_cast<long>(event.ip));
    }
  }
  if (how == kEndless) complain(shape, i, j, "resumed for ever", &events.back());
  if (how == kCrashed) {
    ++counts["runs_crashed"];
    if (!events.empty()) complain(shape, i, j, "crashed when resumed", &events.back());
  }
  if (how == kRefused) ++counts["runs_refused"];
  if (how != 0) return;
  if (events.empty() && !truth.empty()) ++counts["runs_without_trap"];
  if (!events.empty()) ++counts["runs_resumed"];
  if (result != first && result != second && (events.empty() || !is_earlier_correction(n, i, j, result))) {
    complain(shape, i, j, "another result than the source", events.empty() ? nullptr : &events.back());
    printf("  %ld instead of %ld or %ld\n", static_cast<long>(result), first, second);
  }
}

}  // namespace

long note_outside(long index, long length) {
  notes.push_back({index, length});
  return index < 0 ? 0 : length - 1;
}

int main(int argc, char** argv) {
  verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
  const char* only = argc > 2 ? argv[2] : nullptr;
  recovery_test::load_own_functions();
  struct sigaction action = {};
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGILL, &action, nullptr);
  action.sa_sigaction = on_crash;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
  setvbuf(stdout, nullptr, _IOLBF, 0);
  constexpr int kFirst[] = {0, 2, 5, 9, 10, 12, 14, 17, 40, 200, 255, 300, 1000000, -1, -2, -7, -100, -2000000000};
  constexpr int kSecond[] = {0, 1, 3, 4, 7, 10, 13, 100, -1, -5};
  for (size_t n = 0; shapes_checked[n].name != nullptr; ++n) {
    if (only != nullptr && strcmp(only, shapes_checked[n].name) != 0) continue;
    for (const int i : kFirst) {
      for (const int j : kSecond) run(n, i, j);
    }
  }
  for (const auto& [name, count] : counts) printf("%s: %u\n", name.c_str(), count);
  printf("wrong: %u\n", wrong);
  return wrong != 0 ? 1 : 0;
}
