// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/preload_fit.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace kebound::inproc_run {
namespace {

class PreloadFit : public testing::Test {
 protected:
  PreloadFit() {
    std::string name = (std::filesystem::temp_directory_path() / "kebound-fit-XXXXXX").string();
    root = mkdtemp(name.data());
    folder = root + "/preload";
    std::filesystem::create_directories(folder + "/lib64");
    write("/preload/lib64/libkebound-preload.so", "");
  }
  ~PreloadFit() override { std::filesystem::remove_all(root); }

  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(root + name, std::ios::binary) << content;
    chmod((root + name).c_str(), 0755);
    return root + name;
  }
  // What is said of the file, "" if it fits.
  std::string misfit(const std::string& path) const {
    const auto found = find_misfit(path, folder);
    return found ? found->why : "";
  }
  static std::string elf64(const std::string& loader) {
    Elf64_Ehdr header{};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    Elf64_Phdr segment{};
    segment.p_type = loader.empty() ? PT_LOAD : PT_INTERP;
    segment.p_offset = sizeof header + sizeof segment;
    segment.p_filesz = loader.size() + 1;
    return std::string(reinterpret_cast<const char*>(&header), sizeof header) +
           std::string(reinterpret_cast<const char*>(&segment), sizeof segment) + loader + '\0';
  }
  static constexpr const char* kLoader = "/lib64/ld-linux-x86-64.so.2";

  std::string root;
  std::string folder;
};

TEST_F(PreloadFit, ADynamicProgramFits) { EXPECT_EQ(misfit(write("/a", elf64(kLoader))), ""); }

TEST_F(PreloadFit, AStaticOneDoesNot) {
  EXPECT_NE(misfit(write("/a", elf64(""))).find("statically"), std::string::npos);
}

TEST_F(PreloadFit, AnotherCLibraryIsNamed) {
  EXPECT_NE(misfit(write("/a", elf64("/lib/ld-musl-x86_64.so.1"))).find("musl"), std::string::npos);
}

TEST_F(PreloadFit, AClassWithoutLibraryIsNamed) {
  std::filesystem::remove_all(folder + "/lib64");
  EXPECT_NE(misfit(write("/a", elf64(kLoader))).find("64-bit"), std::string::npos);
}

TEST_F(PreloadFit, AScriptIsJudgedByItsInterpreter) {
  const std::string fixed = write("/static", elf64(""));
  const std::string inner = write("/inner", "#!" + fixed + " -x\n");
  EXPECT_NE(misfit(write("/a", "#! " + inner + "\n")).find("statically"), std::string::npos);
  EXPECT_EQ(misfit(write("/b", "#!" + write("/dynamic", elf64(kLoader)) + "\n")), "");
  const std::string circle = root + "/circle";
  write("/circle", "#!" + circle + "\n");
  EXPECT_EQ(misfit(circle), "") << "the kernel refuses it";
}

TEST_F(PreloadFit, WhatIsNoProgramIsForTheKernelToRefuse) {
  for (const std::string& content : {std::string(), std::string("text"),
                                     std::string("\x7f"
                                                 "EL"),
                                     std::string("#!"), std::string("#!/nonexistent\n")}) {
    EXPECT_EQ(misfit(write("/a", content)), "") << content;
  }
  EXPECT_EQ(misfit(root + "/nonexistent"), "");
  EXPECT_EQ(misfit(root), "");
}

TEST_F(PreloadFit, EveryTruncationAndEveryByteOfAHeaderIsSurvived) {
  const std::string good = elf64(kLoader);
  for (size_t size = 0; size < good.size(); ++size) {
    static_cast<void>(misfit(write("/a", good.substr(0, size))));
  }
  for (size_t at = EI_CLASS; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = '\xff';
    static_cast<void>(misfit(write("/a", changed)));
  }
}

TEST_F(PreloadFit, AFolderThatAPreloadListCannotNameIsRefused) {
  for (const char* bad : {"/a b", "/a:b", "/a$b", ""}) {
    EXPECT_TRUE(find_misfit("/bin/sh", bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace kebound::inproc_run
