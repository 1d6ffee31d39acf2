// SPDX-License-Identifier: Apache-2.0
//
// conformance_fake CASE: runs one case on the fake host and prints one JSON object that says what
// happened; run_conformance.py judges it. conformance_fake --list: all cases.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "hosts/fake/fake_host.h"
#include "include/nt/kebound_nt/loader_entry.h"
#include "tests/conformance/allocation_count.h"
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

using nlohmann::json;

class ProgramOfFakeHost final : public HostUnderTest {
 public:
  ProgramOfFakeHost(fake::FakeHost& host, DRIVER_OBJECT* driver) : host_(host), driver_(driver) {}

  void start(unsigned thread, const Exception& exception) override {
    own_handler_[thread] = exception.own_handler;
    host_.set_bounds(thread, exception.lower, exception.upper);
    x86::Registers registers = host_.registers_at_bound(thread, exception.index);
    registers.gpr[x86::Rcx] = exception.ecx;
    registers.gpr[x86::Rbx] = exception.ebx;
    registers.gpr[x86::Rbp] = exception.ebp;
    registers.gpr[x86::Rsi] = exception.esi;
    registers.gpr[x86::Rdi] = exception.edi;
    if (exception.flavour == Flavour::UnmappedBounds)
      registers.gpr[x86::Rdx] = host_.unmapped_address();
    if (exception.flavour == Flavour::NullDataSegment) registers.ds = 0;
    host_.start(thread, registers);
  }

  Raised wait(unsigned thread) override {
    const fake::Outcome outcome = host_.wait(thread);
    Raised raised;
    switch (outcome.ending) {
      case fake::Outcome::Ending::HostDead:
        for (;;) pause();  // the case ends with its host
      case fake::Outcome::Ending::Resumed:
        raised.end = outcome.registers.rip == host_.elsewhere_address() ? Raised::End::Elsewhere
                                                                        : Raised::End::Behind;
        break;
      case fake::Outcome::Ending::Propagated:
        raised.end = Raised::End::Propagated;
        if (own_handler_[thread]) raised.trap = trap_of(outcome.verdict);
        break;
      case fake::Outcome::Ending::Terminated: {
        raised.end = Raised::End::Terminated;
        const std::lock_guard lock(mutex_);
        reason_ = outcome.reason;
        break;
      }
    }
    raised.registers = narrow(outcome.registers);
    return raised;
  }

  [[nodiscard]] uint64_t bound_address() const override { return host_.bound_address(); }
  [[nodiscard]] uint64_t elsewhere_address() const override { return host_.elsewhere_address(); }
  [[nodiscard]] uint64_t bounds_address(unsigned thread) const override {
    return host_.bounds_address(thread);
  }
  [[nodiscard]] uint64_t process_id() const override { return fake::kProcessId; }
  [[nodiscard]] uint64_t thread_id(unsigned thread) const override {
    return fake::kProcessId + 1 + thread;
  }
  [[nodiscard]] DRIVER_OBJECT* driver_object() const override { return driver_; }

  [[nodiscard]] uint64_t allocations() const override;

  void fail(const char* file, int line, const char* what) override {
    const std::lock_guard lock(mutex_);
    failures_.push_back(std::string(file) + ":" + std::to_string(line) + ": not so: " + what);
  }
  [[nodiscard]] json failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
  }
  [[nodiscard]] std::string reason() const {
    const std::lock_guard lock(mutex_);
    return reason_;
  }

 private:
  static uint32_t trap_of(x86::BoundVerdict verdict) {
    constexpr uint32_t kBoundRange = 5;
    constexpr uint32_t kGeneralProtection = 13;
    constexpr uint32_t kPageFault = 14;
    if (verdict == x86::BoundVerdict::Exceeded) return kBoundRange;
    return verdict == x86::BoundVerdict::Unreadable ? kPageFault : kGeneralProtection;
  }
  static ProgramRegisters narrow(const x86::Registers& r) {
    const auto low = [&](x86::Gpr gpr) { return static_cast<uint32_t>(r.gpr[gpr]); };
    return {low(x86::Rax), low(x86::Rcx), low(x86::Rdx),
            low(x86::Rbx), low(x86::Rsp), low(x86::Rbp),
            low(x86::Rsi), low(x86::Rdi), static_cast<uint32_t>(r.rflags)};
  }

  fake::FakeHost& host_;
  DRIVER_OBJECT* driver_;
  bool own_handler_[kThreads] = {};
  mutable std::mutex mutex_;
  json failures_ = json::array();
  std::string reason_;
};

uint64_t ProgramOfFakeHost::allocations() const { return allocations_of_this_thread(); }

json describe(const Case& c) {
  json hosts = json::array();
  if ((c.hosts & kFake) != 0) hosts.push_back("fake");
  if ((c.hosts & kSupervisor) != 0) hosts.push_back("supervisor");
  if ((c.hosts & kInproc64) != 0) hosts.push_back("inproc64");
  if ((c.hosts & kInproc32) != 0) hosts.push_back("inproc32");
  if ((c.hosts & kModule) != 0) hosts.push_back("module");
  hosts.push_back("bare");  // all, less those that tests/bare/not_in_bare.py names
  return {{"name", c.name},
          {"line", c.line},
          {"claim", c.claim},
          {"hosts", hosts},
          {"why_not", c.traits.why_not},
          {"windows", c.traits.windows},
          {"integrity_note", c.traits.integrity_note},
          {"livelock_limit", c.traits.livelock_limit},
          {"bug_check", c.traits.bug_check},
          {"bug_parameter",
           c.traits.bug_parameter == kAnyParameter ? json() : json(c.traits.bug_parameter)},
          {"bug_callback", c.traits.bug_callback},
          {"violation", c.traits.violation},
          {"violation_names", c.traits.violation_names},
          {"reason", c.traits.reason},
          {"entry_fails", c.traits.entry_fails}};
}

int list_cases() {
  json all = json::array();
  for (const Case* c = first_case(); c != nullptr; c = c->next) all.push_back(describe(*c));
  puts(all.dump(1).c_str());
  return 0;
}

struct Run {
  const Case* which;
  ProgramOfFakeHost* program;
  nt::Image* image;
  NTSTATUS entry_status = STATUS_SUCCESS;
};

// The life of a driver, as kebound lives it.
void live(fake::FakeHost& host, Run& run) {
  nt::Facility::add_image(run.image);
  if (!host.run_driver_code(
          [](void* opaque) {
            auto& r = *static_cast<Run*>(opaque);
            if (r.which->traits.entry != nullptr) r.entry_status = r.which->traits.entry();
            if (!NT_SUCCESS(r.entry_status)) nt::Facility::remove_image(r.image);
          },
          &run)) {
    return;
  }
  if (!host.run_driver_code(
          [](void* opaque) {
            auto& r = *static_cast<Run*>(opaque);
            r.which->body(*r.program);
          },
          &run)) {
    return;
  }
  if (NT_SUCCESS(run.entry_status) && !host.run_driver_code(
                                          [](void* opaque) {
                                            auto& r = *static_cast<Run*>(opaque);
                                            if (r.which->traits.unload != nullptr)
                                              r.which->traits.unload();
                                            nt::Facility::remove_image(r.image);
                                          },
                                          &run)) {
    return;
  }
  if (run.which->traits.gone != nullptr) run.which->traits.gone();
}

int run_one(const char* name) {
  const Case* const which = find_case(name);
  if (which == nullptr) {
    fprintf(stderr, "conformance_fake: no such case: %s\n", name);
    return 2;
  }
  fake::Options options;
  options.threads = kThreads;
  if (which->traits.windows) options.profile = nt::Profile::Windows;
  if (which->traits.livelock_limit >= 0)
    options.livelock_limit = static_cast<uint64_t>(which->traits.livelock_limit);
  // All of it stays: threads of a dead host may refer to it for as long as the process lives.
  auto& host = *new fake::FakeHost(options);
  auto& loader_entry = *new KEBOUND_LOADER_ENTRY{};
  if (which->traits.integrity_note) loader_entry.Flags |= KEBOUND_LOADER_INTEGRITYCHECK;
  auto& driver = *new DRIVER_OBJECT{};
  driver.DriverSection = &loader_entry;
  auto& image = *new nt::Image(fake::program_image(&loader_entry));
  auto& program = *new ProgramOfFakeHost(host, &driver);
  running_host() = &program;
  auto& run = *new Run{which, &program, &image};
  live(host, run);

  json violations = json::array();
  for (const nt::Violation& v : host.violations()) {
    violations.push_back({{"rule", v.rule}, {"callback", v.callback}, {"message", v.message}});
  }
  json bug_check;
  if (const auto record = host.bug_check_record()) {
    bug_check = {{"code", record->code},
                 {"parameters", record->parameters},
                 {"driver", record->driver},
                 {"callback", record->callback},
                 {"explanation", record->explanation},
                 {"pid", record->pid},
                 {"tid", record->tid}};
  }
  const json result = {{"failures", program.failures()},
                       {"violations", violations},
                       {"bug_check", bug_check},
                       {"reason", program.reason()},
                       {"entry_status", static_cast<uint32_t>(run.entry_status)},
                       {"image", image.name}};
  puts(result.dump().c_str());
  fflush(stdout);
  _exit(0);  // past the threads of a dead host
}

}  // namespace
}  // namespace kebound::conformance

int main(int argc, char** argv) {
  if (argc != 2) {
    fputs("usage: conformance_fake CASE | --list\n", stderr);
    return 2;
  }
  if (strcmp(argv[1], "--list") == 0) return kebound::conformance::list_cases();
  return kebound::conformance::run_one(argv[1]);
}
