// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/preload_fit.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string_view>

#include "hosts/posix/file.h"
#include "hosts/posix/launch.h"

namespace kebound::inproc_run {
namespace {

using posix::File;

constexpr const char* kLibrary = "libkebound-preload.so";
constexpr const char* kUseSupervisor = "use --host supervisor";
constexpr int kMaxInterpreters = 5;  // as the kernel

// The folders that $LIB stands for, by class: Debian multiarch and multilib.
constexpr std::array kFolders64{"lib/x86_64-linux-gnu", "lib64"};
constexpr std::array kFolders32{"lib/i386-linux-gnu", "lib32"};

// The program loader's path; empty if the file names none.
template <class Header, class Segment>
std::string loader_of(const File& file) {
  const auto header = file.read_object<Header>(0);
  if (!header || header->e_phentsize != sizeof(Segment)) return {};
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    uint64_t at = 0;
    if (__builtin_add_overflow(uint64_t{header->e_phoff}, uint64_t{i} * sizeof(Segment), &at)) {
      return {};
    }
    const auto segment = file.read_object<Segment>(at);
    if (!segment) return {};
    if (segment->p_type != PT_INTERP || segment->p_filesz < 2 || segment->p_filesz > 4096) continue;
    const std::string bytes = file.read(segment->p_offset, static_cast<size_t>(segment->p_filesz));
    return bytes.substr(0, bytes.find('\0'));
  }
  return {};
}

template <size_t N>
bool has_library(const std::string& folder, const std::array<const char*, N>& names) {
  for (const char* const name : names) {
    if (access(fmt::format("{}/{}/{}", folder, name, kLibrary).c_str(), R_OK) == 0) return true;
  }
  return false;
}

// A program that starts with more rights than its caller's: the loader ignores our path, and that
// is as it should be.
bool gains_rights(const std::string& path, const struct stat& file) {
  const bool identity = ((file.st_mode & S_ISUID) != 0 && file.st_uid != geteuid()) ||
                        ((file.st_mode & S_ISGID) != 0 && file.st_gid != getegid());
  return identity || getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
}

std::optional<Misfit> judge_elf(const File& file, const std::string& folder) {
  const std::string ident = file.read(0, EI_NIDENT);
  if (ident.size() < EI_NIDENT) return std::nullopt;  // the kernel will refuse it
  const bool is_64bit = ident[EI_CLASS] == ELFCLASS64;
  const std::string loader =
      is_64bit ? loader_of<Elf64_Ehdr, Elf64_Phdr>(file) : loader_of<Elf32_Ehdr, Elf32_Phdr>(file);
  if (loader.empty()) {
    return Misfit{"is statically linked, so no library can be preloaded into it", kUseSupervisor};
  }
  if (!std::string_view(loader).substr(loader.rfind('/') + 1).starts_with("ld-linux")) {
    return Misfit{fmt::format("its loader '{}' is not the GNU C library's", loader),
                  kUseSupervisor};
  }
  if (!(is_64bit ? has_library(folder, kFolders64) : has_library(folder, kFolders32))) {
    return Misfit{
        fmt::format("there is no {}-bit {} in '{}'", is_64bit ? 64 : 32, kLibrary, folder),
        kUseSupervisor};
  }
  return std::nullopt;
}

}  // namespace

std::string find_preload_folder(const std::string& libdir) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const auto prefix = self.parent_path().parent_path();
  for (const std::filesystem::path& place :
       {prefix / "lib/preload", prefix / libdir / "kebound/preload"}) {
    if (has_library(place, kFolders64) || has_library(place, kFolders32)) return place;
  }
  return {};
}

std::string preload_path(const std::string& folder) {
  return fmt::format("{}/$LIB/{}", folder, kLibrary);
}

std::optional<Misfit> find_misfit(const std::string& program, const std::string& folder) {
  if (folder.empty()) {
    return Misfit{fmt::format("{} is not installed beside kebound", kLibrary), kUseSupervisor};
  }
  if (folder.find_first_of(" :$\t\n") != std::string::npos) {
    return Misfit{fmt::format("LD_PRELOAD cannot name a file in '{}'", folder),
                  "install kebound where no blank, colon or $ is in the path"};
  }
  std::string path = posix::find_program(program);
  for (int depth = 0; depth < kMaxInterpreters; ++depth) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
    const File file(path);
    if (!file.is_open()) {
      if (access(path.c_str(), X_OK) != 0) return std::nullopt;
      return Misfit{
          fmt::format("'{}' cannot be read, to see whether it is dynamically linked", path),
          kUseSupervisor};
    }
    const std::string start = file.read(0, 256);
    if (start.compare(0, SELFMAG, ELFMAG) == 0) {
      if (gains_rights(path, status)) {
        return Misfit{
            fmt::format("'{}' runs with other rights than its caller's, and takes no library "
                        "from it",
                        path),
            "run it as the user whose rights it takes"};
      }
      return judge_elf(file, folder);
    }
    if (start.compare(0, 2, "#!") != 0) return std::nullopt;
    const size_t first = start.find_first_not_of(" \t", 2);
    const size_t end = first == std::string::npos ? first : start.find_first_of(" \t\n", first);
    if (end == std::string::npos) return std::nullopt;
    path = start.substr(first, end - first);
  }
  return std::nullopt;
}

}  // namespace kebound::inproc_run
