// SPDX-License-Identifier: Apache-2.0
#include "hosts/bare/machine.h"

#include <string.h>

namespace kebound::bare {

namespace {

extern "C" uint8_t vector_stubs[256][16];
extern "C" uint64_t boot_information, restarts;
extern "C" const uint8_t kebound_bare_bound_site[];

void out_byte(uint16_t port, uint8_t value) noexcept {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
uint8_t in_byte(uint16_t port) noexcept {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
void write_msr(uint32_t number, uint64_t value) noexcept {
  __asm__ volatile("wrmsr"
                   :
                   : "c"(number), "a"(static_cast<uint32_t>(value)),
                     "d"(static_cast<uint32_t>(value >> 32))
                   : "memory");
}
struct CpuId {
  uint32_t a, b, c, d;
};
CpuId cpuid(uint32_t leaf, uint32_t subleaf) noexcept {
  CpuId r;
  __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
  return r;
}

struct [[gnu::packed]] TaskState {
  uint32_t reserved0;
  uint64_t rsp[3];
  uint64_t reserved1;
  uint64_t interrupt_stack[7];
  uint64_t reserved2;
  uint16_t reserved3;
  uint16_t io_map;
};
constinit TaskState g_task_state;

constinit uint64_t g_descriptors[] = {
    0,
    0,
    0x00af9a000000ffff,  // BARE_KERNEL_CS
    0x00cf92000000ffff,  // BARE_KERNEL_SS
    0x00cffa000000ffff,  // BARE_USER_CS32
    0x00cff2000000ffff,  // BARE_USER_DS
    0x00affa000000ffff,  // BARE_USER_CS64
    0,
    0,  // BARE_TSS, both
    0,
};

struct Gate {
  uint64_t low, high;
};
constinit Gate g_gates[256];

struct [[gnu::packed]] TablePointer {
  uint16_t limit;
  uint64_t address;
};

void load_descriptors() noexcept {
  const auto task = reinterpret_cast<uint64_t>(&g_task_state);
  constexpr uint64_t kAvailableTask = 0x89;
  g_task_state.io_map = sizeof g_task_state;
  uint64_t* const entry = &g_descriptors[BARE_TSS / 8];
  entry[0] = (sizeof g_task_state - 1) | (task & 0xffffff) << 16 | kAvailableTask << 40 |
             (task >> 24 & 0xff) << 56;
  entry[1] = task >> 32;
  const TablePointer pointer = {sizeof g_descriptors - 1,
                                reinterpret_cast<uint64_t>(g_descriptors)};
  __asm__ volatile(
      "lgdt %0\n\t"
      "movl %1, %%ds\n\tmovl %1, %%es\n\tmovl %2, %%fs\n\tmovl %2, %%gs\n\t"
      "ltr %w3"
      :
      : "m"(pointer), "r"(BARE_USER_DS), "r"(0), "r"(BARE_TSS)
      : "memory");
}

void load_vectors() noexcept {
  for (unsigned i = 0; i < 256; ++i) {
    const auto stub = reinterpret_cast<uint64_t>(vector_stubs[i]);
    // Only system calls are for user mode to raise by INT. BOUND checks no privilege level.
    const uint64_t level = i >= kVectorSystemCall && i <= kLastReport ? 3 : 0;
    const uint64_t type = 0x8e | level << 5;  // interrupts are off behind it
    g_gates[i].low =
        (stub & 0xffff) | uint64_t{BARE_KERNEL_CS} << 16 | type << 40 | (stub >> 16 & 0xffff) << 48;
    g_gates[i].high = stub >> 32;
  }
  const TablePointer pointer = {sizeof g_gates - 1, reinterpret_cast<uint64_t>(g_gates)};
  __asm__ volatile("lidt %0" : : "m"(pointer));
}

// The old pair of interrupt controllers, all of it off but the timer.
void route_interrupts() noexcept {
  constexpr uint16_t kFirst = 0x20, kSecond = 0xa0;
  out_byte(kFirst, 0x11);
  out_byte(kSecond, 0x11);
  out_byte(kFirst + 1, kFirstInterrupt);
  out_byte(kSecond + 1, kFirstInterrupt + 8);
  out_byte(kFirst + 1, 4);
  out_byte(kSecond + 1, 2);
  out_byte(kFirst + 1, 1);
  out_byte(kSecond + 1, 1);
  out_byte(kFirst + 1, 0xff);
  out_byte(kSecond + 1, 0xff);
}

constinit uint64_t g_extended_components = 0;

void allow_extended_state() noexcept {
  constexpr uint32_t kXsave = 1u << 26;
  constexpr uint64_t kOsXsave = 1u << 18;
  constexpr uint32_t kWanted = 0x1f;  // x87, SSE, AVX, and the two of MPX
  if ((cpuid(1, 0).c & kXsave) == 0) return;
  uint64_t cr4;
  __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
  __asm__ volatile("movq %0, %%cr4" : : "r"(cr4 | kOsXsave));
  g_extended_components = cpuid(0xd, 0).a & kWanted;
  __asm__ volatile("xsetbv" : : "c"(0), "a"(static_cast<uint32_t>(g_extended_components)), "d"(0));
}

}  // namespace

void start_machine() noexcept {
  load_descriptors();
  load_vectors();
  route_interrupts();
  allow_extended_state();
}

void start_timer() noexcept {
  constexpr uint16_t kDivisor = 1193;  // of 1,193,182 Hz
  out_byte(0x43, 0x34);
  out_byte(0x40, kDivisor & 0xff);
  out_byte(0x40, kDivisor >> 8);
  out_byte(0x21, 0xfe);
}

void stop_timer() noexcept { out_byte(0x21, 0xff); }

void acknowledge_timer() noexcept { out_byte(0x20, 0x20); }

void set_kernel_stack(uint64_t top) noexcept { g_task_state.rsp[0] = top; }

void set_gs_base(const void* base) noexcept {
  constexpr uint32_t kGsBase = 0xc0000101;
  constexpr uint32_t kKernelGsBase = 0xc0000102;
  write_msr(kGsBase, reinterpret_cast<uint64_t>(base));
  write_msr(kKernelGsBase, 0);
}

void save_extended_state(void* area) noexcept {
  const uint64_t components = g_extended_components;
  if (components == 0) return;
  __asm__ volatile("xsave64 (%0)"
                   :
                   : "r"(area), "a"(static_cast<uint32_t>(components)), "d"(0)
                   : "memory");
}

void load_extended_state(const void* area) noexcept {
  const uint64_t components = g_extended_components;
  if (components == 0) return;
  __asm__ volatile("xrstor64 (%0)"
                   :
                   : "r"(area), "a"(static_cast<uint32_t>(components)), "d"(0)
                   : "memory");
}

void raise_bound_in_kernel() noexcept {
  constexpr uint32_t kBndCfgs = 0xd90;
  constexpr uint32_t kMpx = 1u << 14;
  if ((cpuid(7, 0).b & kMpx) == 0) return;
  write_msr(kBndCfgs, 1);
  // bnd0 = [0x1000, 0x1009]; the check is of 0x100a.
  __asm__ volatile(
      "bndmk 9(%0), %%bnd0\n"
      ".globl kebound_bare_bound_site\n"
      "kebound_bare_bound_site:\n\t"
      "bndcu %1, %%bnd0"
      :
      : "r"(uint64_t{0x1000}), "r"(uint64_t{0x100a}));
  write_msr(kBndCfgs, 0);
}

uint64_t bound_in_kernel() noexcept { return reinterpret_cast<uint64_t>(kebound_bare_bound_site); }

void write_serial(const char* text, size_t size) noexcept {
  constexpr uint16_t kLine = 0x3f8;
  constexpr uint8_t kEmpty = 0x20;
  for (size_t i = 0; i < size; ++i) {
    while ((in_byte(kLine + 5) & kEmpty) == 0) {
    }
    out_byte(kLine, static_cast<uint8_t>(text[i]));
  }
}

void leave_machine(uint8_t status) noexcept {
  out_byte(0xf4, status);
  for (;;) __asm__ volatile("cli; hlt");
}

const char* command_line() noexcept {
  // The boot loader's structure: flags, and the line at 16 where bit 2 of them is set.
  const auto* const information =
      reinterpret_cast<const uint32_t*>(BARE_BASE + static_cast<uint32_t>(boot_information));
  constexpr uint32_t kHasCommandLine = 1u << 2;
  if ((information[0] & kHasCommandLine) == 0) return "";
  return reinterpret_cast<const char*>(BARE_BASE + uint64_t{information[4]});
}

uint64_t restart_count() noexcept { return restarts; }

}  // namespace kebound::bare
