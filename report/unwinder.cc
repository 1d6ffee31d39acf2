// SPDX-License-Identifier: Apache-2.0
#include "report/unwinder.h"

#include <elf.h>
#include <elfutils/libdwfl.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "report/module_symbols.h"

namespace kebound::report {
namespace {

constexpr size_t kMaxSessions = 4;
constexpr pid_t kThread = 1;  // libdwfl wants a process and a thread ID; nobody looks at them
constexpr uint16_t kUserCode32 = 0x23;

// DWARF's numbering of the registers, as x86::Gpr.
constexpr std::array<uint8_t, 16> kDwarf64 = {
    x86::Rax, x86::Rdx, x86::Rcx, x86::Rbx, x86::Rsi, x86::Rdi, x86::Rbp, x86::Rsp,
    x86::R8,  x86::R9,  x86::R10, x86::R11, x86::R12, x86::R13, x86::R14, x86::R15};
constexpr std::array<uint8_t, 8> kDwarf32 = {x86::Rax, x86::Rcx, x86::Rdx, x86::Rbx,
                                             x86::Rsp, x86::Rbp, x86::Rsi, x86::Rdi};

// No more than what tells libdwfl the architecture, whichever of the target's files can be read.
template <typename Header>
std::array<char, sizeof(Header)> bare_header(unsigned char elf_class, uint16_t machine) {
  Header header{};
  memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = elf_class;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = machine;
  header.e_version = EV_CURRENT;
  header.e_ehsize = sizeof header;
  std::array<char, sizeof header> bytes;
  memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

bool is_code(const events::ModuleMap& modules, uint64_t address) {
  const auto* mapping = find_mapping(modules, address);
  return mapping != nullptr && mapping->executable;
}

bool read_stack(const events::StackSnapshot& stack, uint64_t address, void* to, size_t size) {
  if (address < stack.address) return false;
  const uint64_t offset = address - stack.address;
  if (offset > stack.bytes.size() || size > stack.bytes.size() - offset) return false;
  memcpy(to, stack.bytes.data() + offset, size);
  return true;
}

// A little-endian word of the target's size: the low bytes of the result.
bool read_word(const events::StackSnapshot& stack, uint64_t address, size_t size, uint64_t& word) {
  word = 0;
  return read_stack(stack, address, &word, size);
}

}  // namespace

// libdwfl's idea of one address space. Made once per map generation; the state of the stop at hand
// is put in before each walk.
class Unwinder::Session {
 public:
  Session(const events::ModuleMap& modules, Symbolizer& symbolizer);
  [[nodiscard]] uint64_t generation() const { return generation_; }
  [[nodiscard]] Backtrace unwind(const x86::Registers& registers,
                                 const events::StackSnapshot& stack,
                                 const events::ModuleMap& modules);

 private:
  static int find_elf(Dwfl_Module*, void** userdata, const char*, Dwarf_Addr, char**, Elf** elf);
  static int no_debuginfo(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*,
                          GElf_Word, char**) {
    return -1;  // .eh_frame is in the program itself; .debug_frame of a separate file is not worth
                // its copy
  }
  static bool get_thread(Dwfl*, pid_t, void* self, void** thread);
  static pid_t next_thread(Dwfl*, void* self, void** thread);
  static bool read_memory(Dwfl*, Dwarf_Addr address, Dwarf_Word* result, void* self);
  static bool set_registers(Dwfl_Thread* thread, void* self);
  static int on_frame(Dwfl_Frame* frame, void* self);
  static const Dwfl_Callbacks kModuleCallbacks;
  static const Dwfl_Thread_Callbacks kThreadCallbacks;

  void report_modules(const events::ModuleMap& modules, Symbolizer& symbolizer);
  bool read_text(uint64_t address, void* to, size_t size) const;

  uint64_t generation_;
  bool is_64bit_;
  std::map<uint64_t, std::shared_ptr<const ElfFile>> images_;  // by load bias
  ScopedDwfl dwfl_;
  bool attached_ = false;

  const x86::Registers* registers_ = nullptr;
  const events::StackSnapshot* stack_ = nullptr;
  const events::ModuleMap* modules_ = nullptr;
  Symbolizer& symbolizer_;
  Backtrace* result_ = nullptr;
};

const Dwfl_Callbacks Unwinder::Session::kModuleCallbacks = {
    .find_elf = &Session::find_elf,
    .find_debuginfo = &Session::no_debuginfo,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = nullptr,
};

const Dwfl_Thread_Callbacks Unwinder::Session::kThreadCallbacks = {
    .next_thread = &Session::next_thread,
    .get_thread = &Session::get_thread,
    .memory_read = &Session::read_memory,
    .set_initial_registers = &Session::set_registers,
    .detach = nullptr,
    .thread_detach = nullptr,
};

Unwinder::Session::Session(const events::ModuleMap& modules, Symbolizer& symbolizer)
    : generation_(modules.generation),
      is_64bit_(modules.is_64bit),
      dwfl_(dwfl_begin(&kModuleCallbacks)),
      symbolizer_(symbolizer) {
  if (!dwfl_) return;
  report_modules(modules, symbolizer);
  auto header64 = bare_header<Elf64_Ehdr>(ELFCLASS64, EM_X86_64);
  auto header32 = bare_header<Elf32_Ehdr>(ELFCLASS32, EM_386);
  elf_version(EV_CURRENT);
  const ScopedElf elf(is_64bit_ ? elf_memory(header64.data(), header64.size())
                                : elf_memory(header32.data(), header32.size()));
  attached_ = elf && dwfl_attach_state(dwfl_.get(), elf.get(), kThread, &kThreadCallbacks, this);
}

void Unwinder::Session::report_modules(const events::ModuleMap& modules, Symbolizer& symbolizer) {
  dwfl_report_begin(dwfl_.get());
  uint64_t reported_end = 0;
  for (const auto& mapping : modules.mappings) {
    if (!mapping.executable || mapping.begin < reported_end) continue;
    const auto file = symbolizer.file_of(modules, mapping);
    if (!file || file->is_64bit() != is_64bit_) continue;
    const auto own = file->address_of(mapping.file_offset, true);
    if (!own) continue;
    const uint64_t bias = mapping.begin - *own;  // may wrap: a program linked high and loaded low
    const uint64_t begin = bias + file->begin_address();
    const uint64_t end = bias + file->end_address();
    if (begin >= end || mapping.begin < begin || mapping.begin >= end) continue;
    Dwfl_Module* module = dwfl_report_module(dwfl_.get(), mapping.path.c_str(), begin, end);
    if (module == nullptr) continue;
    void** userdata = nullptr;
    dwfl_module_info(module, &userdata, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
    *userdata = const_cast<ElfFile*>(file.get());
    images_[begin] = file;
    reported_end = end;
  }
  dwfl_report_end(dwfl_.get(), nullptr, nullptr);
}

int Unwinder::Session::find_elf(Dwfl_Module*, void** userdata, const char*, Dwarf_Addr, char**,
                                Elf** elf) {
  *elf = open_elf(*static_cast<const ElfFile*>(*userdata)).release();
  return -1;
}

pid_t Unwinder::Session::next_thread(Dwfl*, void* self, void** thread) {
  if (*thread != nullptr) return 0;
  *thread = self;
  return kThread;
}

bool Unwinder::Session::get_thread(Dwfl*, pid_t, void* self, void** thread) {
  *thread = self;
  return true;
}

bool Unwinder::Session::read_text(uint64_t address, void* to, size_t size) const {
  // Executable mappings only: other pages of the file may have been written to since.
  const auto* mapping = find_mapping(*modules_, address);
  if (mapping == nullptr || !mapping->executable || mapping->end - address < size) return false;
  const auto file = symbolizer_.file_of(*modules_, *mapping);
  if (!file) return false;
  const uint64_t offset = address - mapping->begin + mapping->file_offset;
  const auto& bytes = file->bytes();
  if (offset > bytes.size() || size > bytes.size() - offset) return false;
  memcpy(to, bytes.data() + offset, size);
  return true;
}

bool Unwinder::Session::read_memory(Dwfl*, Dwarf_Addr address, Dwarf_Word* result, void* self) {
  const auto* session = static_cast<Session*>(self);
  const size_t size = session->is_64bit_ ? 8 : 4;
  *result = 0;
  return read_stack(*session->stack_, address, result, size) ||
         session->read_text(address, result, size);
}

bool Unwinder::Session::set_registers(Dwfl_Thread* thread, void* self) {
  const auto* session = static_cast<Session*>(self);
  const auto& registers = *session->registers_;
  std::array<Dwarf_Word, 17> values{};
  unsigned count = 0;
  if (session->is_64bit_) {
    for (const uint8_t gpr : kDwarf64) values[count++] = registers.gpr[gpr];
  } else {
    for (const uint8_t gpr : kDwarf32) values[count++] = registers.gpr[gpr] & UINT32_MAX;
  }
  values[count++] = registers.rip;
  return dwfl_thread_state_registers(thread, 0, count, values.data());
}

int Unwinder::Session::on_frame(Dwfl_Frame* frame, void* self) {
  auto* session = static_cast<Session*>(self);
  auto& result = *session->result_;
  Dwarf_Addr pc = 0;
  bool is_activation = false;
  if (!dwfl_frame_pc(frame, &pc, &is_activation)) return DWARF_CB_ABORT;
  // libdwfl guesses where it has no information; a guess that is not even code ends the walk.
  if (!result.addresses.empty() && !is_code(*session->modules_, pc)) return DWARF_CB_ABORT;
  result.addresses.push_back(pc);
  result.exact.push_back(is_activation);
  return result.addresses.size() < kMaxStackFrames ? DWARF_CB_OK : DWARF_CB_ABORT;
}

Unwinder::Backtrace Unwinder::Session::unwind(const x86::Registers& registers,
                                              const events::StackSnapshot& stack,
                                              const events::ModuleMap& modules) {
  Backtrace result;
  if (!attached_) return result;
  registers_ = &registers;
  stack_ = &stack;
  modules_ = &modules;
  result_ = &result;
  dwfl_getthread_frames(dwfl_.get(), kThread, &on_frame,
                        this);  // its end is always an error or an abort
  registers_ = nullptr;
  stack_ = nullptr;
  modules_ = nullptr;
  result_ = nullptr;
  return result;
}

namespace {

// The chain of saved frame pointers, for code without call frame information.
Unwinder::Backtrace walk_frame_pointers(const x86::Registers& registers,
                                        const events::StackSnapshot& stack,
                                        const events::ModuleMap& modules) {
  Unwinder::Backtrace result{{registers.rip}, {true}};
  const size_t word = modules.is_64bit ? 8 : 4;
  uint64_t frame = registers.gpr[x86::Rbp];
  uint64_t lowest = registers.gpr[x86::Rsp];
  while (result.addresses.size() < kMaxStackFrames) {
    uint64_t next = 0;
    uint64_t pc = 0;
    if (frame < lowest || frame % word != 0 || !read_word(stack, frame, word, next) ||
        !read_word(stack, frame + word, word, pc) || !is_code(modules, pc)) {
      break;
    }
    result.addresses.push_back(pc);
    result.exact.push_back(false);
    lowest = frame + 2 * word;
    frame = next;
  }
  return result;
}

}  // namespace

Unwinder::Unwinder(Symbolizer& symbolizer) : symbolizer_(symbolizer) {}
Unwinder::~Unwinder() = default;

Unwinder::Session* Unwinder::session_of(const events::ModuleMap& modules) {
  const auto found = std::find_if(sessions_.begin(), sessions_.end(), [&](const auto& session) {
    return session->generation() == modules.generation;
  });
  if (found != sessions_.end()) {
    sessions_.splice(sessions_.begin(), sessions_, found);
  } else {
    sessions_.push_front(std::make_unique<Session>(modules, symbolizer_));
    if (sessions_.size() > kMaxSessions) sessions_.pop_back();
  }
  return sessions_.front().get();
}

Unwinder::Backtrace Unwinder::unwind(const x86::Registers& registers,
                                     const events::StackSnapshot& stack,
                                     const events::ModuleMap& modules) {
  Backtrace single{{registers.rip}, {true}};
  // 32-bit code in a 64-bit program: what it was called by, and how, is anybody's convention.
  if (modules.is_64bit && registers.cs == kUserCode32) return single;
  auto by_information = session_of(modules)->unwind(registers, stack, modules);
  if (by_information.addresses.size() > 1) return by_information;
  auto by_pointer = walk_frame_pointers(registers, stack, modules);
  return by_pointer.addresses.size() > 1 ? by_pointer : single;
}

}  // namespace kebound::report
