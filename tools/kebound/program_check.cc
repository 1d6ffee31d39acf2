// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/program_check.h"

#include <elf.h>
#include <errno.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <type_traits>
#include <vector>

#include "hosts/posix/file.h"
#include "tools/kebound/message.h"

namespace kebound::tool {
namespace {

using posix::File;

struct Elf32 {
  using Header = Elf32_Ehdr;
  using Segment = Elf32_Phdr;
};
struct Elf64 {
  using Header = Elf64_Ehdr;
  using Segment = Elf64_Phdr;
};

Explanation cannot(std::string why, std::string remedy) {
  return {false, std::move(why), std::move(remedy)};
}

constexpr std::string_view kRebuild = "copy or build it again";

std::string machine_name(unsigned machine) {
  struct Name {
    unsigned machine;
    const char* name;
  };
  static constexpr std::array kNames{
      Name{EM_ARM, "32-bit ARM"}, Name{EM_AARCH64, "AArch64"}, Name{EM_RISCV, "RISC-V"},
      Name{EM_PPC, "PowerPC"},    Name{EM_PPC64, "PowerPC64"}, Name{EM_S390, "S/390"},
      Name{EM_MIPS, "MIPS"},      Name{EM_SPARCV9, "SPARC"},   Name{EM_IA_64, "Itanium"}};
  const auto* found = std::find_if(kNames.begin(), kNames.end(),
                                   [&](const Name& name) { return name.machine == machine; });
  return found != kNames.end() ? found->name : fmt::format("ELF machine {}", machine);
}

std::optional<Explanation> explain_interpreter(const std::string& interpreter, bool is_32bit) {
  if (access(interpreter.c_str(), F_OK) == 0 || errno != ENOENT) return std::nullopt;
  const bool usual = interpreter == "/lib/ld-linux.so.2";
  return cannot(fmt::format("it needs the program loader '{}', which does not exist", interpreter),
                is_32bit && usual ? "install the 32-bit C library (Debian: libc6-i386)"
                                  : "install the C library that it was linked with");
}

template <class Elf>
std::optional<Explanation> explain_segments(const File& file, const typename Elf::Header& header) {
  using Segment = typename Elf::Segment;
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
    const char* what = header.e_type == ET_REL    ? "an object file"
                       : header.e_type == ET_CORE ? "a core file"
                                                  : "an ELF file of no executable type";
    return cannot(fmt::format("it is {}, not a program", what), "give a linked executable");
  }
  if (header.e_phentsize != sizeof(Segment) || header.e_phnum == 0) {
    return cannot("its ELF header is damaged: no program headers", std::string(kRebuild));
  }
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    uint64_t at = 0;
    if (__builtin_add_overflow(uint64_t{header.e_phoff}, uint64_t{i} * sizeof(Segment), &at)) {
      return cannot("its ELF header is damaged", std::string(kRebuild));
    }
    const auto segment = file.read_object<Segment>(at);
    if (!segment) return cannot("its ELF file is truncated", std::string(kRebuild));
    if (segment->p_type != PT_INTERP) continue;
    // The kernel takes no longer one either (PATH_MAX).
    if (segment->p_filesz < 2 || segment->p_filesz > 4096) {
      return cannot("its ELF file names no usable program loader", std::string(kRebuild));
    }
    const std::string bytes = file.read(segment->p_offset, static_cast<size_t>(segment->p_filesz));
    if (bytes.size() != segment->p_filesz) {
      return cannot("its ELF file is truncated", std::string(kRebuild));
    }
    return explain_interpreter(bytes.substr(0, bytes.find('\0')), std::is_same_v<Elf, Elf32>);
  }
  return std::nullopt;
}

std::optional<Explanation> explain_elf(const File& file) {
  const std::string ident = file.read(0, EI_NIDENT);
  const auto header =
      file.read_object<Elf32_Ehdr>(0);  // machine and type stand at the same place in both
  if (ident.size() < EI_NIDENT || !header) {
    return cannot("its ELF file is truncated", std::string(kRebuild));
  }
  const bool little = ident[EI_DATA] == ELFDATA2LSB;
  const unsigned machine = little ? header->e_machine : __builtin_bswap16(header->e_machine);
  const unsigned elf_class = static_cast<unsigned char>(ident[EI_CLASS]);
  if (!little || (machine != EM_386 && machine != EM_X86_64)) {
    return cannot(fmt::format("it is built for another architecture ({})", machine_name(machine)),
                  "build it for x86-64 or i386");
  }
  if (machine == EM_386 && elf_class == ELFCLASS32) return explain_segments<Elf32>(file, *header);
  if (machine == EM_X86_64 && elf_class == ELFCLASS32) {
    return cannot("it is built for the x32 ABI, which this kernel does not run",
                  "build it for x86-64 or i386");
  }
  if (machine != EM_X86_64 || elf_class != ELFCLASS64) {
    return cannot("its ELF header is damaged: class and machine disagree", std::string(kRebuild));
  }
  const auto header64 = file.read_object<Elf64_Ehdr>(0);
  if (!header64) return cannot("its ELF file is truncated", std::string(kRebuild));
  return explain_segments<Elf64>(file, *header64);
}

std::optional<Explanation> explain_script(const std::string& start) {
  const size_t first = start.find_first_not_of(" \t", 2);
  const size_t line_end = std::min(start.find('\n'), start.size());
  if (first == std::string::npos || first >= line_end) {
    return cannot("its '#!' line names no interpreter", "name one in its first line");
  }
  const size_t end = std::min(start.find_first_of(" \t\n", first), line_end);
  const std::string interpreter = start.substr(first, end - first);
  if (access(interpreter.c_str(), X_OK) == 0) return std::nullopt;
  return cannot(
      fmt::format("its interpreter '{}' cannot be executed: {}", interpreter, error_text(errno)),
      "install it or correct the '#!' line");
}

std::optional<Explanation> explain_content(const std::string& path) {
  const File file(path);
  if (!file.is_open())
    return std::nullopt;  // executable but not readable: the kernel's word has to do
  const std::string start = file.read(0, 256);
  if (start.empty()) return cannot("the file is empty", std::string(kRebuild));
  if (start.compare(0, SELFMAG, ELFMAG) == 0) return explain_elf(file);
  if (start.compare(0, 2, "#!") == 0) return explain_script(start);
  return cannot("it is neither an ELF program nor a script that begins with '#!'",
                "give a program, or run its interpreter: kebound run -- sh FILE");
}

std::optional<Explanation> explain_file(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    const int error = errno;
    if (error == ENOENT) return Explanation{true, "no such file", "check the name"};
    if (error == ENOTDIR) {
      return Explanation{true, "a part of its path is not a directory", "check the name"};
    }
    return cannot(error_text(error), "check the name and the permissions of its directories");
  }
  if (S_ISDIR(status.st_mode)) return cannot("is a directory", "give a program");
  if (!S_ISREG(status.st_mode)) return cannot("is not a regular file", "give a program");
  if (faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0 && errno == EACCES) {
    if ((status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0) {
      return cannot("is not executable", fmt::format("make it so: chmod +x {}", path));
    }
    return cannot("may not be executed: its mode, or a file system mounted noexec, forbids it",
                  "check its permissions and its mount options");
  }
  return explain_content(path);
}

}  // namespace

std::optional<Explanation> explain_program(const std::string& program, const char* search_path) {
  if (program.empty()) return Explanation{true, "the program's name is empty", "give a program"};
  if (program.find('/') != std::string::npos) return explain_file(program);
  std::optional<Explanation> first;
  const std::string_view path = search_path != nullptr ? search_path : "/bin:/usr/bin";
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    std::string directory(path.substr(begin, end - begin));
    begin = end + 1;
    if (directory.empty()) directory += '.';
    const std::string candidate = directory + "/" + program;
    struct stat status {};
    if (stat(candidate.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    std::optional<Explanation> reason = explain_file(candidate);
    if (!reason) return std::nullopt;
    reason->why = fmt::format("{}: {}", candidate, reason->why);
    if (!first) first = std::move(reason);
  }
  if (first) return first;
  return Explanation{true, "not found in PATH", "check the name, or give a path with a slash"};
}

}  // namespace kebound::tool
