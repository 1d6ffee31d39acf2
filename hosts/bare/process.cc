// SPDX-License-Identifier: Apache-2.0
#include "hosts/bare/process.h"

#include <string.h>

#include "hosts/bare/kernel.h"
#include "hosts/bare/memory.h"
#include "hosts/kernel/services.h"
#include "trap/x86/trap_numbers.h"

namespace kebound::bare {

namespace {

// CF PF AF ZF SF TF DF OF and ID: what a program may set for itself.
constexpr uint64_t kUserFlags = 0x00200dd5;
constexpr uint64_t kFixedFlags = 0x202;

template <class T>
[[nodiscard]] bool take(const uint8_t* file, size_t size, uint64_t at, T& out) noexcept {
  if (at > size || size - at < sizeof out) return false;
  memcpy(&out, file + at, sizeof out);
  return true;
}

// What of a program header matters, of either class.
struct Segment {
  uint64_t offset, address, in_file, in_memory;
  bool loaded;
};

struct Header {
  bool elf64;
  uint64_t entry, headers;
  uint16_t header_size, header_count;
};

[[nodiscard]] bool read_header(const uint8_t* file, size_t size, Header& out) noexcept {
  constexpr uint8_t kMagic[] = {0x7f, 'E', 'L', 'F'};
  if (size < 16 || memcmp(file, kMagic, sizeof kMagic) != 0) return false;
  out.elf64 = file[4] == 2;
  uint32_t entry = 0;
  uint32_t headers = 0;
  if (out.elf64)
    return take(file, size, 24, out.entry) && take(file, size, 32, out.headers) &&
           take(file, size, 54, out.header_size) && take(file, size, 56, out.header_count);
  if (!take(file, size, 24, entry) || !take(file, size, 28, headers)) return false;
  out.entry = entry;
  out.headers = headers;
  return take(file, size, 42, out.header_size) && take(file, size, 44, out.header_count);
}

[[nodiscard]] bool read_segment(const uint8_t* file, size_t size, const Header& header,
                                uint16_t index, Segment& out) noexcept {
  constexpr uint32_t kLoad = 1;
  const uint64_t at = header.headers + uint64_t{index} * header.header_size;
  uint32_t type = 0;
  if (!take(file, size, at, type)) return false;
  out.loaded = type == kLoad;
  if (header.elf64)
    return take(file, size, at + 8, out.offset) && take(file, size, at + 16, out.address) &&
           take(file, size, at + 32, out.in_file) && take(file, size, at + 40, out.in_memory);
  uint32_t words[5];  // offset, virtual and physical address, sizes
  if (!take(file, size, at + 4, words)) return false;
  out.offset = words[0];
  out.address = words[1];
  out.in_file = words[3];
  out.in_memory = words[4];
  return true;
}

[[nodiscard]] bool load_segment(const uint8_t* file, size_t size, const Segment& segment) noexcept {
  if (segment.offset > size || segment.in_file > size - segment.offset ||
      segment.in_file > segment.in_memory)
    return false;
  return map_user(segment.address, segment.in_memory) &&
         write_user(segment.address, file + segment.offset, segment.in_file) == segment.in_file;
}

void begin_user_thread(void* frame) noexcept {
  const Frame copy = *static_cast<const Frame*>(frame);
  kb_free(frame);
  enter_user_mode(copy);
}

void resume(Frame& frame, uint64_t address) noexcept {
  user_context context;
  if (read_user(address, &context, sizeof context) != sizeof context || context.rip >= kUserEnd ||
      (context.cs != BARE_USER_CS32 && context.cs != BARE_USER_CS64)) {
    frame.vector = kVectorGeneralProtection;
    return deliver_exception(frame);
  }
  memcpy(frame.gpr, context.gpr, sizeof frame.gpr);
  frame.rip = context.rip;
  frame.rsp = context.gpr[x86::Rsp];
  frame.cs = context.cs;
  frame.ss = BARE_USER_DS;
  frame.rflags = (context.rflags & kUserFlags) | kFixedFlags;
}

// A program's text, cut to what a line has room for.
[[nodiscard]] std::string text_of(uint64_t address, uint64_t size) {
  char text[200];
  return std::string(text, read_user(address, text, size < sizeof text ? size : sizeof text));
}

}  // namespace

bool load_program(Process& process, const uint8_t* file, size_t size, uint64_t& entry) noexcept {
  Header header;
  if (!read_header(file, size, header)) return false;
  uint64_t base = kUserEnd;
  for (uint16_t i = 0; i < header.header_count; ++i) {
    Segment segment;
    if (!read_segment(file, size, header, i, segment)) return false;
    if (!segment.loaded) continue;
    if (!load_segment(file, size, segment)) return false;
    if (segment.address < base) base = segment.address;
  }
  entry = header.entry;
  elf::ProgramHeaders headers;
  process.has_image = elf::find_program_headers(base, user_memory(), headers) &&
                      elf::read_image(headers, user_memory(), process.image);
  process.numbers_its_traps = false;
  for (size_t i = 0; process.has_image && i < process.image.text_count; ++i) {
    process.numbers_its_traps |=
        x86::numbers_its_traps(process.image.text[i], process.image.mode, user_memory());
  }
  return true;
}

Thread* start_user_thread(Process& process, const UserStart& start) noexcept {
  auto* const frame = static_cast<Frame*>(kb_allocate(sizeof(Frame)));
  if (frame == nullptr) return nullptr;
  frame->rip = start.entry;
  frame->cs = start.code_selector;
  frame->rflags = kFixedFlags;
  frame->rsp = (start.stack_top & ~uint64_t{15}) - 16;
  frame->ss = BARE_USER_DS;
  frame->gpr[x86::Rax] = start.rax;
  frame->gpr[x86::Rdx] = start.rdx;
  frame->gpr[x86::Rbx] = start.rbx;
  return new_thread(begin_user_thread, frame, &process);
}

void end_process(Process& process, Ending ending) noexcept {
  if (process.ending == Ending::Alive) process.ending = ending;
  wake(&process);
}

void wait_for_end(const Process& process) noexcept {
  const InterruptsOff off;
  while (process.ending == Ending::Alive) wait_on(&process, kNever);
}

void deliver_exception(Frame& frame) noexcept {
  Process& process = *running_thread().process;
  uint64_t fault_address;
  __asm__ volatile("movq %%cr2, %0" : "=r"(fault_address));
  user_context context;
  memcpy(context.gpr, frame.gpr, sizeof context.gpr);
  context.gpr[x86::Rsp] = frame.rsp;
  context.rip = frame.rip;
  context.rflags = frame.rflags;
  context.cs = static_cast<uint32_t>(frame.cs);
  context.ss = static_cast<uint32_t>(frame.ss);
  context.vector = static_cast<uint32_t>(frame.vector);
  context.error = static_cast<uint32_t>(frame.error);
  context.fault_address = frame.vector == kVectorPageFault ? fault_address : 0;
  constexpr uint64_t kRedZone = 128;
  const uint64_t at = (frame.rsp - kRedZone - sizeof context) & ~uint64_t{15};
  if (process.handler == 0 || write_user(at, &context, sizeof context) != sizeof context) {
    process.unhandled_vector = static_cast<unsigned>(frame.vector);
    return end_process(process, Ending::Unhandled);
  }
  frame.rsp = at;
  frame.rip = process.handler;
  frame.rflags = kFixedFlags;
  frame.cs = process.handler_selector;
}

void on_system_call(Frame& frame) noexcept {
  Process& process = *running_thread().process;
  const uint64_t first = frame.gpr[x86::Rbx];
  const uint64_t second = frame.gpr[x86::Rcx];
  switch (static_cast<uint32_t>(frame.gpr[x86::Rax])) {
    case kCallExit:
      process.exit_status = first;
      return end_process(process, Ending::Exited);
    case kCallPrint:
      return print_line(text_of(first, second));
    case kCallMap:
      frame.gpr[x86::Rax] = map_user(first, second) ? 0 : 0xffffffff;
      return;
    case kCallHandler:
      process.handler = first;
      process.handler_selector = static_cast<uint16_t>(frame.cs);
      return;
    case kCallResume:
      return resume(frame, first);
    default:
      frame.vector = kVectorGeneralProtection;
      return deliver_exception(frame);
  }
}

}  // namespace kebound::bare
