// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>

#include <algorithm>
#include <string_view>

#include "nt/export_table.h"
#include "nt/testing/nt_test.h"

namespace kebound::nt {
namespace {

using testing::NtTest;

class MmTest : public NtTest {
 protected:
  static PVOID routine(const WCHAR* name) {
    UNICODE_STRING string;
    RtlInitUnicodeString(&string, name);
    return MmGetSystemRoutineAddress(&string);
  }
};

TEST_F(MmTest, An_address_is_valid_while_it_can_be_read) {
  void* page = mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_TRUE(MmIsAddressValid(page));
  mprotect(page, 4096, PROT_NONE);
  EXPECT_FALSE(MmIsAddressValid(page));
  EXPECT_TRUE(MmIsAddressValid(static_cast<char*>(page) + 4096));
  munmap(page, 8192);
  EXPECT_FALSE(MmIsAddressValid(page));
  EXPECT_FALSE(MmIsAddressValid(nullptr));
  EXPECT_FALSE(MmIsAddressValid(reinterpret_cast<PVOID>(~uint64_t{0})));
}

TEST_F(MmTest, System_routines_are_found_by_their_exact_names) {
  EXPECT_EQ(routine(u"KeRegisterBoundCallback"), reinterpret_cast<PVOID>(&KeRegisterBoundCallback));
  EXPECT_EQ(routine(u"ZwClose"), reinterpret_cast<PVOID>(&ZwClose));
  EXPECT_EQ(routine(u"keregisterboundcallback"), nullptr);
  EXPECT_EQ(routine(u"KeRegisterNmiCallback"), nullptr);
  EXPECT_EQ(routine(u""), nullptr);
}

TEST_F(MmTest, The_export_table_is_sorted_and_complete) {
  EXPECT_TRUE(
      std::is_sorted(kExports, kExports + kExportCount, [](const Export& a, const Export& b) {
        return std::string_view(a.name) < std::string_view(b.name);
      }));
  for (size_t i = 0; i < kExportCount; ++i)
    EXPECT_EQ(find_export(kExports[i].name), kExports[i].address);
}

TEST_F(MmTest, Probing_checks_range_and_alignment) {
  alignas(16) char buffer[64] = "unchanged";
  ProbeForRead(buffer, sizeof buffer, 16);
  ProbeForRead(reinterpret_cast<PVOID>(~uint64_t{0}), 0, 1);
  ProbeForWrite(buffer, sizeof buffer, 1);
  EXPECT_STREQ(buffer, "unchanged");
  const auto status = [](const std::function<void()>& body) {
    const BugCheck record = bug_check_of(body);
    EXPECT_EQ(record.code, 0x1EU);
    return static_cast<NTSTATUS>(record.parameters[0]);
  };
  EXPECT_EQ(status([&] { ProbeForRead(buffer + 1, 8, 4); }), STATUS_DATATYPE_MISALIGNMENT);
  EXPECT_EQ(status([] { ProbeForRead(reinterpret_cast<PVOID>(0xffff800000000000), 8, 1); }),
            STATUS_ACCESS_VIOLATION);
  EXPECT_EQ(status([&] { ProbeForRead(buffer, ~SIZE_T{0}, 1); }), STATUS_ACCESS_VIOLATION);
  EXPECT_EQ(status([] { ProbeForWrite(reinterpret_cast<PVOID>(0x7ffffffefff0), 0x20, 1); }),
            STATUS_ACCESS_VIOLATION);
}

TEST_F(MmTest, Probing_for_write_touches_every_page) {
  auto* pages = static_cast<char*>(
      mmap(nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(pages + 2 * 4096, 4096, PROT_READ);
  ProbeForWrite(pages + 100, 2 * 4096 - 100, 1);
  EXPECT_DEATH(ProbeForWrite(pages + 100, 2 * 4096 - 99, 1), "");
  munmap(pages, 3 * 4096);
}

}  // namespace
}  // namespace kebound::nt
