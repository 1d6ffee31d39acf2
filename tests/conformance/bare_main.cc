// SPDX-License-Identifier: Apache-2.0
//
// The suite in the kernel of hosts/bare: the case is a driver that is linked in, against a program
// of four 32-bit threads in user mode (bare_program.S).
#include "tests/conformance/bare_main.h"

#include <string.h>

#include "hosts/bare/kernel.h"
#include "hosts/bare/memory.h"
#include "hosts/bare/process.h"
#include "hosts/bare/threads.h"
#include "include/nt/kebound_nt/loader_entry.h"
#include "tests/conformance/ordered_program.h"

namespace kebound::conformance {

namespace {

using namespace kebound::bare;

extern "C" const uint8_t bare_program[], bare_program_bound[], bare_program_elsewhere[],
    bare_program_handler[], bare_program_end[];

constexpr uint64_t kProgramAt = 0x400000;
constexpr uint64_t kStacksAt = 0x500000;
constexpr uint64_t kStackSize = 16384;
constexpr uint64_t kUnmappedAt = 0x600000;
constexpr unsigned kReportOrder = kFirstReport;  // and then kLanding...
constexpr uint64_t kFirstProcess = 1000;

uint32_t in_program(const uint8_t* place) {
  return static_cast<uint32_t>(kProgramAt + static_cast<uint64_t>(place - bare_program));
}

conformance_shared& memory() {
  return *reinterpret_cast<conformance_shared*>(uint64_t{kConformanceAddress});
}

constinit Process g_processes[8];
constinit Thread* g_threads[kConformanceThreads];
constinit uint32_t g_served[kConformanceThreads];

conformance_slot& slot_of_running_thread(unsigned& index) {
  for (index = 0; g_threads[index] != &running_thread();) ++index;
  return memory().slots[index];
}

// What a thread of the program does when it asks for an order: it gets the registers, and goes on
// with its BOUND.
void take_order(Frame& frame) {
  unsigned index = 0;
  conformance_slot& slot = slot_of_running_thread(index);
  Process& process = *running_thread().process;
  {
    const InterruptsOff off;
    while (__atomic_load_n(&slot.request, __ATOMIC_ACQUIRE) == g_served[index]) {
      if (process.ending != Ending::Alive) return;
      wait_on(&slot, kNever);
    }
  }
  g_served[index] = slot.request;
  process.handler = slot.own_handler != 0 ? in_program(bare_program_handler) : 0;
  const conformance_registers& in = slot.in;
  const uint64_t gpr[8] = {in.eax, in.ecx, in.edx, in.ebx, frame.rsp, in.ebp, in.esi, in.edi};
  memcpy(frame.gpr, gpr, sizeof gpr);
  frame.rflags = in.eflags;
}

void note(conformance_slot& slot, const uint64_t* gpr, uint64_t rsp, uint64_t flags) {
  const auto low = [](uint64_t value) { return static_cast<uint32_t>(value); };
  slot.out = {low(gpr[x86::Rax]), low(gpr[x86::Rcx]), low(gpr[x86::Rdx]),
              low(gpr[x86::Rbx]), low(rsp),           low(gpr[x86::Rbp]),
              low(gpr[x86::Rsi]), low(gpr[x86::Rdi]), low(flags)};
}

// Its registers behind the BOUND, at the other place, or in its handler.
void take_report(Frame& frame) {
  if (frame.vector == kReportOrder) return take_order(frame);
  unsigned index = 0;
  conformance_slot& slot = slot_of_running_thread(index);
  slot.landing = static_cast<uint32_t>(frame.vector - kReportOrder - 1);
  slot.trap = 0;
  note(slot, frame.gpr, frame.rsp, frame.rflags);
  if (slot.landing == kLandingHandler) {
    user_context context;
    if (read_user(frame.rsp, &context, sizeof context) != sizeof context ||
        context.rip != in_program(bare_program_bound)) {
      return end_process(*running_thread().process, Ending::Unhandled);
    }
    slot.trap = context.vector;
    note(slot, context.gpr, context.gpr[x86::Rsp], context.rflags);
    frame.rsp = context.gpr[x86::Rsp];
  }
  __atomic_store_n(&slot.done, g_served[index], __ATOMIC_RELEASE);
}

// A process with its threads, as long as there is a case: the next one when one has ended.
void keep_a_process(void*) {
  for (uint32_t generation = 1;; ++generation) {
    Process& process = g_processes[(generation - 1) % 8];
    process = {};
    process.id = kFirstProcess + generation;
    process.on_report = take_report;
    for (unsigned i = 0; i < kConformanceThreads; ++i) {
      const InterruptsOff off;
      // An order to a dead process stays unserved.
      g_served[i] = memory().slots[i].request;
      g_threads[i] = start_user_thread(
          process, {.entry = kProgramAt, .stack_top = kStacksAt + (i + 1) * kStackSize});
      if (g_threads[i] == nullptr) panic("no thread for the program");
      memory().slots[i].tid = static_cast<uint32_t>(thread_id(*g_threads[i]));
    }
    memory().worker_pid = static_cast<int32_t>(process.id);
    __atomic_store_n(&memory().ready, generation, __ATOMIC_RELEASE);
    wait_for_end(process);
    constexpr int kSegv = 11;
    constexpr int kKill = 9;
    memory().last_status = process.ending == Ending::Terminated ? kKill : kSegv;
    __atomic_add_fetch(&memory().deaths, 1, __ATOMIC_RELEASE);
  }
}

class ProgramInBareKernel final : public OrderedProgram {
 public:
  explicit ProgramInBareKernel(DRIVER_OBJECT* driver) : OrderedProgram(driver) { use(&memory()); }

  void start(unsigned thread, const Exception& exception) override {
    // Told to raise one by a callback on that very thread: it is in the kernel, and so is the #BR.
    if (&running_thread() == g_threads[thread]) raise_bound_in_kernel();
    wait_for_worker();
    OrderedProgram::start(thread, exception);
    wake(&memory().slots[thread]);
  }

  [[nodiscard]] uint64_t allocations() const override { return allocation_count(); }

  void fail(const char* file, int line, const char* what) override {
    print_line(std::string("@check FAILED ") + file + ":" + std::to_string(line) +
               ": not so: " + what);
  }

 protected:
  // A millisecond where nobody else has anything to do.
  void pause_briefly() override {
    if (!yield()) sleep_until(now_ns() + 1);
  }
};

[[nodiscard]] bool make_program() {
  if (!map_user(kProgramAt, kPageSize) || !map_user(kStacksAt, kConformanceThreads * kStackSize) ||
      !map_user(kConformanceAddress, kConformanceSize))
    return false;
  const auto size = static_cast<size_t>(bare_program_end - bare_program);
  if (write_user(kProgramAt, bare_program, size) != size) return false;
  memory().bound_address = in_program(bare_program_bound);
  memory().elsewhere_address = in_program(bare_program_elsewhere);
  memory().unmapped_address = kUnmappedAt;
  memory().address = kConformanceAddress;
  return new_thread(keep_a_process, nullptr, nullptr) != nullptr;
}

}  // namespace

// The life of a driver, as the other hosts live it.
void run_case(const Case& which) {
  const Traits& traits = which.traits;
  nt::Facility::configure(traits.windows ? nt::Profile::Windows : nt::Profile::Default);
  if (traits.livelock_limit >= 0)
    g_settings.livelock_limit = static_cast<uint64_t>(traits.livelock_limit);
  if (!make_program()) panic("the program of the suite has no room");

  static KEBOUND_LOADER_ENTRY loader_entry;
  static DRIVER_OBJECT driver;
  static nt::Image image;
  if (traits.integrity_note) loader_entry.Flags |= KEBOUND_LOADER_INTEGRITYCHECK;
  driver.DriverSection = &loader_entry;
  describe_driver(image, "conformance");
  image.loader_entry = &loader_entry;
  nt::Facility::add_image(&image);
  static ProgramInBareKernel program(&driver);
  running_host() = &program;
  program.wait_for_worker();

  nt::Thread& thread = running_thread().nt;
  NTSTATUS status = STATUS_SUCCESS;
  if (traits.entry != nullptr) {
    const nt::ScopedInside inside(thread, &image);
    status = traits.entry();
  }
  if (!NT_SUCCESS(status)) nt::Facility::remove_image(&image);
  {
    const nt::ScopedInside inside(thread, &image);
    which.body(program);
  }
  if (NT_SUCCESS(status)) {
    if (traits.unload != nullptr) {
      const nt::ScopedInside inside(thread, &image);
      traits.unload();
    }
    nt::Facility::remove_image(&image);
  }
  if (traits.gone != nullptr) traits.gone();
}

}  // namespace kebound::conformance
