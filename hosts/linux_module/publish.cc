// SPDX-License-Identifier: Apache-2.0
#include "hosts/linux_module/publish.h"

#include <string.h>

#include "hosts/linux_module/device.h"
#include "hosts/linux_module/kernel.h"
#include "trap/x86/bound.h"

namespace kebound::linux_module {

namespace {

// Null where nobody reads, or there is no memory: the log has lines about what is not an exception.
class ScopedRecord {
 public:
  ScopedRecord() noexcept {
    if (kb_readers() != 0)
      record_ = static_cast<kebound_ring_record*>(kb_allocate(sizeof(kebound_ring_record)));
  }
  ScopedRecord(const ScopedRecord&) = delete;
  ScopedRecord& operator=(const ScopedRecord&) = delete;
  ~ScopedRecord() { kb_free(record_); }
  explicit operator bool() const noexcept { return record_ != nullptr; }
  kebound_ring_record* operator->() const noexcept { return record_; }
  kebound_ring_record* get() const noexcept { return record_; }

 private:
  kebound_ring_record* record_ = nullptr;
};

// Cut to what fits; `out` is zeroed.
template <size_t N>
size_t append(char (&out)[N], size_t at, const char* text) noexcept {
  while (at + 1 < N && *text != 0) out[at++] = *text++;
  return at;
}

}  // namespace

// They are the same but for the last member, which is where x86::Registers has padding.
static_assert(sizeof(kebound_registers) == sizeof(x86::Registers) &&
              offsetof(kebound_registers, ip) == offsetof(x86::Registers, rip) &&
              offsetof(kebound_registers, flags) == offsetof(x86::Registers, rflags) &&
              offsetof(kebound_registers, fs_base) == offsetof(x86::Registers, fs_base) &&
              offsetof(kebound_registers, gs_base) == offsetof(x86::Registers, gs_base) &&
              offsetof(kebound_registers, cs) == offsetof(x86::Registers, cs) &&
              offsetof(kebound_registers, gs) == offsetof(x86::Registers, gs) &&
              offsetof(kebound_registers, index_corrected) == offsetof(x86::Registers, gs) + 2);

void fill_abi_registers(const x86::Registers& from, kebound_registers& to) noexcept {
  memcpy(&to, &from, sizeof to);
  to.index_corrected = 0;
}

void publish_exception(const BoundEvent& event, const x86::Registers& before,
                       const x86::Registers& after, const Ending& ending,
                       bool may_sleep) noexcept {
  if (kb_readers() == 0) return;
  const ScopedRecord record;
  if (!record) return;
  record->kind = KEBOUND_RECORD_EXCEPTION;
  record->disposition = static_cast<uint8_t>(ending.disposition);
  uint8_t code[x86::kMaxInstructionLength];
  record->code_size = static_cast<uint8_t>(kb_read_user(nullptr, event.ip, code, sizeof code));
  memcpy(record->code, code, record->code_size);
  fill_abi_event(event, record->event);
  fill_abi_registers(before, record->before);
  fill_abi_registers(after, record->after);
  record->answer_count = static_cast<uint8_t>(ending.asked);
  if (ending.decided_by != nullptr) {
    record->answers[0].routine = reinterpret_cast<uint64_t>(ending.decided_by);
    record->answers[0].status = ending.answer;
    record->answers[0].edited = before == after ? 0 : 1;
    record->answer_count = 1;
  }
  append(record->text, 0, ending.reason);
  kb_publish(record.get(), may_sleep ? 1 : 0);
}

void publish_bug_check(uint32_t code, const uint64_t (&parameters)[4], uint64_t routine,
                       const char* explanation) noexcept {
  const ScopedRecord record;
  if (!record) return;
  record->kind = KEBOUND_RECORD_BUG_CHECK;
  record->bug_check = code;
  for (unsigned i = 0; i < 4; ++i) record->before.gpr[i] = parameters[i];
  record->routine = routine;
  append(record->text, 0, explanation);
  kb_publish(record.get(), 0);
}

void publish_violation(const char* rule, const char* message) noexcept {
  const ScopedRecord record;
  if (!record) return;
  record->kind = KEBOUND_RECORD_VERIFIER;
  append(record->text, append(record->text, append(record->text, 0, rule), ": "), message);
  kb_publish(record.get(), 0);
}

}  // namespace kebound::linux_module
