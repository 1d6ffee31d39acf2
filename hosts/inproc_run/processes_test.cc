// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/processes.h"

#include <gtest/gtest.h>
#include <link.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "hosts/inproc_run/drain.h"
#include "hosts/inproc_run/image_id.h"
#include "hosts/posix/process_facts.h"

namespace kebound::inproc_run {
namespace {

class Capture : public events::Sink {
 public:
  void accept(events::Record&& record) override { records.push_back(std::move(record)); }
  template <class T>
  std::vector<const T*> all() const {
    std::vector<const T*> found;
    for (const auto& record : records) {
      if (const auto* it = std::get_if<T>(&record)) found.push_back(it);
    }
    return found;
  }
  std::vector<events::Record> records;
};

void some_code() {}

// The program's own bias: where the file's addresses begin.
uint64_t own_bias() {
  uint64_t bias = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* result) {
        *static_cast<uint64_t*>(result) = info->dlpi_addr;
        return 1;
      },
      &bias);
  return bias;
}

RingRecord exception_at_some_code(pid_t pid) {
  RingRecord record;
  record.pid = record.tid = pid;
  record.is_64bit = sizeof(void*) == 8;
  record.thread_name = "worker";
  events::BoundException exception;
  exception.pid = exception.tid = pid;
  exception.event.ip = reinterpret_cast<uint64_t>(&some_code);
  exception.code_size = 4;
  memcpy(exception.code, reinterpret_cast<const void*>(&some_code), exception.code_size);
  record.record = std::move(exception);
  return record;
}

pid_t a_process_that_is_gone() {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  waitpid(pid, nullptr, 0);
  return pid;
}

class ProcessesTest : public testing::Test {
 protected:
  const events::BoundException& taken(RingRecord&& record) {
    processes.take(std::move(record));
    return *sink.all<events::BoundException>().back();
  }
  static std::string module_at_ip(const events::BoundException& exception) {
    if (exception.modules == nullptr) return "";
    for (const auto& mapping : exception.modules->mappings) {
      if (exception.event.ip >= mapping.begin && exception.event.ip < mapping.end) {
        return mapping.path;
      }
    }
    return "";
  }

  Capture sink;
  Processes processes{sink, "clamp"};
  const std::string self = posix::executable_path(getpid());
};

TEST_F(ProcessesTest, ALivingProcessIsAskedForItsMappings) {
  const auto& exception = taken(exception_at_some_code(getpid()));
  EXPECT_EQ(module_at_ip(exception), self);
  EXPECT_EQ(*exception.program, self);
  EXPECT_EQ(*exception.thread_name, "worker");
  ASSERT_EQ(sink.all<events::ProcessStarted>().size(), 1u);
  EXPECT_EQ(sink.all<events::ProcessStarted>()[0]->program, self);
}

TEST_F(ProcessesTest, OneThatIsGoneHasTheMappingsOfARelativeWhoseFileHasTheInstruction) {
  static_cast<void>(taken(exception_at_some_code(getpid())));
  const auto& exception = taken(exception_at_some_code(a_process_that_is_gone()));
  EXPECT_EQ(module_at_ip(exception), self);
  EXPECT_EQ(*exception.program, self);
}

TEST_F(ProcessesTest, OneThatIsGoneHasTheFileThatItNamed) {
  RingRecord record = exception_at_some_code(a_process_that_is_gone());
  record.image = self;
  record.image_bias = own_bias();
  record.image_is_program = true;
  const auto& exception = taken(std::move(record));
  EXPECT_EQ(module_at_ip(exception), self);
  ASSERT_NE(exception.program, nullptr);
  EXPECT_EQ(*exception.program, self);
}

TEST_F(ProcessesTest, AFileThatDoesNotHaveTheInstructionIsNotBelieved) {
  for (const char* image :
       {"", "/bin/sh", "/dev/zero", "/dev/tty", "/nonexistent", "/etc/passwd"}) {
    RingRecord record = exception_at_some_code(a_process_that_is_gone());
    record.image = image;
    record.image_bias = own_bias();
    EXPECT_EQ(module_at_ip(taken(std::move(record))), "") << image;
  }
  RingRecord record = exception_at_some_code(a_process_that_is_gone());
  record.image = self;
  record.image_bias = own_bias() + 4096;
  EXPECT_EQ(module_at_ip(taken(std::move(record))), "");
}

// The mapping around the instruction, which has to be there.
const events::Mapping& mapping_of(const events::BoundException& exception) {
  for (const auto& mapping : exception.modules->mappings) {
    if (exception.event.ip >= mapping.begin && exception.event.ip < mapping.end) return mapping;
  }
  static const events::Mapping none;
  ADD_FAILURE() << "no mapping";
  return none;
}

TEST_F(ProcessesTest, TheBuildThatARecordNamesGoesWithTheMappingsOfALivingProcess) {
  RingRecord record = exception_at_some_code(getpid());
  record.image = self;
  record.image_bias = own_bias();
  record.image_id = look_at_file(self).id;
  const std::string id = record.image_id.build_id;
  ASSERT_FALSE(id.empty());
  const auto& exception = taken(std::move(record));
  EXPECT_EQ(mapping_of(exception).path, self);
  EXPECT_EQ(mapping_of(exception).build_id, id);
  EXPECT_FALSE(mapping_of(exception).open_path.empty());
  EXPECT_TRUE(sink.all<events::VerifierRecord>().empty());
}

TEST_F(ProcessesTest, AnotherBuildIsNotLookedAtAlthoughItHasTheInstruction) {
  for (const pid_t pid : {getpid(), a_process_that_is_gone()}) {
    RingRecord record = exception_at_some_code(pid);
    record.image = self;
    record.image_bias = own_bias();
    record.image_is_program = true;
    record.image_id = look_at_file(self).id;
    record.image_id.build_id[0] ^= 1;
    const ImageId id = record.image_id;
    const auto& exception = taken(std::move(record));
    EXPECT_EQ(mapping_of(exception).path, self);
    EXPECT_EQ(mapping_of(exception).open_path, "");
    EXPECT_EQ(mapping_of(exception).build_id, id.build_id);
    EXPECT_EQ(mapping_of(exception).bias, own_bias());
    EXPECT_EQ(*exception.program, self);
    const auto said = sink.all<events::VerifierRecord>();
    ASSERT_EQ(said.size(), 1u) << "once for a build";
    EXPECT_EQ(said[0]->rule, "image-changed");
    for (const std::string& part : {self, describe(id), describe(look_at_file(self).id)}) {
      EXPECT_NE(said[0]->message.find(part), std::string::npos) << said[0]->message;
    }
  }
}

TEST_F(ProcessesTest, ThePlaceIsRememberedForOneBuildOnly) {
  const pid_t pid = a_process_that_is_gone();
  for (const bool other : {true, false, true}) {
    RingRecord record = exception_at_some_code(pid);
    record.image = self;
    record.image_bias = own_bias();
    record.image_id = look_at_file(self).id;
    if (other) record.image_id.build_id[0] ^= 1;
    EXPECT_EQ(mapping_of(taken(std::move(record))).open_path.empty(), other);
  }
}

TEST_F(ProcessesTest, EndsAreSaidOnlyOfProcessesThatWereAnnounced) {
  processes.ended(12345, false, 0, 1);
  EXPECT_TRUE(sink.records.empty());
  const pid_t pid = a_process_that_is_gone();
  static_cast<void>(taken(exception_at_some_code(pid)));
  processes.ended(pid, true, 9, 1);
  ASSERT_EQ(sink.all<events::ProcessExited>().size(), 1u);
  EXPECT_TRUE(sink.all<events::ProcessExited>()[0]->signaled);
}

TEST(DrainTest, TakesTheRestAndSaysWhatIsMissing) {
  RingFile file(4);
  Capture sink;
  const std::vector<rules::Rule> no_rules;
  Drain drain(file, &sink, "clamp", no_rules, nullptr);
  drain.start(getpid(), "/self");
  kebound_ring_record& damaged = file.records()[0];
  damaged.kind = 77;
  file.header()->head = 2;
  file.header()->dropped = 5;
  __atomic_store_n(&damaged.sequence, 1, __ATOMIC_RELEASE);
  EXPECT_EQ(drain.finish().exceptions, 7u) << "one damaged, one incomplete, five dropped";
  const auto said = sink.all<events::VerifierRecord>();
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0]->rule, "events-dropped");
  EXPECT_EQ(said[0]->events_missing, 5u);
  EXPECT_EQ(said[1]->rule, "events-incomplete");
  EXPECT_EQ(said[2]->rule, "events-damaged");
}

}  // namespace
}  // namespace kebound::inproc_run
