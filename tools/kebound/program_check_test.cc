// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/program_check.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

namespace kebound::tool {
namespace {

using testing::HasSubstr;

class ProgramCheck : public testing::Test {
 protected:
  ProgramCheck() {
    char name[] = "/tmp/kebound-check-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~ProgramCheck() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& content, mode_t mode = 0755) {
    const std::string path = directory_ + "/program";
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    chmod(path.c_str(), mode);
    return path;
  }
  static std::string why(const std::string& program, const char* search_path = "/usr/bin") {
    const auto explanation = explain_program(program, search_path);
    return explanation ? explanation->why : "no reason found";
  }
  static std::string bytes_of(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static std::string elf64(uint16_t machine, uint16_t type) {
    Elf64_Ehdr header{};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_machine = machine;
    header.e_type = type;
    return {reinterpret_cast<const char*>(&header), sizeof header};
  }
  std::string directory_;
};

TEST_F(ProgramCheck, AProgramThatRunsHasNoReasonNotTo) {
  EXPECT_FALSE(explain_program("/bin/true", nullptr));
  EXPECT_FALSE(explain_program("true", "/nonexistent:/bin"));
  EXPECT_FALSE(explain_program(file("#!/bin/sh\n"), nullptr));
}

TEST_F(ProgramCheck, WhatDoesNotExistIsNotFound) {
  for (const std::string& name : {std::string(), std::string("no-such-program"),
                                  directory_ + "/none", std::string("/bin/true/x")}) {
    const auto explanation = explain_program(name, "/usr/bin");
    ASSERT_TRUE(explanation) << name;
    EXPECT_TRUE(explanation->not_found) << name;
    EXPECT_NE(explanation->remedy, "");
  }
}

TEST_F(ProgramCheck, WhatIsNoProgramFileIsNamed) {
  EXPECT_EQ(why(directory_), "is a directory");
  EXPECT_EQ(why("/dev/null"), "is not a regular file");
  EXPECT_EQ(why(file("#!/bin/sh\n", 0644)), "is not executable");
  EXPECT_EQ(why(file("")), "the file is empty");
  EXPECT_THAT(why(file("hello")), HasSubstr("neither an ELF program nor a script"));
  EXPECT_FALSE(explain_program(file("hello"), nullptr)->not_found);
}

TEST_F(ProgramCheck, FoundInPathButUnusableNamesTheFile) {
  file("#!/bin/sh\n", 0644);
  EXPECT_THAT(why("program", directory_.c_str()),
              HasSubstr(directory_ + "/program: is not executable"));
}

TEST_F(ProgramCheck, AScriptWithoutItsInterpreterIsExplained) {
  EXPECT_THAT(why(file("#!/no/such/shell -x\necho")),
              HasSubstr("its interpreter '/no/such/shell' cannot be executed: No such file"));
  EXPECT_THAT(why(file("#! \n/bin/sh")), HasSubstr("names no interpreter"));
  EXPECT_THAT(why(file("#!")), HasSubstr("names no interpreter"));
}

TEST_F(ProgramCheck, OtherArchitecturesAreNamed) {
  EXPECT_THAT(why(file(elf64(EM_AARCH64, ET_EXEC))), HasSubstr("another architecture (AArch64)"));
  EXPECT_THAT(why(file(elf64(0x4242, ET_EXEC))), HasSubstr("(ELF machine 16962)"));
  std::string big_endian = elf64(0x1500, ET_EXEC);  // EM_PPC64 = 21 in the other byte order
  big_endian[EI_DATA] = ELFDATA2MSB;
  EXPECT_THAT(why(file(big_endian)), HasSubstr("(PowerPC64)"));
}

TEST_F(ProgramCheck, ElfFilesThatAreNoProgramsAreNamed) {
  EXPECT_THAT(why(file(elf64(EM_X86_64, ET_REL))), HasSubstr("an object file"));
  EXPECT_THAT(why(file(elf64(EM_X86_64, ET_CORE))), HasSubstr("a core file"));
  EXPECT_THAT(why(file(elf64(EM_X86_64, ET_EXEC))), HasSubstr("no program headers"));
  EXPECT_THAT(why(file(elf64(EM_386, ET_EXEC))), HasSubstr("class and machine disagree"));
}

TEST_F(ProgramCheck, EveryTruncationOfTheHeadersIsExplained) {
  const std::string whole = bytes_of("/bin/true");
  Elf64_Ehdr header;
  memcpy(&header, whole.data(), sizeof header);
  for (size_t size = 1; size < header.e_phoff + 2 * sizeof(Elf64_Phdr); ++size) {
    EXPECT_TRUE(explain_program(file(whole.substr(0, size)), nullptr)) << size;
  }
}

TEST_F(ProgramCheck, AMissingLoaderIsNamed) {
  std::string content = bytes_of("/bin/true");
  const size_t at = content.find("/lib64/ld-linux-x86-64.so.2");
  ASSERT_NE(at, std::string::npos);
  content[at + 7] = 'L';
  EXPECT_THAT(why(file(content)), HasSubstr("program loader '/lib64/Ld-linux-x86-64.so.2'"));
}

TEST_F(ProgramCheck, DamagedHeadersNeverHurtTheReader) {
  const std::string whole = bytes_of("/bin/true").substr(0, 2048);
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = whole;
    for (int i = 0; i < 8; ++i) damaged[random() % 256] = static_cast<char>(random());
    static_cast<void>(explain_program(file(damaged), nullptr));  // the sanitizer builds watch
  }
}

}  // namespace
}  // namespace kebound::tool
