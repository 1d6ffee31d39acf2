// SPDX-License-Identifier: Apache-2.0
#include "report/module_symbols.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "report/demangle.h"
#include "report/module_functions.h"

namespace kebound::report {
namespace {

constexpr size_t kMaxName = 4096;

std::string bounded(const char* text) {
  return text == nullptr ? std::string() : std::string(text, strnlen(text, kMaxName));
}

std::string attribute_string(Dwarf_Die* die, unsigned name) {
  Dwarf_Attribute attribute;
  if (dwarf_attr_integrate(die, name, &attribute) == nullptr) return {};
  return bounded(dwarf_formstring(&attribute));
}

uint32_t attribute_number(Dwarf_Die* die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_attr(die, name, &attribute) == nullptr || dwarf_formudata(&attribute, &value) != 0) {
    return 0;
  }
  return value <= UINT32_MAX ? static_cast<uint32_t>(value) : 0;
}

}  // namespace

std::string function_name(Dwarf_Die* die) {
  for (const unsigned name : {unsigned{DW_AT_linkage_name}, unsigned{DW_AT_MIPS_linkage_name}}) {
    if (auto linkage = attribute_string(die, name); !linkage.empty()) {
      return demangle(linkage.c_str());
    }
  }
  return attribute_string(die, DW_AT_name);
}

std::string absolute_name(std::string file, Dwarf_Die* unit) {
  if (file.empty() || file[0] == '/') return file;
  const auto directory = attribute_string(unit, DW_AT_comp_dir);
  return directory.empty() ? file : directory + "/" + file;
}

namespace {

std::string call_file(Dwarf_Die* unit, Dwarf_Die* die) {
  const uint32_t index = attribute_number(die, DW_AT_call_file);
  Dwarf_Files* files = nullptr;
  size_t count = 0;
  if (dwarf_getsrcfiles(unit, &files, &count) != 0 || index >= count) return {};
  return absolute_name(bounded(dwarf_filesrc(files, index, nullptr, nullptr)), unit);
}

}  // namespace

ScopedElf open_elf(const ElfFile& file) {
  elf_version(EV_CURRENT);
  // libelf takes a char*, but does not write to an image in the host's byte order.
  auto* image = const_cast<char*>(reinterpret_cast<const char*>(file.bytes().data()));
  return ScopedElf(elf_memory(image, file.bytes().size()));
}

const Dwfl_Callbacks ModuleSymbols::kCallbacks = {
    .find_elf = &ModuleSymbols::find_elf,
    .find_debuginfo = &ModuleSymbols::find_debuginfo,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = nullptr,
};

ModuleSymbols::ModuleSymbols(std::shared_ptr<const ElfFile> file, std::string open_path,
                             std::string target_path, std::string debug_path)
    : file_(std::move(file)),
      open_path_(std::move(open_path)),
      target_path_(std::move(target_path)),
      debug_path_(std::move(debug_path)),
      dwfl_(dwfl_begin(&kCallbacks)) {
  if (!dwfl_) return;
  dwfl_report_begin(dwfl_.get());
  module_ = dwfl_report_module(dwfl_.get(), "module", file_->begin_address(), file_->end_address());
  if (module_ != nullptr) {
    void** userdata = nullptr;
    dwfl_module_info(module_, &userdata, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
    *userdata = this;
  }
  if (dwfl_report_end(dwfl_.get(), nullptr, nullptr) != 0) module_ = nullptr;
  if (module_ != nullptr) index_.emplace(module_);
}

ModuleSymbols::~ModuleSymbols() = default;

int ModuleSymbols::find_elf(Dwfl_Module*, void** userdata, const char*, Dwarf_Addr, char**,
                            Elf** elf) {
  auto* self = static_cast<ModuleSymbols*>(*userdata);
  *elf = open_elf(*self->file_).release();
  return -1;
}

int ModuleSymbols::find_debuginfo(Dwfl_Module*, void** userdata, const char*, Dwarf_Addr,
                                  const char*, const char*, GElf_Word, char**) {
  auto* self = static_cast<ModuleSymbols*>(*userdata);
  const auto debug =
      find_debug_file(*self->file_, self->open_path_, self->target_path_, self->debug_path_);
  if (!debug) return -1;
  // libdwfl wants a descriptor that it can map: one whose contents nobody else can change.
  const int fd = memfd_create("kebound-debug-file", MFD_CLOEXEC);
  if (fd < 0) return -1;
  const auto& bytes = debug->bytes();
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = write(fd, bytes.data() + done, bytes.size() - done);
    if (count <= 0) {
      close(fd);
      return -1;
    }
    done += static_cast<size_t>(count);
  }
  return fd;
}

bool ModuleSymbols::add_debug_frames(uint64_t address, std::vector<SourceFrame>& frames) {
  Dwarf_Addr bias = 0;
  Dwarf_Die* unit = index_->unit_at(address, &bias);
  if (unit == nullptr) return false;
  const Dwarf_Addr pc = address - bias;
  SourceFrame frame;
  if (Dwarf_Line* line = dwarf_getsrc_die(unit, pc)) {
    int number = 0;
    frame.file = absolute_name(bounded(dwarf_linesrc(line, nullptr, nullptr)), unit);
    if (dwarf_lineno(line, &number) == 0 && number > 0) frame.line = static_cast<uint32_t>(number);
  }
  auto functions = index_->functions_around(unit, pc);
  for (size_t i = functions.size(); i-- > 0;) {
    frame.function = function_name(&functions[i]);
    frame.inlined = i > 0;
    frames.push_back(frame);
    if (i > 0) {
      frame = {};
      frame.file = call_file(unit, &functions[i]);
      frame.line = attribute_number(&functions[i], DW_AT_call_line);
    }
  }
  if (functions.empty() && !frame.file.empty()) frames.push_back(frame);
  return !frames.empty();
}

std::optional<x86::ArrayNest> ModuleSymbols::arrays_at(uint64_t address) {
  if (module_ == nullptr) return std::nullopt;
  if (!arrays_) arrays_.emplace(module_);
  return arrays_->around(address);
}

std::optional<x86::FunctionFacts> ModuleSymbols::function_at(uint64_t address) {
  if (module_ == nullptr) return std::nullopt;
  x86::FunctionFacts facts;
  facts.linkage = linkage_of(module_, address);
  Dwarf_Addr bias = 0;
  if (Dwarf_Die* const unit = index_->unit_at(address, &bias)) {
    read_producer(producer_of(unit), facts);
    auto functions = index_->functions_around(unit, address - bias);
    if (!functions.empty()) read_parameters(&functions[0], address - bias, facts);
  }
  return facts != x86::FunctionFacts() ? std::optional(facts) : std::nullopt;
}

std::vector<SourceFrame> ModuleSymbols::frames_at(uint64_t address, bool use_symbols) {
  std::vector<SourceFrame> frames;
  if (module_ == nullptr) return frames;
  add_debug_frames(address, frames);
  // gcc gives lambdas and their like no linkage name: the symbol table knows them in full.
  const bool is_bare = !frames.empty() && (frames.back().function.find('(') == std::string::npos ||
                                           frames.back().function == "operator()");
  if (use_symbols && (frames.empty() || is_bare)) {
    GElf_Off offset = 0;
    GElf_Sym symbol{};
    const char* text =
        dwfl_module_addrinfo(module_, address, &offset, &symbol, nullptr, nullptr, nullptr);
    const auto name = bounded(GELF_ST_TYPE(symbol.st_info) == STT_OBJECT ? nullptr : text);
    if (!name.empty()) {
      if (frames.empty()) frames.emplace_back();
      auto& function = frames.back().function;
      if (function.empty() || name.starts_with("_Z")) function = demangle(name.c_str());
    }
  }
  if (frames.size() == 1 && frames[0].function.empty() && frames[0].file.empty()) frames.clear();
  return frames;
}

}  // namespace kebound::report
