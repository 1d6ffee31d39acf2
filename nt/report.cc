// SPDX-License-Identifier: Apache-2.0
#include "nt/report.h"

#include <stdlib.h>

#include <charconv>
#include <utility>

#include "nt/thread.h"

namespace kebound::nt {

std::string hex(uint64_t value) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  return "0x" + std::string(digits, end);
}

const Image* image_at(uint64_t address) noexcept {
  if (const Image* image = Facility::image_of(address)) return image;
  const Thread* thread = current_thread();
  return thread != nullptr ? thread->inside.load(MemoryOrder::Relaxed) : nullptr;
}

void raise_bug_check(BugCheckCode code, const BugCheckParameters& parameters, uint64_t address,
                     std::string explanation) {
  BugCheck record;
  record.code = static_cast<uint32_t>(code);
  record.parameters[0] = parameters.p1;
  record.parameters[1] = parameters.p2;
  record.parameters[2] = parameters.p3;
  record.parameters[3] = parameters.p4;
  record.driver = name_of(image_at(address));
  if (Facility::image_of(address) != nullptr) record.callback = Facility::describe(address);
  record.explanation = std::move(explanation);
  if (const Thread* thread = current_thread(); thread != nullptr && thread->event != nullptr) {
    record.pid = thread->client_pid;
    record.tid = thread->client_tid;
  }
  host().bug_check(record);
  abort();  // a host that returns here broke its promise
}

void raise_status(NTSTATUS status, uint64_t address, std::string explanation) {
  raise_bug_check(BugCheckCode::KmodeExceptionNotHandled,
                  {.p1 = static_cast<uint64_t>(static_cast<int64_t>(status)), .p2 = address},
                  address, std::move(explanation));
}

void report_violation(std::string_view rule, uint64_t address, std::string message) {
  Violation violation;
  violation.rule = rule;
  violation.driver = name_of(image_at(address));
  if (Facility::image_of(address) != nullptr) violation.callback = Facility::describe(address);
  violation.message = std::move(message);
  host().violation(violation);
}

}  // namespace kebound::nt
