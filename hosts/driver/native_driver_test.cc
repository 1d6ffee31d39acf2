// SPDX-License-Identifier: Apache-2.0
#include "hosts/driver/native_driver.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <random>

#include "hosts/driver/elf_check.h"
#include "hosts/driver/trial_load.h"
#include "nt/testing/nt_test.h"

namespace kebound::driver {
namespace {

using nt::Facility;
using nt::Profile;
using nt::testing::NtTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::string driver(const std::string& name) {
  return std::string(KEBOUND_TEST_DRIVERS) + "/" + name + ".so";
}

class NativeDriverTest : public NtTest {
 protected:
  NativeDriverTest() { Facility::configure(Profile::Default); }
  ~NativeDriverTest() override {
    if (!scratch_.empty()) unlink(scratch_.c_str());
  }
  std::unique_ptr<NativeDriver> load(const std::string& path) {
    return NativeDriver::load(path, error_);
  }
  DispatchOutcome dispatch(KTRAP_FRAME& frame) {
    return Facility::dispatch(thread_, BoundEvent{}, frame, nullptr);
  }
  const std::string& scratch(const std::string& contents) {
    if (scratch_.empty()) {
      char name[] = "/tmp/kebound-driver-XXXXXX";
      close(mkstemp(name));
      scratch_ = name;
    }
    std::ofstream(scratch_, std::ios::binary | std::ios::trunc) << contents;
    return scratch_;
  }
  static std::string contents_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  LoadError error_;
  std::string scratch_;
};

TEST_F(NativeDriverTest, A_driver_is_entered_asked_and_unloaded) {
  auto loaded = load(driver("good"));
  ASSERT_NE(loaded, nullptr) << error_.why;
  EXPECT_EQ(loaded->name(), "good");
  EXPECT_EQ(host_.driver(), "good");
  EXPECT_EQ(
      host_.take_text(),
      "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\good \\Driver\\good flags 20");
  KTRAP_FRAME frame{};
  const DispatchOutcome outcome = dispatch(frame);
  EXPECT_EQ(outcome.verdict, Verdict::Handled);
  EXPECT_EQ(frame.Rax, 5U);
  EXPECT_EQ(Facility::describe(reinterpret_cast<uint64_t>(outcome.decided_by.routine)),
            "good!OnBound");
  EXPECT_TRUE(loaded->unload());
  EXPECT_TRUE(loaded->unload());
  EXPECT_EQ(dispatch(frame).asked, 0U);
  EXPECT_THAT(take_rules(), IsEmpty());
  EXPECT_EQ(dlopen(driver("good").c_str(), RTLD_NOLOAD | RTLD_NOW), nullptr)
      << "the image is still mapped";
}

TEST_F(NativeDriverTest, A_driver_can_be_loaded_and_unloaded_again_and_again) {
  for (int i = 0; i < 20; ++i) ASSERT_NE(load(driver("good")), nullptr) << error_.why;
  KTRAP_FRAME frame{};
  EXPECT_EQ(dispatch(frame).asked, 0U);
}

TEST_F(NativeDriverTest, A_loaded_driver_is_not_loaded_twice) {
  auto first = load(driver("good"));
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(load(driver("good")), nullptr);
  EXPECT_EQ(error_.kind, LoadError::Kind::LoaderRefused);
  EXPECT_THAT(error_.why, HasSubstr("loaded already"));
}

TEST_F(NativeDriverTest,
       The_windows_profile_takes_a_driver_with_the_integrity_note_and_not_one_without) {
  Facility::configure(Profile::Windows);
  EXPECT_EQ(load(driver("permanent")), nullptr);
  EXPECT_EQ(error_.kind, LoadError::Kind::EntryFailed);
  EXPECT_THAT(error_.why, HasSubstr("0xc0000001"));
  auto good = load(driver("good"));
  ASSERT_NE(good, nullptr);
  EXPECT_THAT(host_.take_text(), ::testing::Not(HasSubstr("not registered")));
}

TEST_F(NativeDriverTest, All_that_is_left_behind_is_reported_and_taken_back) {
  auto untidy = load(driver("untidy"));
  ASSERT_NE(untidy, nullptr) << error_.why;
  EXPECT_TRUE(untidy->unload());
  const auto violations = host_.take_violations();
  std::vector<std::string> rules;
  for (const auto& violation : violations) {
    rules.push_back(violation.rule);
    EXPECT_EQ(violation.driver, "untidy");
  }
  EXPECT_THAT(rules, UnorderedElementsAre("registration-left-behind", "timer-left-behind",
                                          "object-left-behind", "object-left-behind", "pool-leak"));
  EXPECT_THAT(violations,
              ::testing::Contains(::testing::Field(&nt::Violation::message,
                                                   HasSubstr("registered at untidy!DriverEntry"))));
  KTRAP_FRAME frame{};
  EXPECT_EQ(dispatch(frame).asked, 0U);
  EXPECT_NE(load(driver("untidy")), nullptr) << "its names are not free: " << error_.why;
}

TEST_F(NativeDriverTest, What_a_failed_DriverEntry_leaves_behind_is_reported_and_taken_back) {
  EXPECT_EQ(load(driver("untidy_failing")), nullptr);
  EXPECT_EQ(error_.kind, LoadError::Kind::EntryFailed);
  EXPECT_THAT(error_.why, HasSubstr("0xc00000a3"));
  EXPECT_THAT(take_rules(), ::testing::Contains("registration-left-behind"));
  KTRAP_FRAME frame{};
  EXPECT_EQ(dispatch(frame).asked, 0U);
}

TEST_F(NativeDriverTest, A_registration_left_behind_is_bug_check_CE_in_the_windows_profile) {
  Facility::configure(Profile::Windows);
  // The note is missing in "untidy": it sets no flag, so its registration is refused; "good"
  // without its Unload stands in.
  auto good = load(driver("good"));
  ASSERT_NE(good, nullptr);
  Registration live[kMaxRegistrations];
  ASSERT_EQ(Facility::registry().list(live), 1U);
  auto* image = static_cast<nt::Image*>(live[0].context);
  const nt::BugCheck record = bug_check_of([image] { Facility::remove_image(image); });
  EXPECT_EQ(record.code, 0xCEU);
  EXPECT_EQ(record.driver, "good");
  EXPECT_EQ(record.callback, "good!OnBound");
}

TEST_F(NativeDriverTest, A_driver_whose_thread_still_runs_stays_mapped) {
  auto lingering = load(driver("lingering"));
  ASSERT_NE(lingering, nullptr) << error_.why;
  EXPECT_TRUE(lingering->unload());
  EXPECT_THAT(take_rules(), ElementsAre("thread-left-behind"));
  LARGE_INTEGER interval = nt::testing::relative_ms(150);
  KeDelayExecutionThread(KernelMode, FALSE, &interval);
  EXPECT_EQ(host_.take_text(), "lingered\n");
}

TEST_F(NativeDriverTest, A_driver_without_DriverUnload_stays) {
  auto permanent = load(driver("permanent"));
  ASSERT_NE(permanent, nullptr) << error_.why;
  EXPECT_FALSE(permanent->unload());
  permanent.reset();
  KTRAP_FRAME frame{};
  EXPECT_EQ(dispatch(frame).verdict, Verdict::Handled);
  Registration live[kMaxRegistrations];
  ASSERT_EQ(Facility::registry().list(live), 1U);
  EXPECT_EQ(KeDeregisterBoundCallback(reinterpret_cast<PVOID>(live[0].handle)), STATUS_SUCCESS);
}

TEST_F(NativeDriverTest, All_missing_symbols_are_named) {
  EXPECT_EQ(load(driver("unresolved")), nullptr);
  EXPECT_EQ(error_.kind, LoadError::Kind::MissingSymbols);
  EXPECT_THAT(error_.why, HasSubstr("FltNoSuchRoutine"));
  EXPECT_THAT(error_.why, HasSubstr("ZwNoSuchRoutine"));
  EXPECT_FALSE(error_.remedy.empty());
}

TEST_F(NativeDriverTest, Each_kind_of_wrong_file_has_its_error) {
  using Kind = LoadError::Kind;
  const auto kind_of = [this](const std::string& path) {
    EXPECT_EQ(load(path), nullptr);
    EXPECT_FALSE(error_.why.empty());
    EXPECT_FALSE(error_.remedy.empty());
    return error_.kind;
  };
  EXPECT_EQ(kind_of("/no/such/driver.so"), Kind::NotFound);
  EXPECT_EQ(kind_of(""), Kind::NotFound);
  EXPECT_EQ(kind_of("/"), Kind::NotElf);
  EXPECT_EQ(kind_of("/dev/null"), Kind::NotElf);
  EXPECT_EQ(kind_of(scratch("")), Kind::NotElf);
  EXPECT_EQ(kind_of(scratch("#!/bin/sh\n")), Kind::NotElf);
  EXPECT_EQ(kind_of(scratch("MZ\x90")), Kind::NotElf);
  EXPECT_THAT(error_.why, HasSubstr("PE image"));
  EXPECT_EQ(kind_of(driver("entryless")), Kind::NoDriverEntry);
  std::string file = contents_of(driver("good"));
  ASSERT_GT(file.size(), 64U);
  file[18] = static_cast<char>(0xb7);  // e_machine: AArch64
  EXPECT_EQ(kind_of(scratch(file)), Kind::WrongMachine);
  EXPECT_THAT(error_.why, HasSubstr("AArch64"));
  file = contents_of(driver("good"));
  file[4] = 1;  // 32-bit
  EXPECT_EQ(kind_of(scratch(file)), Kind::WrongMachine);
  file = contents_of(driver("good"));
  file[16] = 2;  // ET_EXEC
  EXPECT_EQ(kind_of(scratch(file)), Kind::NotElf);
  file = contents_of(driver("good"));
  EXPECT_EQ(kind_of(scratch(file.substr(0, 200))), Kind::NotElf);
}

TEST_F(NativeDriverTest, Reading_a_mutated_file_never_crashes) {
  const std::string good = contents_of(driver("good"));
  std::mt19937 random(20260727);
  int readable = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string file = good;
    const int changes = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < changes; ++i) {
      // Mostly where headers and tables are.
      const size_t limit = random() % 4 != 0 ? std::min<size_t>(file.size(), 0x800) : file.size();
      file[random() % limit] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    if (random() % 8 == 0) file.resize(random() % file.size());
    ElfFacts facts;
    readable += read_elf(scratch(file), facts, error_) ? 1 : 0;
  }
  EXPECT_GT(readable, 0);
  EXPECT_LT(readable, 1500);
}

TEST_F(NativeDriverTest, Loading_a_file_that_crashes_the_dynamic_loader_is_refused) {
  const std::string good = contents_of(driver("good"));
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 60; ++round) {
    std::string file = good;
    // The dynamic section and relocations lie behind the headers: spoil words of 8 bytes with wild
    // addresses.
    const size_t at = 0x200 + random() % 0x2d00;
    for (size_t i = 0; i < 4 && at + i * 8 + 8 <= file.size(); ++i) {
      const uint64_t wild = 0x7000000000000000 | random();
      memcpy(&file[at + i * 8], &wild, sizeof wild);
    }
    ElfFacts facts;
    if (!read_elf(scratch(file), facts, error_)) continue;
    // What survives the trial is damaged code at worst, which is the driver's fault when it runs:
    // not run here.
    std::string why;
    refused += trial_load(scratch_, why) ? 0 : 1;
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace kebound::driver
