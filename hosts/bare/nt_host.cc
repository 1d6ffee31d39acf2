// SPDX-License-Identifier: Apache-2.0
//
// The NT face's host, its images, and the beginning of the kernel.
#include <string.h>

#include <new>

#include "hosts/bare/kernel.h"
#include "hosts/bare/machine.h"
#include "hosts/bare/memory.h"
#include "hosts/bare/threads.h"
#include "hosts/kernel/complaint_lines.h"
#include "nt/driver_call.h"
#include "nt/image_list.h"

namespace kebound::bare {

namespace {

extern "C" const uint8_t driver_begin[], driver_end[];
using Constructor = void (*)();
extern "C" const Constructor constructors_begin[], constructors_end[];

class BareHost final : public nt::Host {
 public:
  void debug_output(const nt::DebugOutput& output) override { log_line(debug_line(output)); }
  void violation(const nt::Violation& violation) override { log_line(violation_line(violation)); }
  [[noreturn]] void bug_check(const nt::BugCheck& record) override {
    log_line(bug_check_line(record));
    kernel_stopped();
  }
  [[nodiscard]] bool address_valid(uint64_t address) override {
    char byte;
    return address >= BARE_BASE || read_user(address, &byte, 1) == 1;
  }
};

// Never destroyed, and made by hand: nothing runs before kernel_main().
alignas(BareHost) constinit unsigned char g_host[sizeof(BareHost)] = {};

constexpr size_t kMaxImages = 16;
constinit Atomic<nt::Image*> g_images[kMaxImages];

}  // namespace

void print_line(const std::string& text) {
  const InterruptsOff off;
  write_serial(text.c_str(), text.size());
  write_serial("\n", 1);
}

void log_line(const std::string& text) {
  print_line(std::string("@log [") + std::to_string(now_ns() / 1'000'000) + ".0] kebound: " + text);
}

void panic(const char* what) noexcept {
  log_line(std::string("panic: ") + what);
  kernel_stopped();
}

void describe_driver(nt::Image& image, const char* name) {
  image.name = name;
  image.base = BARE_BASE;
  image.end = reinterpret_cast<uint64_t>(driver_end);
  image.executable[0] = {reinterpret_cast<uint64_t>(driver_begin),
                         reinterpret_cast<uint64_t>(driver_end)};
  image.executable_count = 1;
}

extern "C" [[noreturn]] void kernel_main() noexcept {
  start_machine();
  start_memory();
  start_threads();
  new (g_host) BareHost;
  for (const Constructor* c = constructors_begin; c != constructors_end; ++c) (*c)();
  start_timer();
  __asm__ volatile("sti" : : : "memory");
  kernel_run();
  leave_machine(0);
}

}  // namespace kebound::bare

namespace kebound::nt {

using bare::g_images;

Host& host() noexcept { return *reinterpret_cast<Host*>(bare::g_host); }

bool Host::address_valid(uint64_t) { return false; }

// The user's memory is the kernel's as well, and no processor keeps the kernel out of it: a call is
// enough. A kernel with SMAP opens it here.
RawAnswer call_driver(PBOUND_CALLBACK routine) { return static_cast<RawAnswer>(routine()); }

bool Image::contains_code(uint64_t address) const noexcept {
  for (size_t i = 0; i < executable_count; ++i) {
    if (address >= executable[i].begin && address < executable[i].end) return true;
  }
  return false;
}

void list_image(Image* image) {
  for (Atomic<Image*>& slot : g_images) {
    Image* expected = nullptr;
    if (slot.compare_exchange(expected, image)) return;
  }
  bare::panic("more images than there are places");
}

void unlist_image(const Image* image) noexcept {
  for (Atomic<Image*>& slot : g_images) {
    if (slot.load() == image) slot.store(nullptr);
  }
}

const Image* Facility::image_of(uint64_t address) noexcept {
  for (const Atomic<Image*>& slot : g_images) {
    const Image* const image = slot.load(MemoryOrder::Acquire);
    if (image != nullptr && image->contains_code(address)) return image;
  }
  return nullptr;
}

// This kernel has no symbols with it; who reads the lines has.
std::string Facility::describe(uint64_t address) {
  const Image* const image = image_of(address);
  return image != nullptr ? image->name + "+" + hex(address - image->base) : hex(address);
}

}  // namespace kebound::nt
